// Package static holds the few files that pages load. Their names carry a hash
// of their content, so that browsers may keep them for ever.
package static

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

//go:embed page.css
var pageCSS []byte

// File is one file with its path on the site.
type File struct {
	Path        string
	ContentType string
	Body        []byte
}

// Page returns the style sheet of the pages.
func Page() File { return hashed("page", "css", "text/css; charset=utf-8", pageCSS) }

// hashLength is how many digits of the hash stand in a name: 64 bits tell the
// versions of one file apart.
const hashLength = 16

func hashed(name, extension, contentType string, body []byte) File {
	sum := sha256.Sum256(body)
	return File{"/static/" + name + "." + hex.EncodeToString(sum[:])[:hashLength] + "." + extension, contentType, body}
}
