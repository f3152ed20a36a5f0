// Package display makes what a stranger wrote harmless to show: message texts,
// profile names and file names, in a terminal, a page or a file dialog. It is not
// HTML escaping and judges no words. What it changes is for the eye only; the
// content that is stored stays as it was sent. docs/protocol.md section 4 rules
// what it is given.
package display

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxShown is how much of a text is shown, in bytes: no message is longer
	// (docs/protocol.md section 4), so more than this never came from one.
	MaxShown = 16 << 10
	// MaxMarks is how many combining marks in a row are shown: living scripts
	// stack four at most, and hundreds paint over the lines above.
	MaxMarks = 4

	replacement = utf8.RuneError
	ellipsis    = "…"
)

// SafeText returns s for showing in several lines: UTF-8, at most MaxShown bytes
// of input and then "…", with no control character but the line feed. Escape
// sequences lose their ESC and stay visible as text. What turns the direction
// of a line, hides text, or has no agreed look becomes U+FFFD or is left out.
// SafeText(SafeText(s)) is SafeText(s) for what is not cut.
func SafeText(s string) string {
	cut := len(s) > MaxShown
	if cut {
		s = s[:boundary(s, MaxShown)]
	}
	var out strings.Builder
	out.Grow(len(s))
	marks := 0
	for i, r := range s {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			marks++
		} else {
			marks = 0
		}
		if marks <= MaxMarks {
			writeSafe(&out, s[i:], r)
		}
	}
	if cut {
		out.WriteString(ellipsis)
	}
	return out.String()
}

// SafeLine returns s for showing in one line of at most cells terminal cells:
// SafeText with line feeds as spaces, cut with "…" when it is wider.
func SafeLine(s string, cells int) string {
	s = strings.ReplaceAll(SafeText(s), "\n", " ")
	if Width(s) <= cells {
		return s
	}
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > cells-1 {
			return s[:i] + ellipsis[:len(ellipsis)*min(1, max(cells, 0))]
		}
		used += w
	}
	return s
}

// boundary returns the largest length up to n that does not cut a rune.
func boundary(s string, n int) int {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

func writeSafe(out *strings.Builder, rest string, r rune) {
	switch {
	case r == '\n':
		out.WriteByte('\n')
	case r == '\t':
		out.WriteByte(' ')
	case r == '\r':
		// With a line feed it is one end of line; alone it would write over the line.
		if !strings.HasPrefix(rest, "\r\n") {
			out.WriteByte('\n')
		}
	case r == '\u2028' || r == '\u2029':
		out.WriteByte('\n')
	case silent(r):
	case !shown(r):
		out.WriteRune(replacement)
	default:
		out.WriteRune(r)
	}
}

// silent reports what is left out without a trace: marks of direction that well
// meant text in Arabic or Hebrew has and that do harm in none, and characters
// without a width that only hide or split words. Joiners (U+200C, U+200D) stay:
// Persian and emoji need them.
func silent(r rune) bool {
	switch r {
	case 0x00AD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF:
		return true
	}
	return r >= 0x2061 && r <= 0x2064
}

// shown reports what has one agreed look of an agreed width.
func shown(r rune) bool {
	switch {
	case r == 0x200C, r == 0x200D:
		return true
	case wideLigature(r):
		return false
	case unicode.Is(unicode.Zs, r):
		return true
	}
	// Leaves out controls, format characters (bidi embeddings, overrides and
	// isolates, tags, annotations), surrogates, private use and unassigned.
	return unicode.IsGraphic(r)
}

// wideLigature reports single characters that are drawn many cells wide and
// break the layout of terminals: Arabic ligatures of whole phrases, the widest
// cuneiform signs, and the dashes of two and three em.
func wideLigature(r rune) bool {
	switch r {
	case 0xFDFA, 0xFDFB, 0xFDFC, 0xFDFD, 0x12031, 0x1242B, 0x2E3A, 0x2E3B:
		return true
	}
	return false
}
