package wire

import "github.com/sottochat/sotto/messaging"

// NoticeKind says what a Notice is about. Clients keep values that they do not
// know, and show those with MustShow in general words.
type NoticeKind uint16

const (
	NoticeKeysLow       NoticeKind = 1 // Keys
	NoticeLogGrew       NoticeKind = 2 // AccountID, Head
	NoticeNewLogin      NoticeKind = 3
	NoticeLinkRequested NoticeKind = 4 // Slot
	NoticeChatChanged   NoticeKind = 5 // ChatID, ChatState
	NoticeMediaChanged  NoticeKind = 6 // BlobID, MediaState
	NoticeSendExpired   NoticeKind = 7 // MessageID
)

// MediaState is what became of a blob. Clients keep values that they do not know.
type MediaState uint16

const (
	MediaReady   MediaState = 1
	MediaFetched MediaState = 2 // by all addressed devices
	MediaExpired MediaState = 3
)

// Notice is news that is no envelope. The constants of NoticeKind name the
// fields that are set with each; the others are zero.
type Notice struct {
	Position   uint64 // to acknowledge, as an envelope's; 0: not stored
	Kind       NoticeKind
	MustShow   bool // the member must see it; then Position is not 0
	TimeMS     uint64
	Keys       KeyCounts
	AccountID  messaging.AccountID
	Head       LogHead
	Slot       [SlotSize]byte
	ChatID     messaging.ChatID
	ChatState  ChatState
	BlobID     messaging.BlobID
	MediaState MediaState
	MessageID  messaging.MessageID
}

func (m *Notice) decode(f *fields) {
	for f.next() {
		if f.num <= 4 {
			m.decodeHeader(f)
		} else {
			m.decodeSubject(f)
		}
	}
	f.require(1<<2 | 1<<4 | noticeSubject(m.Kind))
	f.rule(!m.MustShow || m.Position != 0)
}

func (m *Notice) decodeHeader(f *fields) {
	switch f.num {
	case 1:
		m.Position = f.uint(MaxNumber)
	case 2:
		m.Kind = NoticeKind(f.enum())
	case 3:
		m.MustShow = f.bool()
	case 4:
		m.TimeMS = f.uint(MaxNumber)
	}
}

func (m *Notice) decodeSubject(f *fields) {
	switch f.num {
	case 5:
		m.Keys = keyCounts(f)
	case 6:
		m.AccountID = f.id()
	case 7:
		m.Head = f.head()
	case 8:
		m.Slot = f.hash()
	case 9:
		m.ChatID = f.id()
	case 10:
		m.ChatState = ChatState(f.enum())
	case 11:
		m.BlobID = f.id()
	case 12:
		m.MediaState = MediaState(f.enum())
	case 13:
		m.MessageID = f.id()
	default:
		f.skip()
	}
}

// noticeSubject returns the mask of the fields that must be present with a kind.
func noticeSubject(kind NoticeKind) uint64 {
	switch kind {
	case NoticeKeysLow:
		return 1 << 5
	case NoticeLogGrew:
		return 1<<6 | 1<<7
	case NoticeLinkRequested:
		return 1 << 8
	case NoticeChatChanged:
		return 1<<9 | 1<<10
	case NoticeMediaChanged:
		return 1<<11 | 1<<12
	case NoticeSendExpired:
		return 1 << 13
	default:
		return 0
	}
}

func (m *Notice) append(b []byte) []byte {
	b = appendUint(b, 1, m.Position)
	b = appendUint(b, 2, m.Kind)
	b = appendBool(b, 3, m.MustShow)
	b = appendUint(b, 4, m.TimeMS)
	b = appendKeyCounts(b, 5, &m.Keys)
	b = appendID(b, 6, m.AccountID)
	b = appendHead(b, 7, &m.Head)
	b = appendHash(b, 8, m.Slot)
	b = appendID(b, 9, m.ChatID)
	b = appendUint(b, 10, m.ChatState)
	b = appendID(b, 11, m.BlobID)
	b = appendUint(b, 12, m.MediaState)
	return appendID(b, 13, m.MessageID)
}
