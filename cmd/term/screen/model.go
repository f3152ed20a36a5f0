// Package screen is the full-screen terminal client without a terminal: what is
// shown, as a grid of cells, and what each key means. It draws nothing, sends
// nothing and reads no clock: the program around it feeds in what there is to show
// and does the actions that come out.
package screen

import (
	"strings"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
)

// State is what there is to show.
type State struct {
	Address  string
	Self     messaging.AccountID
	Online   bool
	Over     string // why the connection does not come back
	Chats    []Entry
	Messages []client.Message // of the open chat, oldest first
	More     bool             // there are older ones
	Typing   bool             // the peer of the open chat writes
}

// Entry is a chat in the list, newest first.
type Entry struct {
	client.Chat
	Unread int
	Last   client.Message // zero: nothing was said yet
}

// Model is the screen.
type Model struct {
	zone  *time.Location
	state State

	open     messaging.ChatID
	inList   bool // the keys go to the list
	selected int  // in the list
	compose  editor
	drafts   map[messaging.ChatID]string
	reply    messaging.MessageID
	editing  messaging.MessageID
	chosen   int // message counted from the newest, 1 on; 0: none
	scroll   int // lines up from the newest
	lines    int // of the conversation when it was drawn last
	room     int // for it

	laid      []line // the conversation as lines; nil: to be made
	laidWidth int

	said     string // one line about the last thing that was done
	page     *Page
	question *question
	notices  []string
	typing   bool
}

// question is one that a key answers.
type question struct {
	text string
	yes  Action
}

// New makes a screen. zone is that of the times shown.
func New(zone *time.Location) *Model {
	return &Model{zone: zone, inList: true, drafts: make(map[messaging.ChatID]string)}
}

// SetState shows something else.
func (m *Model) SetState(s State) {
	m.state, m.laid = s, nil
	m.selected = min(m.selected, max(len(s.Chats)-1, 0))
	m.chosen = min(m.chosen, len(s.Messages))
	if m.open == (messaging.ChatID{}) {
		return
	}
	for i, e := range s.Chats {
		if e.ID == m.open {
			m.selected = i
		}
	}
}

// Open returns the chat on the screen, zero when there is none.
func (m *Model) Open() messaging.ChatID { return m.open }

// Say shows one line above the composer until the next key.
func (m *Model) Say(text string) { m.said = text }

// Notify shows something that the member must see: it stays in front until a key
// takes it away, one after the other.
func (m *Model) Notify(text string) { m.notices = append(m.notices, text) }

// Show puts a page in front.
func (m *Model) Show(p *Page) { m.page = p }

// Ask puts a question; its action follows when the member says yes.
func (m *Model) Ask(text string, yes Action) { m.ask(text, yes) }

func (m *Model) ask(text string, yes Action) { m.question = &question{text, yes} }

// OpenChat shows a chat and gives it the keys.
func (m *Model) OpenChat(id messaging.ChatID) (actions []Action) {
	if id != m.open {
		actions = m.stopTyping()
		m.keepDraft()
		m.open, m.scroll, m.chosen = id, 0, 0
		m.state.Messages, m.state.More, m.state.Typing, m.laid = nil, false, false, nil
		m.compose.set(m.drafts[id])
		m.reply, m.editing = messaging.MessageID{}, messaging.MessageID{}
	}
	m.inList = false
	return append(actions, Action{Do: DoLook, Chat: id})
}

func (m *Model) keepDraft() {
	if m.open != (messaging.ChatID{}) && m.editing == (messaging.MessageID{}) {
		m.drafts[m.open] = m.compose.text()
	}
}

// Key takes a stroke.
func (m *Model) Key(k Key) []Action {
	switch k.Code {
	case KeyQuit:
		return []Action{{Do: DoQuit}}
	case KeyRedraw:
		return []Action{{Do: DoRedraw}}
	}
	m.said = ""
	switch {
	case len(m.notices) > 0:
		if k.Code == KeyEnter || k.Code == KeyEscape {
			m.notices = m.notices[1:]
		}
		return nil
	case m.question != nil:
		return m.answer(k)
	case m.page != nil:
		return m.pageKey(k)
	case k.Code == KeyHelp:
		m.page = helpPage()
		return nil
	case k.Code == KeyNext, k.Code == KeyPrevious:
		return m.step(k.Code == KeyNext)
	}
	if m.inList {
		return m.listKey(k)
	}
	return m.chatKey(k)
}

// Paste takes text that was pasted: its line feeds send nothing.
func (m *Model) Paste(text string) []Action {
	if len(m.notices) > 0 || m.question != nil || m.page != nil {
		return nil
	}
	m.compose.insert(text)
	return m.nowTyping()
}

func (m *Model) answer(k Key) []Action {
	q := m.question
	switch {
	case k.Code == KeyRune && (k.Rune == 'y' || k.Rune == 'Y'):
		m.question = nil
		return []Action{q.yes}
	case k.Code == KeyEscape || k.Code == KeyRune && (k.Rune == 'n' || k.Rune == 'N'):
		m.question = nil
		m.Say("Nothing was done.")
	}
	return nil
}

func (m *Model) step(down bool) []Action {
	if len(m.state.Chats) == 0 {
		return nil
	}
	if m.open != (messaging.ChatID{}) {
		by := -1
		if down {
			by = 1
		}
		m.selected = (m.selected + by + len(m.state.Chats)) % len(m.state.Chats)
	}
	return m.OpenChat(m.state.Chats[m.selected].ID)
}

func (m *Model) listKey(k Key) []Action {
	switch k.Code {
	case KeyUp:
		m.selected = max(m.selected-1, 0)
	case KeyDown:
		m.selected = min(m.selected+1, max(len(m.state.Chats)-1, 0))
	case KeyHome, KeyPageUp:
		m.selected = 0
	case KeyEnd, KeyPageDown:
		m.selected = max(len(m.state.Chats)-1, 0)
	case KeyEnter:
		if m.compose.empty() && len(m.state.Chats) > 0 {
			return m.OpenChat(m.state.Chats[m.selected].ID)
		}
		return m.enter()
	case KeyTab:
		if m.open != (messaging.ChatID{}) {
			m.inList = false
		}
	case KeyEscape:
		m.compose.clear()
	default: // a command can be typed here too
		m.compose.key(k)
	}
	return nil
}

func (m *Model) chatKey(k Key) []Action {
	switch k.Code {
	case KeyTab:
		m.inList = true
		return nil
	case KeyEscape:
		return m.escape()
	case KeyPageUp:
		return m.scrollBy(max(m.room-1, 1))
	case KeyPageDown:
		return m.scrollBy(-max(m.room-1, 1))
	case KeyUp:
		return m.choose(1)
	case KeyDown:
		return m.choose(-1)
	case KeyNewline:
		m.compose.insert("\n")
		return m.nowTyping()
	case KeyEnter:
		return m.enter()
	}
	if m.chosen > 0 && m.compose.empty() && k.Code == KeyRune {
		if actions, done := m.messageKey(k.Rune); done {
			return actions
		}
	}
	if m.compose.key(k) {
		return m.nowTyping()
	}
	return nil
}

// escape goes one step back.
func (m *Model) escape() []Action {
	switch {
	case m.editing != (messaging.MessageID{}) || m.reply != (messaging.MessageID{}):
		if m.editing != (messaging.MessageID{}) {
			m.compose.clear()
		}
		m.editing, m.reply = messaging.MessageID{}, messaging.MessageID{}
	case m.chosen > 0 || m.scroll > 0:
		m.chosen, m.scroll = 0, 0
	default:
		m.inList = true
	}
	return nil
}

func (m *Model) scrollBy(lines int) []Action {
	m.scroll = min(max(m.scroll+lines, 0), max(m.lines-m.room, 0))
	if lines > 0 && m.state.More && m.scroll >= m.lines-m.room-1 {
		return []Action{{Do: DoMore, Chat: m.open}}
	}
	return nil
}

// choose moves the mark among the messages. With a text of several lines in the
// composer the arrows would be missed there; Home and End do.
func (m *Model) choose(by int) []Action {
	m.chosen = min(max(m.chosen+by, 0), len(m.state.Messages))
	if by > 0 && m.chosen == len(m.state.Messages) && m.state.More {
		return []Action{{Do: DoMore, Chat: m.open}}
	}
	return nil
}

func (m *Model) chosenMessage() (client.Message, bool) {
	if m.chosen < 1 || m.chosen > len(m.state.Messages) {
		return client.Message{}, false
	}
	return m.state.Messages[len(m.state.Messages)-m.chosen], true
}

// messageKey does something with the chosen message.
func (m *Model) messageKey(r rune) (actions []Action, done bool) {
	x, ok := m.chosenMessage()
	if !ok {
		return nil, false
	}
	own := x.Sender.Account == m.state.Self
	switch r {
	case 'r':
		m.reply, m.chosen = x.ID, 0
		return nil, true
	case 'e':
		if text, is := x.Content.Body.(content.Text); is && own {
			m.editing, m.chosen = x.ID, 0
			m.compose.set(text.Text)
			if x.Edited != "" {
				m.compose.set(x.Edited)
			}
			return nil, true
		}
		m.Say("Only your own texts can be edited.")
		return nil, true
	case 'd':
		if !own {
			m.Say("Only your own messages can be deleted.")
			return nil, true
		}
		m.ask("Delete this message on every device of both sides?", Action{Do: DoDelete, Chat: m.open, Message: x.ID})
		return nil, true
	case '+':
		return []Action{{Do: DoReact, Chat: m.open, Message: x.ID, Text: "👍"}}, true
	case '-':
		return []Action{{Do: DoReact, Chat: m.open, Message: x.ID}}, true
	case 's':
		return m.cmdSave(""), true
	}
	return nil, false
}

// fileToSave is the chosen message's file, or the newest.
func (m *Model) fileToSave() (messaging.MessageID, bool) {
	if x, ok := m.chosenMessage(); ok {
		_, file := x.Content.Body.(content.Media)
		return x.ID, file
	}
	for i := len(m.state.Messages) - 1; i >= 0; i-- {
		if _, file := m.state.Messages[i].Content.Body.(content.Media); file {
			return m.state.Messages[i].ID, true
		}
	}
	return messaging.MessageID{}, false
}

// enter sends what was typed, or runs it when it is a command.
func (m *Model) enter() []Action {
	text := strings.TrimRight(m.compose.text(), " \n")
	if text == "" {
		return nil
	}
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
		m.compose.clear()
		return append(m.stopTyping(), m.slashCommand(text)...)
	}
	if m.open == (messaging.ChatID{}) || m.inList {
		m.Say("Open a chat first: choose one and press Enter, or /open an invite.")
		return nil
	}
	text = strings.TrimPrefix(text, "/") // two slashes send one
	a := Action{Do: DoSend, Chat: m.open, Text: text, Message: m.reply}
	if m.editing != (messaging.MessageID{}) {
		a = Action{Do: DoEdit, Chat: m.open, Text: text, Message: m.editing}
	}
	m.compose.clear()
	m.reply, m.editing, m.scroll, m.chosen = messaging.MessageID{}, messaging.MessageID{}, 0, 0
	delete(m.drafts, m.open)
	return append([]Action{a}, m.stopTyping()...)
}

// nowTyping tells the peer once that the member writes; stopTyping that it is over.
func (m *Model) nowTyping() []Action {
	if m.compose.empty() || strings.HasPrefix(m.compose.text(), "/") {
		return m.stopTyping()
	}
	if m.typing || m.open == (messaging.ChatID{}) {
		return nil
	}
	m.typing = true
	return []Action{{Do: DoTyping, Chat: m.open, Number: 1}}
}

// Idle is for when no key came for a while: who thinks does not type.
func (m *Model) Idle() []Action { return m.stopTyping() }

func (m *Model) stopTyping() []Action {
	if !m.typing {
		return nil
	}
	m.typing = false
	return []Action{{Do: DoTyping, Chat: m.open}}
}

// Draft gives a text back to the composer: it could not be sent.
func (m *Model) Draft(chat messaging.ChatID, text string) {
	if chat == m.open && m.compose.empty() {
		m.compose.set(text)
		return
	}
	m.drafts[chat] = text
}
