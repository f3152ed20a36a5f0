package sso

import (
	"net/url"
	"strings"
)

const (
	// maxReturn bounds the path in bytes.
	maxReturn = 1024
	home      = "/"
)

// SafeReturn returns a path that every browser takes as one of the same origin:
// the one given where that is beyond doubt, else "/". It refuses more than it
// must: whatever browsers or frameworks were seen to read in two ways.
func SafeReturn(path string) string {
	if len(path) > maxReturn || !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, notPlain) {
		return home
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.String() != path {
		return home
	}
	// Decoded too: a server that decodes once more must not find a host there.
	for _, form := range []string{u.EscapedPath(), u.Path} {
		if strings.Contains(form, "//") || strings.Contains(form, "/..") || strings.Contains(form, "/./") || strings.ContainsFunc(form, notPlain) {
			return home
		}
	}
	return path
}

// notPlain finds what is no visible ASCII: controls, spaces, and all letters
// that some reader turns into a dot or a slash. Browsers read a backslash as a
// slash (WHATWG URL section 4.4).
func notPlain(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' }
