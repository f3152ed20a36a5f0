package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/cmd/term/screen"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
)

// desk joins the screen, the terminal and the member. One goroutine, the one that
// runs it, owns the model; others hand it functions.
type desk struct {
	options
	member *member.Member
	model  *screen.Model
	tty    tcell.Screen

	todo  chan func() // for the owner
	tasks sync.WaitGroup
	ctx   context.Context

	known  map[messaging.DeviceID]uint64 // own devices and the entry that lists each
	shown  int                           // messages of the open chat that are read
	typing map[messaging.ChatID]time.Time
	pasted []rune
	paste  bool
}

const (
	// firstRead is how many messages of a chat are read when it is opened, and how
	// many more each time that the member scrolls above them.
	firstRead = 100
	// idleAfter is when a member who has stopped typing has stopped, typingFor how
	// long the peer's word that it writes counts.
	idleAfter = 8 * time.Second
	typingFor = 15 * time.Second
)

func fullScreen(ctx context.Context, o options, m *member.Member) error {
	tty, err := tcell.NewScreen()
	if err != nil {
		return fmt.Errorf("use the terminal: %w", err)
	}
	if err := tty.Init(); err != nil {
		return fmt.Errorf("use the terminal: %w", err)
	}
	tty.EnablePaste()
	ctx, cancel := context.WithCancel(ctx)
	d := &desk{
		options: o, member: m, model: screen.New(time.Local), tty: tty, todo: make(chan func(), 16), ctx: ctx,
		typing: make(map[messaging.ChatID]time.Time), shown: firstRead,
	}
	defer d.tasks.Wait()
	defer tty.Fini() // before the wait: the event goroutine ends with it
	defer cancel()
	return d.run()
}

// run is the owner's loop.
func (d *desk) run() error {
	events := make(chan tcell.Event, 16)
	quit := make(chan struct{})
	defer close(quit)
	d.tasks.Go(func() { d.tty.ChannelEvents(events, quit) })
	died := make(chan error, 1)
	d.tasks.Go(func() { died <- d.pump() })
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	if n := d.member.Recovered(); n > 0 {
		d.model.Notify("The last change before a crash was not complete and was dropped.")
	}
	d.devicesChanged()
	d.refresh()
	for {
		d.draw()
		changed := d.member.Now().Changed
		select {
		case e := <-events:
			idle.Reset(idleAfter)
			if d.event(e) {
				return nil
			}
		case f := <-d.todo:
			f()
		case <-changed:
			d.refresh()
		case <-idle.C:
			d.start(d.model.Idle())
			d.refresh()
			idle.Reset(idleAfter)
		case err := <-died:
			return err
		case <-d.ctx.Done():
			return nil
		}
	}
}

// pump takes in the device's news.
func (d *desk) pump() error {
	for {
		events, err := d.member.Next(d.ctx)
		if d.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		d.post(func() { d.news(events) })
	}
}

// post hands something to the owner.
func (d *desk) post(f func()) {
	select {
	case d.todo <- f:
	case <-d.ctx.Done():
	}
}

func (d *desk) news(events []client.Event) {
	for _, e := range events {
		if e.Kind == client.EventTyping {
			d.typing[e.Chat] = time.Time{}
			if e.Active {
				d.typing[e.Chat] = time.Now().Add(typingFor)
			}
		}
		if text := d.notice(e); text != "" {
			d.model.Notify(text)
		}
	}
	d.refresh()
}

// event takes what the terminal says, and reports whether to leave.
func (d *desk) event(e tcell.Event) (leave bool) {
	switch e := e.(type) {
	case nil:
		return true
	case *tcell.EventResize:
		d.tty.Sync()
	case *tcell.EventPaste:
		if d.paste = e.Start(); !d.paste {
			d.start(d.model.Paste(string(d.pasted)))
			d.pasted = nil
		}
	case *tcell.EventKey:
		if d.paste {
			d.collect(e)
			return false
		}
		if k, ok := keyOf(e); ok {
			return d.start(d.model.Key(k))
		}
	}
	return false
}

// maxPaste bounds what is collected of a paste, in characters: more than a text
// can have.
const maxPaste = 32 << 10

func (d *desk) collect(e *tcell.EventKey) {
	switch {
	case len(d.pasted) >= maxPaste:
	case e.Key() == tcell.KeyRune:
		d.pasted = append(d.pasted, e.Rune())
	case e.Key() == tcell.KeyEnter || e.Key() == tcell.KeyLF:
		d.pasted = append(d.pasted, '\n')
	case e.Key() == tcell.KeyTab:
		d.pasted = append(d.pasted, ' ')
	}
}

// keys are those that are one key here and there.
var keys = map[tcell.Key]screen.Code{
	tcell.KeyLF: screen.KeyNewline, tcell.KeyTab: screen.KeyTab, tcell.KeyEscape: screen.KeyEscape,
	tcell.KeyBackspace: screen.KeyBackspace, tcell.KeyBackspace2: screen.KeyBackspace, tcell.KeyDelete: screen.KeyDelete,
	tcell.KeyLeft: screen.KeyLeft, tcell.KeyRight: screen.KeyRight, tcell.KeyUp: screen.KeyUp, tcell.KeyDown: screen.KeyDown,
	tcell.KeyPgUp: screen.KeyPageUp, tcell.KeyPgDn: screen.KeyPageDown, tcell.KeyHome: screen.KeyHome, tcell.KeyEnd: screen.KeyEnd,
	tcell.KeyCtrlA: screen.KeyHome, tcell.KeyCtrlE: screen.KeyEnd, tcell.KeyCtrlW: screen.KeyKillWord, tcell.KeyCtrlU: screen.KeyKillLine,
	tcell.KeyCtrlN: screen.KeyNext, tcell.KeyCtrlP: screen.KeyPrevious, tcell.KeyF1: screen.KeyHelp, tcell.KeyCtrlG: screen.KeyHelp,
	tcell.KeyCtrlL: screen.KeyRedraw, tcell.KeyCtrlQ: screen.KeyQuit, tcell.KeyCtrlC: screen.KeyQuit,
}

func keyOf(e *tcell.EventKey) (screen.Key, bool) {
	switch {
	case e.Key() == tcell.KeyRune:
		return screen.Key{Code: screen.KeyRune, Rune: e.Rune()}, true
	case e.Key() == tcell.KeyEnter && e.Modifiers()&tcell.ModAlt != 0:
		return screen.Key{Code: screen.KeyNewline}, true
	case e.Key() == tcell.KeyEnter:
		return screen.Key{Code: screen.KeyEnter}, true
	}
	code, ok := keys[e.Key()]
	return screen.Key{Code: code}, ok
}

// draw copies the picture to the terminal, which sends what changed.
func (d *desk) draw() {
	w, h := d.tty.Size()
	g := d.model.Draw(w, h)
	for y := range g.H {
		for x := range g.W {
			if c := g.Cells[y*g.W+x]; c.Text != "" {
				d.tty.Put(x, y, c.Text, styleOf(c.Style))
			}
		}
	}
	if g.CursorX < 0 {
		d.tty.HideCursor()
	} else {
		d.tty.ShowCursor(g.CursorX, g.CursorY)
	}
	d.tty.Show()
}

// styleOf uses the terminal's own colours, so that dark and light stay as the
// member has them.
func styleOf(s screen.Style) tcell.Style {
	plain := tcell.StyleDefault
	switch s {
	case screen.Dim, screen.TypedDim:
		return plain.Dim(true)
	case screen.Bold:
		return plain.Bold(true)
	case screen.Accent:
		return plain.Foreground(tcell.PaletteColor(6))
	case screen.Warning:
		return plain.Foreground(tcell.PaletteColor(1)).Bold(true).Reverse(true)
	case screen.Inverse:
		return plain.Reverse(true)
	case screen.Paper:
		return plain.Foreground(tcell.PaletteColor(0)).Background(tcell.PaletteColor(15))
	}
	return plain
}
