package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/content/display"
	"github.com/sottochat/sotto/messaging/wire"
)

const (
	// twoPanes is the width in cells from which list and conversation stand side
	// by side, listWidth that of the list then.
	twoPanes  = 66
	listWidth = 24
	// composeLines is how many lines of the composer are shown at most.
	composeLines = 5
)

// Draw shows everything in a grid of w by h cells, however few they are.
func (m *Model) Draw(w, h int) *Grid {
	g := newGrid(max(w, 1), max(h, 1))
	d := &drawing{m, g}
	switch {
	case len(m.notices) > 0:
		d.notice()
	case m.page != nil:
		d.page()
	default:
		d.desk()
	}
	return g
}

// drawing is one picture in the making.
type drawing struct {
	m *Model
	g *Grid
}

// desk is list, conversation, composer and status line.
func (d *drawing) desk() {
	g, m := d.g, d.m
	d.status(g.H - 1)
	typed := d.composer(g.H - 2)
	bottom := g.H - 2 - typed // of list and conversation
	x := 0
	switch {
	case g.W >= twoPanes:
		d.list(0, listWidth, bottom)
		for y := range bottom {
			g.put(listWidth, y, 1, "│", Dim)
		}
		x = listWidth + 1
	case m.inList || m.open == (messaging.ChatID{}):
		d.list(0, g.W, bottom)
		return
	}
	d.conversation(x, bottom)
}

// list shows the chats.
func (d *drawing) list(x, width, bottom int) {
	m := d.m
	d.bar(x, 0, width, " Chats", m.inList)
	if len(m.state.Chats) == 0 {
		for i, l := range wrap("No chats yet. Open an invite with /open, or show yours with /invite.", width-2) {
			d.g.put(x+1, 2+i, width-2, l, Dim)
		}
		return
	}
	rows := max((bottom-1)/2, 1)
	first := max(m.selected-rows+1, 0)
	for i := first; i < len(m.state.Chats) && 2+2*(i-first) < bottom+1; i++ {
		d.entry(x, 1+2*(i-first), width, bottom, i)
	}
}

func (d *drawing) entry(x, y, width, bottom, i int) {
	m, e := d.m, d.m.state.Chats[i]
	style := Plain
	if e.Unread > 0 {
		style = Bold
	}
	if i == m.selected && (m.inList || e.ID == m.open) {
		style = Inverse
	}
	if y < bottom {
		d.g.fill(x, y, width, style)
		right := ""
		if e.Unread > 0 {
			right = fmt.Sprintf(" %d ", e.Unread)
		}
		d.g.put(x+1, y, width-2-len(right), Title(e.Chat), style)
		d.g.put(x+width-len(right), y, len(right), right, style)
	}
	if y+1 < bottom {
		d.g.put(x+1, y+1, width-2, m.summary(e), Dim)
	}
}

// summary is the second line of a chat in the list.
func (m *Model) summary(e Entry) string {
	switch {
	case e.KeysNew:
		return "new keys: look first"
	case e.Last.ID == (messaging.MessageID{}):
		return "nothing said yet"
	}
	text := headline(e.Last)
	if e.Last.Sender.Account == m.state.Self {
		text = "you: " + text
	}
	return text
}

// Title is what a chat is called: as the peer wants to be, else by the start of
// its account.
func Title(c client.Chat) string {
	if name := display.SafeLine(c.Profile.Name, content.MaxName); name != "" {
		return name
	}
	text := c.Peer.String()
	return "member " + text[max(len(text)-6, 0):]
}

// headline says a message in one line.
func headline(x client.Message) string {
	switch x.Status {
	case client.StatusDeleted:
		return "deleted"
	case client.StatusLost:
		return "not recovered"
	}
	switch b := x.Content.Body.(type) {
	case content.Text:
		if x.Edited != "" {
			return x.Edited
		}
		return b.Text
	case content.Media:
		return "file " + display.SafeName(b.Name)
	case content.Timer:
		return "disappearing: " + after(b.Seconds)
	}
	return "needs a newer version"
}

func after(seconds uint32) string {
	if seconds == 0 {
		return "off"
	}
	for _, unit := range []struct {
		seconds uint32
		name    string
	}{{86400, "days"}, {3600, "hours"}, {60, "minutes"}} {
		if seconds%unit.seconds == 0 {
			return fmt.Sprintf("after %d %s", seconds/unit.seconds, unit.name)
		}
	}
	return fmt.Sprintf("after %d seconds", seconds)
}

func (d *drawing) bar(x, y, width int, text string, active bool) {
	style := Dim
	if active {
		style = Bold
	}
	d.g.fill(x, y, width, style)
	d.g.put(x, y, width, text, style)
}

// entryOf finds the open chat.
func (m *Model) entryOf() (Entry, bool) {
	for _, e := range m.state.Chats {
		if e.ID == m.open {
			return e, true
		}
	}
	return Entry{}, false
}

// conversation shows the open chat.
func (d *drawing) conversation(x, bottom int) {
	m, width := d.m, d.g.W-x
	e, ok := m.entryOf()
	if !ok {
		for i, l := range wrap("Choose a chat on the left and press Enter. F1 shows the keys.", width-4) {
			d.g.put(x+2, 2+i, width-3, l, Dim)
		}
		return
	}
	d.bar(x, 0, width, " "+Title(e.Chat), !m.inList)
	top := 1
	if text := standing(e.Chat); text != "" {
		for _, l := range wrap(text, width-2) {
			d.g.fill(x, top, width, Warning)
			d.g.put(x+1, top, width-2, l, Warning)
			top++
		}
	}
	mark := ""
	if e.Verified {
		mark = "✔ verified "
	}
	d.g.put(d.g.W-cells(mark), 0, cells(mark), mark, Accent)
	d.messages(x, top, bottom)
}

// standing says what keeps a chat from being like any other.
func standing(c client.Chat) string {
	switch {
	case c.Forked:
		return "Somebody is shown another list of this person's devices. Compare /safety numbers."
	case c.KeysNew:
		return "This person's keys are new. Compare /safety numbers, then /accept."
	case c.State == wire.StateBlocked:
		return "You blocked this person. /unblock takes messages again."
	case !c.MayWrite:
		return "Writing is not open here."
	}
	return ""
}

// line is one line of a conversation.
type line struct {
	text  string
	style Style
	at    int // message, counted from the newest; 0: none
	left  int // cells before the text
}

// messages shows the newest at the bottom, up to where the member scrolled.
func (d *drawing) messages(x, top, bottom int) {
	m := d.m
	lines := m.layout(d.g.W - x)
	m.room, m.lines = max(bottom-top, 0), len(lines)
	m.followChosen(lines)
	m.scroll = min(m.scroll, max(m.lines-m.room, 0))
	from := max(m.lines-m.room-m.scroll, 0)
	y := top
	if missing := m.room - m.lines; missing > 0 {
		y += missing
	}
	for _, l := range lines[from:min(from+m.room, m.lines)] {
		style := l.style
		if l.at > 0 && l.at == m.chosen {
			d.g.fill(x, y, d.g.W-x, Inverse)
			style = Inverse
		}
		d.g.put(x+l.left, y, d.g.W-x-l.left, l.text, style)
		y++
	}
}

// followChosen scrolls so that the chosen message is in view.
func (m *Model) followChosen(lines []line) {
	if m.chosen == 0 {
		return
	}
	first, last := -1, -1
	for i, l := range lines {
		if l.at == m.chosen {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return
	}
	m.scroll = max(m.scroll, len(lines)-m.room-first)
	m.scroll = max(min(m.scroll, len(lines)-1-last), 0)
}

// layout turns the messages into lines. It is kept until something else is to be
// shown: a peer's longest texts must not make each key stroke slow.
func (m *Model) layout(width int) []line {
	if m.laid == nil || m.laidWidth != width {
		m.laid, m.laidWidth = m.layAll(width), width
	}
	return m.laid
}

func (m *Model) layAll(width int) (lines []line) {
	day := ""
	for i, x := range m.state.Messages {
		at := time.Unix(int64(x.Arrived), 0).In(m.zone)
		if d := at.Format("Monday, 2 January 2006"); d != day {
			day = d
			lines = append(lines, line{text: "— " + d + " —", style: Dim, left: 1})
		}
		lines = append(lines, m.message(x, len(m.state.Messages)-i, at, width)...)
	}
	if m.state.Typing {
		lines = append(lines, line{text: "… writes", style: Dim, left: indent})
	}
	return lines
}

// indent is what stands before a text: the time and who.
const indent = 12

func (m *Model) message(x client.Message, number int, at time.Time, width int) (lines []line) {
	own := x.Sender.Account == m.state.Self
	who, style := "them", Plain
	if own {
		who, style = "you ", Accent
	}
	left := indent
	if width < 3*indent { // no room for a column of times
		left = 2
		lines = append(lines, line{at.Format("15:04 ") + who, Dim, number, 1})
	}
	if quoted := m.quoted(x); quoted != "" {
		lines = append(lines, line{"↳ " + quoted, Dim, number, left})
	}
	body, bodyStyle := m.body(x, style)
	start := len(lines)
	for _, l := range wrap(body+m.mark(x, own), width-left-1) {
		lines = append(lines, line{l, bodyStyle, number, left})
	}
	if left == indent {
		first := &lines[start]
		first.text, first.left = at.Format("15:04 ")+who+" "+first.text, 1
	}
	return append(lines, m.below(x, number, left)...)
}

// body is what a message says, and how it looks.
func (m *Model) body(x client.Message, style Style) (string, Style) {
	switch x.Status {
	case client.StatusDeleted:
		return "(deleted)", Dim
	case client.StatusLost:
		return "(this message could not be recovered)", Warning
	}
	switch b := x.Content.Body.(type) {
	case content.Text, content.Edit:
		text := headline(x)
		if x.Edited != "" {
			text += " (edited)"
		}
		return text, style
	case content.Media:
		text := fmt.Sprintf("[%s, %s]", display.SafeName(b.Name), bytesText(b.Blob.Size))
		if b.Caption != "" {
			text += "\n" + b.Caption
		}
		return text, style
	case content.Timer:
		return "(" + headline(x) + ")", Dim
	}
	return "(" + headline(x) + ")", Dim
}

func bytesText(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

// mark says how far an own message has come.
func (m *Model) mark(x client.Message, own bool) string {
	if !own || x.Status == client.StatusDeleted {
		return ""
	}
	switch x.Status {
	case client.StatusQueued:
		return " …"
	case client.StatusSent:
		return " ✓"
	case client.StatusDelivered:
		return " ✓✓"
	case client.StatusRead:
		return " ✓✓ read"
	case client.StatusFailed:
		return " ✗ not sent"
	}
	return ""
}

// quoted is the message that one answers, in one line.
func (m *Model) quoted(x client.Message) string {
	var to messaging.MessageID
	switch b := x.Content.Body.(type) {
	case content.Text:
		to = b.ReplyTo
	case content.Media:
		to = b.ReplyTo
	}
	if to == (messaging.MessageID{}) {
		return ""
	}
	return m.headlineOf(to)
}

func (m *Model) headlineOf(id messaging.MessageID) string {
	for _, y := range m.state.Messages {
		if y.ID == id {
			return headline(y)
		}
	}
	return "an earlier message"
}

// below are the reactions to a message.
func (m *Model) below(x client.Message, number, left int) (lines []line) {
	text := ""
	for _, r := range x.Reactions {
		who := "them"
		if r.Account == m.state.Self {
			who = "you"
		}
		text += " " + display.SafeLine(r.Emoji, 8) + " " + who
	}
	if text == "" {
		return nil
	}
	return []line{{text, Dim, number, left}}
}

// composer shows what is typed, its last line on y, and returns how many lines it
// took.
func (d *drawing) composer(y int) int {
	m, width := d.m, d.g.W
	lines, cx, cy := m.typedLines(width - 3)
	most := max(min(composeLines, d.g.H-5), 1)
	first := min(max(len(lines)-most, 0), cy)
	shown := lines[first:min(first+most, len(lines))]
	top := y - len(shown) + 1
	for i, l := range shown {
		d.g.put(2, top+i, width-2, l, Plain)
	}
	d.g.put(0, top, 2, "> ", Bold)
	if m.compose.empty() {
		d.g.put(2, top, width-2, m.hint(), TypedDim)
	}
	if at := top + cy - first; at >= 0 && at < d.g.H {
		d.g.CursorX, d.g.CursorY = min(2+cx, width-1), at
	}
	used := len(shown)
	if text := m.above(); text != "" && top > 0 {
		d.g.put(0, top-1, width, text, m.aboveStyle())
		used++
	}
	return used
}

// typedLines breaks what is typed into lines and finds the cursor.
func (m *Model) typedLines(width int) (lines []string, cx, cy int) {
	width = max(width, 1)
	text, used := "", 0
	for i, c := range m.compose.clusters {
		w := cells(c)
		if c == "\n" || used+w > width {
			lines = append(lines, text)
			text, used = "", 0
		}
		if i == m.compose.at {
			cx, cy = used, len(lines)
		}
		if c != "\n" {
			text += c
			used += w
		} else if i == m.compose.at {
			cx, cy = cells(lines[len(lines)-1]), len(lines)-1
		}
	}
	lines = append(lines, text)
	if m.compose.at == len(m.compose.clusters) {
		cx, cy = used, len(lines)-1
	}
	return lines, cx, cy
}

func (m *Model) hint() string {
	if m.inList || m.open == (messaging.ChatID{}) {
		return "/open LINK  /invite  /help"
	}
	return "Write a message, or / for a command"
}

// above is the line over the composer: a question first, then what was said last,
// then what the text will do.
func (m *Model) above() string {
	switch {
	case m.question != nil:
		return m.question.text + "  y/n"
	case m.said != "":
		return m.said
	case m.editing != (messaging.MessageID{}):
		return "Editing: " + m.headlineOf(m.editing) + "  (Esc: not)"
	case m.reply != (messaging.MessageID{}):
		return "Answering: " + m.headlineOf(m.reply) + "  (Esc: not)"
	}
	return ""
}

func (m *Model) aboveStyle() Style {
	if m.question != nil {
		return Warning
	}
	return Accent
}

// status is the last line: connection, address, help.
func (d *drawing) status(y int) {
	m, g := d.m, d.g
	g.fill(0, y, g.W, Inverse)
	left := " ○ connecting …"
	switch {
	case m.state.Over != "":
		left = " ✗ " + m.state.Over
	case m.state.Online:
		left = " ● connected"
	}
	used := g.put(0, y, g.W, left, Inverse)
	right := m.state.Address + "  F1 help "
	if wide := cells(right); used+wide+2 <= g.W {
		g.put(g.W-wide, y, wide, right, Inverse)
	}
}

// notice stands in front of all until it was taken away.
func (d *drawing) notice() {
	g, m := d.g, d.m
	g.fill(0, 0, g.W, Warning)
	g.put(0, 0, g.W, " Please read", Warning)
	y := 2
	for _, l := range wrap(m.notices[0], g.W-4) {
		g.put(2, y, g.W-3, l, Plain)
		y++
	}
	more := "Enter: I have read this"
	if n := len(m.notices) - 1; n > 0 {
		more += fmt.Sprintf("  (%d more)", n)
	}
	g.put(2, min(y+1, g.H-1), g.W-3, more, Bold)
}

// page shows a page, its QR code first where there is room.
func (d *drawing) page() {
	g, p := d.g, d.m.page
	d.bar(0, 0, g.W, " "+p.Title, true)
	var text []string
	for _, l := range p.Lines {
		text = append(text, wrap(l, g.W-2)...)
	}
	y, more := 1, false
	switch n := len(p.Code); {
	case n == 0 || cells(p.Code[0]) > g.W || n+1 > g.H:
	case n+1+min(len(text), 3)+1 <= g.H:
		y = g.codeAt(1, p.Code)
	case p.scroll == 0: // room for the code alone, over the title
		g.fill(0, 0, g.W, Plain)
		y, more = g.codeAt(0, p.Code), true
		text = nil
	}
	room := max(g.H-y-1, 0)
	if !more {
		p.scroll = min(p.scroll, max(len(text)-room, 0, min(len(p.Code), 1)))
		from := min(p.scroll, max(len(text)-room, 0))
		for i, l := range text[from:min(from+room, len(text))] {
			g.put(1, y+i, g.W-1, l, Plain)
		}
		more = from < len(text)-room
	}
	foot := " Esc: back"
	for _, k := range p.Keys {
		foot += fmt.Sprintf("   %c: %s", k.Rune, k.Help)
	}
	if more {
		foot += "   ↓ more"
	}
	g.fill(0, g.H-1, g.W, Inverse)
	g.put(0, g.H-1, g.W, foot, Inverse)
}

// codeAt puts a QR code in the middle from line y on, and returns the line behind it.
func (g *Grid) codeAt(y int, lines []string) int {
	for i, l := range lines {
		g.code(max((g.W-cells(l))/2, 0), y+i, l)
	}
	return y + len(lines)
}

// code puts a line of half blocks, cell by cell.
func (g *Grid) code(x, y int, cells string) {
	for _, r := range cells {
		if x < g.W && y < g.H && strings.ContainsRune(" █▀▄", r) {
			g.Cells[y*g.W+x] = Cell{string(r), Paper}
		}
		x++
	}
}
