package screen

import (
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
	return g.clusters(x, y, most, display.SafeLine(text, most), style)
}

func (g *Grid) clusters(x, y, most int, safe string, style Style) (used int) {
	state := -1
	for safe != "" {
		var cluster string
		cluster, safe, _, state = uniseg.FirstGraphemeClusterInString(safe, state)
		width := display.Width(cluster)
		if used+width > most {
			break
		}
		if width == 0 {
			g.join(x+used-1, y, cluster, used)
			continue
		}
		g.Cells[y*g.W+x+used] = Cell{cluster, style}
		for i := 1; i < width; i++ {
			g.Cells[y*g.W+x+used+i] = Cell{"", style}
		}
		used += width
	}
	return used
}

// join adds what takes no cell of its own to the cell before it.
func (g *Grid) join(x, y int, text string, used int) {
	for ; used > 0; x, used = x-1, used-1 {
		if c := &g.Cells[y*g.W+x]; c.Text != "" {
			c.Text += text
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

// wrap breaks a text into lines of at most width cells, at spaces where there are
// any.
func wrap(text string, width int) (lines []string) {
	width = max(width, 1)
	for paragraph := range strings.SplitSeq(display.SafeText(text), "\n") {
		lines = append(lines, wrapLine(paragraph, width)...)
	}
	return lines
}

func wrapLine(text string, width int) (lines []string) {
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
		if w := display.Width(strings.TrimRight(word, " ")); used > 0 && used+w > width {
			flush()
		}
		for display.Width(word) > width {
			head, rest := cut(word, width)
			if used > 0 {
				flush()
			}
			line.WriteString(head)
			flush()
			word = rest
		}
		line.WriteString(word)
		used += display.Width(word)
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// cut takes the first cells of a word that is wider than a line.
func cut(word string, width int) (head, rest string) {
	state, used := -1, 0
	rest = word
	for rest != "" {
		cluster, after, _, next := uniseg.FirstGraphemeClusterInString(rest, state)
		w := display.Width(cluster)
		if used > 0 && used+w > width {
			break
		}
		used, state, rest = used+w, next, after
	}
	return word[:len(word)-len(rest)], rest
}
