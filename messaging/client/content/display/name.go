package display

import (
	"strings"
	"unicode/utf8"
)

const (
	// MaxSafeName is the longest name that SafeName gives, in bytes: file systems
	// take 255, and browsers and the member add to it ("(1)", ".part").
	MaxSafeName = 120
	// maxExtension is how much of the end is kept when a name is cut, in bytes,
	// with its dot: the longest in common use have nine.
	maxExtension = 16
	// noName is what a file is called of whose name nothing is left.
	noName = "file"
)

// SafeName returns a file name for saving and showing: one path element for
// every system, at most MaxSafeName bytes, without what SafeText replaces,
// without the characters that Windows forbids, without dots in front or dots
// and spaces at the end, and never a device name such as CON or NUL.
func SafeName(s string) string {
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	if len(s) > MaxShown {
		s = s[len(s)-MaxShown:]
	}
	s = strings.Map(nameRune, s)
	s = trimName(s)
	if len(s) > MaxSafeName {
		s = trimName(shorten(s))
	}
	if s == "" {
		return noName
	}
	if reserved(s) {
		return "_" + s
	}
	return s
}

func nameRune(r rune) rune {
	switch {
	case strings.ContainsRune(`<>:"|?*`, r):
		return '_'
	case r == '\t' || r == '\n' || r == '\r', r == 0x2028, r == 0x2029:
		return ' '
	case silent(r), !shown(r), r == replacement:
		return -1
	}
	return r
}

func trimName(s string) string {
	return strings.TrimLeft(strings.TrimRight(s, ". "), ". ")
}

// shorten cuts the middle, so that the extension stays what it was.
func shorten(s string) string {
	extension := ""
	if dot := strings.LastIndexByte(s, '.'); dot > 0 && len(s)-dot <= maxExtension {
		extension = s[dot:]
	}
	stem := s[:boundary(s, MaxSafeName-len(extension))]
	return strings.TrimRight(stem, ". ") + extension
}

// reserved reports the device names of Windows, which it also takes with an
// extension and with superscript digits.
func reserved(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	if !strings.HasPrefix(stem, "COM") && !strings.HasPrefix(stem, "LPT") {
		return false
	}
	port, n := utf8.DecodeRuneInString(stem[3:])
	return n > 0 && len(stem) == 3+n && strings.ContainsRune("0123456789¹²³", port)
}
