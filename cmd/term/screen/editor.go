package screen

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// editor is one text being typed, as the grapheme clusters that a person sees.
type editor struct {
	clusters []string
	at       int // the cursor stands before this cluster
}

// maxTyped bounds what can be typed or pasted, in bytes: the longest text.
const maxTyped = 16 << 10

func (e *editor) text() string { return strings.Join(e.clusters, "") }
func (e *editor) empty() bool  { return len(e.clusters) == 0 }
func (e *editor) clear()       { e.clusters, e.at = nil, 0 }

func (e *editor) set(text string) {
	e.clear()
	e.insert(text)
}

// insert puts text before the cursor. Controls other than a line feed are left
// out; clusters are found anew, since a combining mark joins what is before it.
func (e *editor) insert(text string) {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), ""))
	before := strings.Join(e.clusters[:e.at], "") + text
	after := strings.Join(e.clusters[e.at:], "")
	if len(before)+len(after) > maxTyped {
		return
	}
	left := split(before)
	e.clusters = split(before + after)
	e.at = min(len(left), len(e.clusters))
}

func split(text string) (out []string) {
	g := uniseg.NewGraphemes(text)
	for g.Next() {
		out = append(out, g.Str())
	}
	return out
}

func (e *editor) move(by int) { e.at = min(max(e.at+by, 0), len(e.clusters)) }

// backspace takes out the cluster before the cursor, remove that behind it.
func (e *editor) backspace() {
	if e.at > 0 {
		e.at--
		e.remove()
	}
}

func (e *editor) remove() {
	if e.at < len(e.clusters) {
		e.clusters = append(e.clusters[:e.at:e.at], e.clusters[e.at+1:]...)
	}
}

// killWord takes out the word before the cursor, killLine all before it.
func (e *editor) killWord() {
	from := e.at
	for from > 0 && strings.TrimSpace(e.clusters[from-1]) == "" {
		from--
	}
	for from > 0 && strings.TrimSpace(e.clusters[from-1]) != "" {
		from--
	}
	e.clusters = append(e.clusters[:from:from], e.clusters[e.at:]...)
	e.at = from
}

func (e *editor) killLine() {
	e.clusters = append([]string(nil), e.clusters[e.at:]...)
	e.at = 0
}

// key edits by a key, and reports whether it was one of editing.
func (e *editor) key(k Key) bool {
	switch k.Code {
	case KeyRune:
		e.insert(string(k.Rune))
	case KeyBackspace:
		e.backspace()
	case KeyDelete:
		e.remove()
	case KeyLeft:
		e.move(-1)
	case KeyRight:
		e.move(1)
	case KeyHome:
		e.at = 0
	case KeyEnd:
		e.at = len(e.clusters)
	case KeyKillWord:
		e.killWord()
	case KeyKillLine:
		e.killLine()
	default:
		return false
	}
	return true
}
