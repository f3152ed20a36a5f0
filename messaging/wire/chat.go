package wire

import "github.com/sottochat/sotto/messaging"

// Purpose says how far an OpenChat goes.
type Purpose uint8

const (
	PurposeLook Purpose = 1 // changes nothing
	PurposeOpen Purpose = 2
)

// ChatAction changes a chat for the asking account.
type ChatAction uint8

const (
	ChatBlock   ChatAction = 1
	ChatUnblock ChatAction = 2
	ChatDecline ChatAction = 3
	ChatPause   ChatAction = 4
	ChatResume  ChatAction = 5
	ChatClose   ChatAction = 6
)

// ChatState is a chat's state as one of its two accounts may see it. Clients
// keep values that they do not know.
type ChatState uint16

const (
	StateOpen     ChatState = 1
	StatePaused   ChatState = 2
	StateDeclined ChatState = 3
	StateBlocked  ChatState = 4 // by the asking account; the peer never sees it
	StateClosed   ChatState = 5
)

// OpenChat follows an invite.
type OpenChat struct {
	Token          []byte // MinToken..MaxToken bytes: a bearer secret
	Purpose        Purpose
	IdempotencyKey [idSize]byte // not zero exactly with PurposeOpen
	Quote          []byte       // none, or Opened.Quote, with PurposeOpen only
}

// String leaves the token out: it is a secret.
func (OpenChat) String() string { return "wire.OpenChat" }

// GoString is String.
func (m OpenChat) GoString() string { return m.String() }

func (m *OpenChat) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Token = f.slice(MinToken, MaxToken)
		case 2:
			m.Purpose = Purpose(closed(f, uint64(PurposeOpen)))
		case 3:
			m.IdempotencyKey = f.id()
		case 4:
			m.Quote = f.slice(1, MaxQuote)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2)
	f.rule(f.has(3) == (m.Purpose == PurposeOpen))
	f.rule(!f.has(4) || m.Purpose == PurposeOpen)
}

func (m *OpenChat) append(b []byte) []byte {
	b = appendBytes(b, 1, m.Token)
	b = appendUint(b, 2, m.Purpose)
	b = appendID(b, 3, m.IdempotencyKey)
	return appendBytes(b, 4, m.Quote)
}

// Opened answers OpenChat.
type Opened struct {
	ChatID        messaging.ChatID    // zero when only looked at and no chat is there
	AccountID     messaging.AccountID // whom the invite reaches
	State         ChatState           // zero exactly when ChatID is
	Created       bool                // this opening made the chat
	FoundingEntry []byte              // first entry of the peer's log, 1..MaxEntry bytes
	Quote         []byte              // none, or 1..MaxQuote bytes
}

func (m *Opened) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ChatID = f.id()
		case 2:
			m.AccountID = f.id()
		case 3:
			m.State = ChatState(f.enum())
		case 4:
			m.Created = f.bool()
		case 5:
			m.FoundingEntry = f.slice(1, MaxEntry)
		case 6:
			m.Quote = f.slice(1, MaxQuote)
		default:
			f.skip()
		}
	}
	f.require(1<<2 | 1<<5)
	f.rule(f.has(1) == f.has(3))
}

func (m *Opened) append(b []byte) []byte {
	b = appendID(b, 1, m.ChatID)
	b = appendID(b, 2, m.AccountID)
	b = appendUint(b, 3, m.State)
	b = appendBool(b, 4, m.Created)
	b = appendBytes(b, 5, m.FoundingEntry)
	return appendBytes(b, 6, m.Quote)
}

// SetChat changes a chat for the asking account.
type SetChat struct {
	ChatID messaging.ChatID
	Action ChatAction
}

func (m *SetChat) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ChatID = f.id()
		case 2:
			m.Action = ChatAction(closed(f, uint64(ChatClose)))
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2)
}

func (m *SetChat) append(b []byte) []byte {
	b = appendID(b, 1, m.ChatID)
	return appendUint(b, 2, m.Action)
}

// ListChats asks for a page of the account's chats.
type ListChats struct {
	Cursor []byte // none, or Chats.Next of the page before
	Limit  uint32 // 0: the server's choice; at most MaxPage
}

func (m *ListChats) decode(f *fields) { m.Cursor, m.Limit = page(f) }

func (m *ListChats) append(b []byte) []byte {
	b = appendBytes(b, 1, m.Cursor)
	return appendUint(b, 2, m.Limit)
}

// page reads the two fields of every request for a page.
func page(f *fields) (cursor []byte, limit uint32) {
	for f.next() {
		switch f.num {
		case 1:
			cursor = f.slice(1, MaxCursor)
		case 2:
			limit = f.uint32(MaxPage)
		default:
			f.skip()
		}
	}
	return cursor, limit
}

// Chat is a chat as the asking account may see it.
type Chat struct {
	ChatID      messaging.ChatID
	PeerAccount messaging.AccountID
	State       ChatState
	OpenedByMe  bool
	MayWrite    bool
	OpenedMS    uint64
	PeerHead    LogHead // zero when the peer may no longer be looked up
}

func (m *Chat) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ChatID = f.id()
		case 2:
			m.PeerAccount = f.id()
		case 3:
			m.State = ChatState(f.enum())
		case 4:
			m.OpenedByMe = f.bool()
		case 5:
			m.MayWrite = f.bool()
		case 6:
			m.OpenedMS = f.uint(MaxNumber)
		case 7:
			m.PeerHead = f.head()
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3 | 1<<6)
}

func (m *Chat) append(b []byte) []byte {
	b, at := begin(b, 1)
	b = appendID(b, 1, m.ChatID)
	b = appendID(b, 2, m.PeerAccount)
	b = appendUint(b, 3, m.State)
	b = appendBool(b, 4, m.OpenedByMe)
	b = appendBool(b, 5, m.MayWrite)
	b = appendUint(b, 6, m.OpenedMS)
	b = appendHead(b, 7, &m.PeerHead)
	return end(b, at)
}

// Chats answers ListChats.
type Chats struct {
	Chats []Chat // at most MaxPage
	Next  []byte // none on the last page
}

func (m *Chats) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			if f.more(len(m.Chats), MaxPage) {
				m.Chats = append(m.Chats, Chat{})
				sub := f.repeated()
				m.Chats[len(m.Chats)-1].decode(&sub)
				f.join(&sub)
			}
		case 2:
			m.Next = f.slice(1, MaxCursor)
		default:
			f.skip()
		}
	}
}

func (m *Chats) append(b []byte) []byte {
	for i := range m.Chats {
		b = m.Chats[i].append(b)
	}
	return appendBytes(b, 2, m.Next)
}
