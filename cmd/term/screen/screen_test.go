package screen

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/wire"
)

var update = flag.Bool("update", false, "write the golden screens anew")

var (
	self  = messaging.AccountID{1}
	peer  = messaging.AccountID{2}
	third = messaging.AccountID{3}
	chatA = messaging.ChatID{0xa}
	chatB = messaging.ChatID{0xb}
)

// noon is the time of the messages: 2026-03-01 12:00 UTC.
const noon = 1_772_366_400

func said(n byte, by messaging.AccountID, status client.Status, body content.Body) client.Message {
	return client.Message{
		Position: uint64(n), Status: status, Sender: messaging.Address{Account: by, Device: 1}, ID: messaging.MessageID{n},
		Arrived: noon + 60*uint64(n), Content: content.Content{Message: messaging.MessageID{n}, Body: body},
	}
}

func chatOf(id messaging.ChatID, with messaging.AccountID, name string) client.Chat {
	return client.Chat{ID: id, Peer: with, State: wire.StateOpen, MayWrite: true, Profile: content.Profile{Name: name}}
}

// talk is a conversation with one of everything in it.
func talk() State {
	edited := said(3, peer, client.StatusReceived, content.Text{Text: "Thursday"})
	edited.Edited = "Friday"
	liked := said(4, self, client.StatusRead, content.Text{Text: "Fine by me, I will bring the long spanner and the good oil, and we see.", ReplyTo: messaging.MessageID{3}})
	liked.Reactions = []client.Reaction{{Account: peer, Emoji: "👍"}}
	messages := []client.Message{
		said(1, peer, client.StatusReceived, content.Text{Text: "Grüße! 日本語 and 👩‍👩‍👧‍👦 fit."}),
		said(2, self, client.StatusDelivered, content.Text{Text: "two\nlines"}),
		edited, liked,
		said(5, peer, client.StatusReceived, content.Media{Name: "wheel.jpg", Type: "image/jpeg", Blob: content.Blob{Size: 123_456}, Caption: "true to a hair"}),
		said(6, self, client.StatusDeleted, nil),
		said(7, peer, client.StatusLost, nil),
		said(8, self, client.StatusSent, content.Timer{Seconds: 3600}),
		said(9, self, client.StatusQueued, content.Text{Text: "on its way"}),
		said(10, self, client.StatusFailed, content.Text{Text: "never arrived"}),
	}
	verified := chatOf(chatA, peer, "Tomás")
	verified.Verified = true
	return State{
		Address: "https://chat.example", Self: self, Online: true, Messages: messages, Typing: true,
		Chats: []Entry{
			{Chat: verified, Last: messages[9]},
			{Chat: chatOf(chatB, third, ""), Unread: 3, Last: said(1, third, client.StatusReceived, content.Text{Text: "Is the honey from the north roof?"})},
		},
	}
}

func opened(s State) *Model {
	m := New(time.UTC)
	m.SetState(s)
	m.OpenChat(chatA)
	m.SetState(s)
	return m
}

func typed(m *Model, text string) {
	for _, r := range text {
		m.Key(Key{KeyRune, r})
	}
}

// TestGolden holds whole screens. go test -update writes them; then look at them.
func TestGolden(t *testing.T) {
	t.Parallel()
	screens := map[string]func() *Grid{
		"empty": func() *Grid {
			m := New(time.UTC)
			m.SetState(State{Address: "https://chat.example"})
			return m.Draw(80, 24)
		},
		"talk":        func() *Grid { return opened(talk()).Draw(80, 24) },
		"talk-narrow": func() *Grid { return opened(talk()).Draw(40, 20) },
		"talk-tiny":   func() *Grid { return opened(talk()).Draw(20, 6) },
		"list-narrow": func() *Grid { m := opened(talk()); m.Key(Key{Code: KeyTab}); return m.Draw(40, 12) },
		"composer": func() *Grid {
			m := opened(talk())
			typed(m, "A first line")
			m.Key(Key{Code: KeyNewline})
			typed(m, "and a second one that is longer than the screen is wide, so that it goes on below")
			return m.Draw(60, 16)
		},
		"reply": func() *Grid {
			m := opened(talk())
			m.Key(Key{Code: KeyUp})
			m.Key(Key{KeyRune, 'r'})
			return m.Draw(80, 24)
		},
		"question": func() *Grid {
			m := opened(talk())
			m.Key(Key{Code: KeyUp})
			m.Key(Key{KeyRune, 'd'})
			return m.Draw(80, 24)
		},
		"notice": func() *Grid {
			m := opened(talk())
			m.Notify("Somebody signed in to your account on a new device.")
			m.Notify("Another one.")
			return m.Draw(60, 10)
		},
		"help": func() *Grid { m := opened(talk()); m.Key(Key{Code: KeyHelp}); return m.Draw(80, 24) },
		"new-keys": func() *Grid {
			s := talk()
			s.Chats[0].KeysNew, s.Chats[0].Verified = true, false
			return opened(s).Draw(80, 12)
		},
		"over": func() *Grid {
			s := talk()
			s.Over = "another program uses this device now"
			return opened(s).Draw(80, 8)
		},
		"code-alone": func() *Grid {
			m := opened(talk())
			m.Show(&Page{Title: "Your invite", Code: []string{"█▀▄ ", " ▄▀█", "▀▀▀▀", "▄▄▄▄", "█  █"}, Lines: []string{"https://chat.example"}})
			return m.Draw(40, 6)
		},
		"page": func() *Grid {
			m := opened(talk())
			m.Show(&Page{Title: "Safety number", Code: []string{"█▀▄ ", " ▄▀█"}, Lines: []string{"12345  67890"},
				Keys: []PageKey{{'v', "they are the same", Action{Do: DoVerified, Chat: chatA, Number: 1}}}})
			return m.Draw(50, 10)
		},
	}
	for name, draw := range screens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := draw().String()
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is now\n%s", path, got)
			}
		})
	}
}

// hostile are texts that try to be more than text: to move the cursor, to set
// clipboard, title or links, to turn a line, to hide, to flood.
func hostile() []string {
	return []string{
		"\x1b[2J\x1b[H\x1b[31mred", "\x1b]52;c;aGk=\x07", "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "\x1b]0;title\x07",
		"\u009b31m\u009d52;c;x\u009c", "a\x00b\x07c\x08d\x7fe", "\u202egnp.exe\u202c", "\u2066x\u2069\u200f\u200e", "line\rover", "\x1bPq#0\x1b\\",
		"z" + strings.Repeat("\u0301", 500), strings.Repeat("\U0001F468\u200d", 300), "\ufeff\u2028\u2029\u00ad", "\xff\xfe\xc0\x80", "\U000e0041\U000e0042",
		strings.Repeat("日", 4000), strings.Repeat("x", 1<<20), "\t\v\f", "｡ﾟ･ﾟﾟﾟ･", strings.Repeat("\n", 5000),
	}
}

// TestHostileTexts puts each of them into every field that others fill (PRO-42):
// the grid holds one harmless cluster a cell and nothing else, whatever its size.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for i, text := range hostile() {
		for _, size := range [][2]int{{80, 24}, {13, 5}, {1, 1}} {
			m := opened(poisoned(text))
			m.Notify(text)
			m.Say(text)
			harmless(t, i, m.Draw(size[0], size[1]))
			m.Key(Key{Code: KeyEnter})
			harmless(t, i, m.Draw(size[0], size[1]))
			m.Say(text)
			harmless(t, i, m.Draw(size[0], size[1]))
			m.Key(Key{Code: KeyUp})
			m.Key(Key{KeyRune, 'r'})
			m.Paste(text)
			harmless(t, i, m.Draw(size[0], size[1]))
			m.Key(Key{Code: KeyTab})
			harmless(t, i, m.Draw(size[0], size[1]))
			m.Show(&Page{Title: text, Lines: []string{text, text}, Code: []string{text}, Keys: []PageKey{{'x', text, Action{}}}})
			harmless(t, i, m.Draw(size[0], size[1]))
		}
	}
}

// poisoned is a state in which a text stands wherever one can.
func poisoned(text string) State {
	long := said(1, peer, client.StatusReceived, content.Text{Text: text, ReplyTo: messaging.MessageID{2}})
	long.Edited = text
	long.Reactions = []client.Reaction{{Account: peer, Emoji: text}, {Account: self, Emoji: text}}
	file := said(2, peer, client.StatusReceived, content.Media{Name: text, Type: text, Caption: text, Blob: content.Blob{Size: 1<<64 - 1}})
	return State{
		Address: text, Over: text, Self: self, Messages: []client.Message{long, file, said(3, self, client.StatusRead, content.Text{Text: text})},
		Chats: []Entry{{Chat: chatOf(chatA, peer, text), Last: long, Unread: 5}, {Chat: chatOf(chatB, third, text), Last: file}},
	}
}

func harmless(t *testing.T, which int, g *Grid) {
	t.Helper()
	for at, c := range g.Cells {
		if len(c.Text) > 64 {
			t.Fatalf("text %d: a cell of %d bytes", which, len(c.Text))
		}
		for _, r := range c.Text {
			// Spaces of any width are shown as what they are. ZWJ and ZWNJ join what
			// scripts and emoji join; they move nothing.
			if !unicode.IsGraphic(r) && r != '\u200d' && r != '\u200c' {
				t.Fatalf("text %d: %U in cell %d of %dx%d", which, r, at, g.W, g.H)
			}
		}
	}
	for y := range g.H {
		wide := 0
		for x := range g.W {
			wide += cells(g.Cells[y*g.W+x].Text)
		}
		if wide > g.W {
			t.Fatalf("text %d: line %d takes %d cells of %d", which, y, wide, g.W)
		}
	}
}

// TestKeys is what each key means, as actions.
func TestKeys(t *testing.T) {
	t.Parallel()
	enter := Key{Code: KeyEnter}
	cases := []struct {
		name string
		keys func(m *Model) []Action
		want []Action
	}{
		{"send", func(m *Model) []Action { typed(m, "hi"); return m.Key(enter) },
			[]Action{{Do: DoSend, Chat: chatA, Text: "hi"}, {Do: DoTyping, Chat: chatA}}},
		{"nothing to send", func(m *Model) []Action { typed(m, "  "); return m.Key(enter) }, nil},
		{"typing is told once", func(m *Model) []Action { return append(m.Key(Key{KeyRune, 'h'}), m.Key(Key{KeyRune, 'i'})...) },
			[]Action{{Do: DoTyping, Chat: chatA, Number: 1}}},
		{"and ends with the text", func(m *Model) []Action { typed(m, "h"); return m.Key(Key{Code: KeyBackspace}) },
			[]Action{{Do: DoTyping, Chat: chatA}}},
		{"a command is no typing", func(m *Model) []Action { return m.Key(Key{KeyRune, '/'}) }, nil},
		{"two slashes", func(m *Model) []Action { typed(m, "//shrug"); return m.Key(enter)[:1] },
			[]Action{{Do: DoSend, Chat: chatA, Text: "/shrug"}}},
		{"file", func(m *Model) []Action { typed(m, `/file "my photo.jpg" look`); return m.Key(enter) },
			[]Action{{Do: DoFile, Chat: chatA, Path: "my photo.jpg", Text: "look"}}},
		{"save", func(m *Model) []Action { typed(m, "/save"); return m.Key(enter) },
			[]Action{{Do: DoSave, Chat: chatA, Message: messaging.MessageID{5}}}},
		{"edit", func(m *Model) []Action {
			m.Key(Key{Code: KeyUp})
			m.Key(Key{Code: KeyUp})
			m.Key(Key{KeyRune, 'e'})
			typed(m, "!")
			return m.Key(enter)[:1]
		}, []Action{{Do: DoEdit, Chat: chatA, Message: messaging.MessageID{9}, Text: "on its way!"}}},
		{"delete asks first", func(m *Model) []Action {
			m.Key(Key{Code: KeyUp})
			return append(m.Key(Key{KeyRune, 'd'}), m.Key(Key{KeyRune, 'y'})...)
		}, []Action{{Do: DoDelete, Chat: chatA, Message: messaging.MessageID{10}}}},
		{"and takes no for an answer", func(m *Model) []Action {
			m.Key(Key{Code: KeyUp})
			m.Key(Key{KeyRune, 'd'})
			m.Key(Key{KeyRune, 'n'})
			return m.Key(Key{KeyRune, 'y'})[:0]
		}, nil},
		{"pasted lines send nothing", func(m *Model) []Action { return m.Paste("one\ntwo\n")[1:] }, nil},
		{"a notice swallows keys", func(m *Model) []Action { m.Notify("x"); typed(m, "/quit"); return m.Key(enter) }, nil},
		{"remove wants a device", func(m *Model) []Action { typed(m, "/remove x"); return m.Key(enter) }, nil},
		{"next chat", func(m *Model) []Action { return m.Key(Key{Code: KeyNext}) }, []Action{{Do: DoLook, Chat: chatB}}},
		{"quit", func(m *Model) []Action { return m.Key(Key{Code: KeyQuit}) }, []Action{{Do: DoQuit}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.keys(opened(talk()))
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%+v, expected %+v", got, c.want)
			}
		})
	}
}

// TestDrafts: what was typed stays with its chat, and comes back when it could
// not be sent.
func TestDrafts(t *testing.T) {
	t.Parallel()
	m := opened(talk())
	typed(m, "for A")
	m.OpenChat(chatB)
	if !m.compose.empty() {
		t.Errorf("the draft went along: %q", m.compose.text())
	}
	m.OpenChat(chatA)
	if got := m.compose.text(); got != "for A" {
		t.Errorf("the draft is %q", got)
	}
	m.Key(Key{Code: KeyEnter})
	m.Draft(chatA, "for A")
	if got := m.compose.text(); got != "for A" {
		t.Errorf("what was not sent is %q", got)
	}
}

// TestScroll: older messages are asked for at the top, and the mark stays in view.
func TestScroll(t *testing.T) {
	t.Parallel()
	s := talk()
	s.More = true
	m := opened(s)
	m.Draw(80, 10)
	more := false
	for range 20 {
		for _, a := range m.Key(Key{Code: KeyPageUp}) {
			more = more || a.Do == DoMore
		}
		m.Draw(80, 10)
	}
	if !more {
		t.Error("nothing older was asked for")
	}
	for range len(s.Messages) {
		m.Key(Key{Code: KeyUp})
		g := m.Draw(80, 10)
		marked := 0
		for x, y := listWidth+1, 0; y < g.H-2; y++ {
			if g.Cells[y*g.W+x].Style == Inverse {
				marked++
			}
		}
		if marked == 0 {
			t.Fatalf("message %d is chosen and out of view\n%s", m.chosen, g)
		}
	}
}

// FuzzEditor: whatever is typed and pasted, the cursor stays inside and the text
// valid.
func FuzzEditor(f *testing.F) {
	f.Add("héllo\n", []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add("👩‍👩‍👧‍👦e\u0301\x1b", []byte{4, 4, 1, 6, 3, 9, 9, 9})
	f.Add("👩\u200d👩\u2000\xff\x9f\x91", []byte("\x04\x04\x01\x16\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text string, strokes []byte) {
		if len(text) > 4096 || len(strokes) > 256 {
			return
		}
		m := opened(talk())
		m.Paste(text)
		codes := []Code{KeyBackspace, KeyDelete, KeyLeft, KeyRight, KeyHome, KeyEnd, KeyKillWord, KeyKillLine, KeyNewline}
		for _, b := range strokes {
			if i := int(b); i < len(codes) {
				m.Key(Key{Code: codes[i]})
			} else {
				m.Paste(text[:int(b)%(len(text)+1)])
			}
			if m.compose.at < 0 || m.compose.at > len(m.compose.clusters) {
				t.Fatalf("the cursor is at %d of %d", m.compose.at, len(m.compose.clusters))
			}
		}
		harmless(t, 0, m.Draw(30, 10))
	})
}
