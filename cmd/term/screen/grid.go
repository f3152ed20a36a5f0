package screen

import (
	"math"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/sottochat/sotto/messaging/client/content/display"
)

// Style is how a cell looks. The terminal's own colours stand for most of it, so
// that dark and light need nothing from us.
type Style uint8

// The styles.
const (
	Plain Style = iota
	Dim
	Bold
	Accent   // the member's own, a choice
	Warning  // what must be seen
	Inverse  // bars and what is selected
	Paper    // dark on light, for QR codes
	TypedDim // hints in the composer
)

// Cell is one place of a Grid. Text is one grapheme cluster; empty: the right half
// of a wide one before it.
type Cell struct {
	Text  string
	Style Style
}

// maxCluster bounds what stands in one cell, in bytes: a family with skin tones has
// 41, and joiners can be chained for ever.
const maxCluster = 64

// Grid is a screen full of cells. Text gets in by put alone, which passes it
// through package display: nothing that a stranger wrote can reach the terminal as
// anything but cells.
type Grid struct {
	W, H  int
	Cells []Cell
	// CursorX and CursorY are where the cursor stands; -1: hidden.
	CursorX, CursorY int
}

func newGrid(w, h int) *Grid {
	g := &Grid{W: w, H: h, Cells: make([]Cell, w*h), CursorX: -1, CursorY: -1}
	for i := range g.Cells {
		g.Cells[i].Text = " "
	}
	return g
}

// put writes text in at most most cells from x on and returns the cells used.
func (g *Grid) put(x, y, most int, text string, style Style) int {
	if y < 0 || y >= g.H || x < 0 {
		return 0
	}
	most = min(most, g.W-x)
	if most <= 0 {
		return 0
	}
	return g.clusters(x, y, fit(safeLine(text), most), style)
}

// safeLine is what is shown of a text in one line, however wide.
func safeLine(text string) string { return display.SafeLine(text, math.MaxInt) }

// cells is how many cells a text takes. It counts as the library does that moves
// the cursor, cluster by cluster.
func cells(text string) int { return uniseg.StringWidth(text) }

// fit cuts a text that is wider than most cells.
func fit(text string, most int) string {
	if _, rest := cut(text, most); rest == "" && cells(text) <= most {
		return text
	}
	head, _ := cut(text, most-1)
	if cells(head) > most-1 {
		head = "" // one cluster that is wider than all there is
	}
	return head + "…"
}

func (g *Grid) clusters(x, y int, safe string, style Style) (used int) {
	state := -1
	for safe != "" {
		var cluster string
		var wide int
		cluster, safe, wide, state = uniseg.FirstGraphemeClusterInString(safe, state)
		if wide == 0 {
			g.join(x+used-1, y, cluster, used)
			continue
		}
		if len(cluster) > maxCluster {
			cluster, wide = "\uFFFD", 1
		}
		if x+used+wide > g.W {
			break
		}
		g.Cells[y*g.W+x+used] = Cell{cluster, style}
		for i := 1; i < wide; i++ {
			g.Cells[y*g.W+x+used+i] = Cell{"", style}
		}
		used += wide
	}
	return used
}

// join adds what takes no cell of its own to the cell before it.
func (g *Grid) join(x, y int, text string, used int) {
	for ; used > 0; x, used = x-1, used-1 {
		if c := &g.Cells[y*g.W+x]; c.Text != "" {
			if len(c.Text)+len(text) <= maxCluster {
				c.Text += text
			}
			return
		}
	}
}

// fill gives a line one style and blanks it.
func (g *Grid) fill(x, y, width int, style Style) {
	for i := max(x, 0); i < min(x+width, g.W) && y >= 0 && y < g.H; i++ {
		g.Cells[y*g.W+i] = Cell{" ", style}
	}
}

// String returns the text of the grid, without trailing spaces: what tests
// compare.
func (g *Grid) String() string {
	var out strings.Builder
	for y := range g.H {
		var line strings.Builder
		for x := range g.W {
			line.WriteString(g.Cells[y*g.W+x].Text)
		}
		out.WriteString(strings.TrimRight(line.String(), " "))
		out.WriteByte('\n')
	}
	return out.String()
}

// wrap breaks a text into lines of at most so many cells, at spaces where there are
// any.
func wrap(text string, most int) (lines []string) {
	most = max(most, 1)
	for paragraph := range strings.SplitSeq(display.SafeText(text), "\n") {
		lines = append(lines, wrapLine(paragraph, most)...)
	}
	return lines
}

func wrapLine(text string, most int) (lines []string) {
	var line strings.Builder
	used, state := 0, -1
	flush := func() {
		lines = append(lines, strings.TrimRight(line.String(), " "))
		line.Reset()
		used = 0
	}
	for text != "" {
		var word string
		word, text, _, state = uniseg.FirstLineSegmentInString(text, state)
		// What is wider than a line is cut, front first: asking for the width of the
		// whole each time would take the square of its length.
		for head, rest := cut(word, most); rest != ""; head, rest = cut(word, most) {
			if strings.TrimRight(rest, " ") == "" {
				break // only the spaces behind it are too many
			}
			if used > 0 {
				flush()
			}
			line.WriteString(head)
			flush()
			word = rest
		}
		if w := cells(strings.TrimRight(word, " ")); used > 0 && used+w > most {
			flush()
		}
		line.WriteString(word)
		used += cells(word)
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// cut takes the first cells of a word that is wider than a line.
func cut(word string, most int) (head, rest string) {
	state, used := -1, 0
	rest = word
	for rest != "" {
		_, after, w, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if used > 0 && used+w > most {
			break
		}
		used, state, rest = used+w, next, after
	}
	return word[:len(word)-len(rest)], rest
}
