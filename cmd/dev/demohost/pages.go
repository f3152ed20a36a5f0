package demohost

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
)

//go:embed page/*.html page/style.css page/send.js page/icon.svg
var files embed.FS

// The names carry the content's digest, so that browsers may keep the files.
var (
	stylePath  = "/static/" + digest("page/style.css") + ".css"
	scriptPath = "/static/" + digest("page/send.js") + ".js"
	iconPath   = "/static/" + digest("page/icon.svg") + ".svg"
)

func digest(name string) string {
	b, _ := files.ReadFile(name) // embedded: it is there
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func parsePages() (*template.Template, error) {
	return template.ParseFS(files, "page/*.html")
}

// static serves style, script and icon.
func static(w http.ResponseWriter, r *http.Request) {
	name, contentType := "page/style.css", "text/css; charset=utf-8"
	switch r.URL.Path {
	case stylePath:
	case scriptPath:
		name, contentType = "page/send.js", "text/javascript; charset=utf-8"
	case iconPath:
		name, contentType = "page/icon.svg", "image/svg+xml"
	default:
		http.NotFound(w, r)
		return
	}
	b, _ := files.ReadFile(name)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(b)
}
