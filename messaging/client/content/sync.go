package content

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
)

// Sent is the copy, for the sender's other devices, of what was said in a chat.
// The Message and Chat around it are those of Content.
type Sent struct {
	To      messaging.AccountID
	Content Content // of a kind that is said in a chat, or Unknown
}

// ReadMarks says how far chats were read on another device.
type ReadMarks struct {
	Marks []ReadMark // 1 to MaxChats, no chat twice
}

// ReadMark is how far one chat was read. It names a message because positions
// in a mailbox belong to one device.
type ReadMark struct {
	Chat   messaging.ChatID
	UpTo   messaging.MessageID
	ReadAt uint64 // Unix milliseconds
}

// ChatStates says how chats stand in the list.
type ChatStates struct {
	Chats []ChatState // 1 to MaxChats, no chat twice
}

// ChatState is how one chat stands in the list, all of it.
type ChatState struct {
	Chat       messaging.ChatID
	Archived   bool
	Pinned     bool
	Blocked    bool
	Unread     bool   // marked unread by hand
	Removed    bool   // from the list, with what it held
	MutedUntil uint64 // Unix milliseconds; 0: not muted
}

// Kind returns KindSent.
func (Sent) Kind() Kind { return KindSent }

// Kind returns KindReadMarks.
func (ReadMarks) Kind() Kind { return KindReadMarks }

// Kind returns KindChatStates.
func (ChatStates) Kind() Kind { return KindChatStates }

func (s Sent) appendFields(dst []byte) []byte {
	dst = appendID(dst, 1, s.To)
	return appendMessage(dst, 2, s.Content.append)
}

func (r ReadMarks) appendFields(dst []byte) []byte {
	for _, mark := range r.Marks {
		dst = appendMessage(dst, 1, mark.appendFields)
	}
	return dst
}

func (m ReadMark) appendFields(dst []byte) []byte {
	return appendInteger(appendID(appendID(dst, 1, m.Chat), 2, m.UpTo), 3, m.ReadAt)
}

func (c ChatStates) appendFields(dst []byte) []byte {
	for _, chat := range c.Chats {
		dst = appendMessage(dst, 1, chat.appendFields)
	}
	return dst
}

func (c ChatState) appendFields(dst []byte) []byte {
	dst = appendID(dst, 1, c.Chat)
	dst = appendBool(dst, 2, c.Archived)
	dst = appendBool(dst, 3, c.Pinned)
	dst = appendBool(dst, 4, c.Blocked)
	dst = appendBool(dst, 5, c.Unread)
	dst = appendBool(dst, 6, c.Removed)
	return appendInteger(dst, 7, c.MutedUntil)
}

// check does not descend further than one content: a copy of a copy is refused
// before it is looked at.
func (s Sent) check() error {
	if s.To == (messaging.AccountID{}) || s.Content.Body == nil {
		return fmt.Errorf("%w: account and content of the sent copy", ErrMissing)
	}
	if kind := s.Content.Kind(); kind.Known() && !kind.InChat() {
		return fmt.Errorf("%w: kind %d in a sent copy", ErrScope, kind)
	}
	return s.Content.check()
}

func (r ReadMarks) check() error {
	if len(r.Marks) == 0 {
		return fmt.Errorf("%w: read marks", ErrMissing)
	}
	for _, mark := range r.Marks {
		if mark.UpTo == (messaging.MessageID{}) || mark.ReadAt == 0 {
			return fmt.Errorf("%w: message and time of a read mark", ErrMissing)
		}
		if mark.ReadAt > maxInteger {
			return fmt.Errorf("%w: time of a read mark", ErrRange)
		}
	}
	return checkChats(len(r.Marks), func(i int) messaging.ChatID { return r.Marks[i].Chat })
}

func (c ChatStates) check() error {
	if len(c.Chats) == 0 {
		return fmt.Errorf("%w: chat states", ErrMissing)
	}
	for _, chat := range c.Chats {
		if chat.MutedUntil > maxInteger {
			return fmt.Errorf("%w: time until which a chat is muted", ErrRange)
		}
	}
	return checkChats(len(c.Chats), func(i int) messaging.ChatID { return c.Chats[i].Chat })
}

func decodeSent(f *fields) Body {
	var s Sent
	for f.next() {
		switch f.number {
		case 1:
			s.To = f.array16()
		case 2:
			s.Content = f.inner()
		default:
			f.keep()
		}
	}
	return s
}

// inner reads the content of a sent copy. Only kinds that a chat can hold are
// decoded, so that a nest of copies ends at the first.
func (f *fields) inner() Content {
	raw := f.bytes()
	scan := fields{rest: raw}
	for scan.next() {
		kind := Kind(min(scan.number, maxFieldKind))
		if kind.Known() && !kind.InChat() {
			scan.fail(ErrScope)
		}
	}
	f.fail(scan.err)
	if f.err != nil {
		return Content{}
	}
	c, err := decode(raw)
	f.fail(err)
	return c
}

func decodeReadMarks(f *fields) Body {
	var r ReadMarks
	for f.next() {
		switch f.number {
		case 1:
			r.Marks = append(r.Marks, f.readMark())
		default:
			f.keep()
		}
	}
	return r
}

func (f *fields) readMark() (m ReadMark) {
	in := f.closed()
	for in.next() {
		switch in.number {
		case 1:
			m.Chat = in.array16()
		case 2:
			m.UpTo = in.array16()
		case 3:
			m.ReadAt = in.integer()
		default:
			in.keep()
		}
	}
	f.fail(in.err)
	return m
}

func decodeChatStates(f *fields) Body {
	var c ChatStates
	for f.next() {
		switch f.number {
		case 1:
			c.Chats = append(c.Chats, f.chatState())
		default:
			f.keep()
		}
	}
	return c
}

func (f *fields) chatState() (c ChatState) {
	in := f.closed()
	for in.next() {
		switch in.number {
		case 1:
			c.Chat = in.array16()
		case 2:
			c.Archived = in.bool()
		case 3:
			c.Pinned = in.bool()
		case 4:
			c.Blocked = in.bool()
		case 5:
			c.Unread = in.bool()
		case 6:
			c.Removed = in.bool()
		case 7:
			c.MutedUntil = in.integer()
		default:
			in.keep()
		}
	}
	f.fail(in.err)
	return c
}
