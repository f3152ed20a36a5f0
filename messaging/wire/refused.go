package wire

import "github.com/sottochat/sotto/messaging"

// Code says why a send or request was refused. Clients keep values that they do
// not know and treat them as CodeInvalid, or, with RetryAfterMS, as
// CodeUnavailable.
type Code uint16

const (
	CodeInvalid     Code = 1  // breaks a rule that depends on more than its own bytes
	CodeStale       Code = 2  // device set or expected head not current
	CodeNotOpen     Code = 3  // writing is not open in this chat, for whatever reason
	CodeNotFound    Code = 4  // unknown and foreign look alike
	CodeLimited     Code = 5  // too much in too short a time
	CodeFull        Code = 6  // no room for more
	CodeConflict    Code = 7  // id or key was used before for something else
	CodeNotLinked   Code = 8  // the session belongs to no device yet
	CodePrice       Code = 9  // the quote is not the price
	CodePayment     Code = 10 // the opening is not covered
	CodeUnavailable Code = 11 // not now; nothing was changed
	CodeUnsupported Code = 12 // unknown kind of frame
)

// Detail narrows a Code down. Clients keep values that they do not know.
type Detail uint16

const (
	DetailNone          Detail = 0
	DetailDeviceMissing Detail = 1
	DetailDeviceExtra   Detail = 2
	DetailRegistration  Detail = 3
	DetailHead          Detail = 4
	DetailPair          Detail = 5
	DetailDevice        Detail = 6
	DetailAccount       Detail = 7
	DetailInvite        Detail = 8
	DetailTenant        Detail = 9
	DetailMailbox       Detail = 10
	DetailKeys          Detail = 11
	DetailSlots         Detail = 12
	DetailInvites       Detail = 13
	DetailChats         Detail = 14
	DetailDevices       Detail = 15
)

// Refused says that a send or a request changed nothing. It names a send by its
// message id, a request by the frame's number: one of the two.
type Refused struct {
	MessageID    messaging.MessageID // zero: see the frame's request
	Code         Code
	Detail       Detail
	RetryAfterMS uint32  // 0: not without a change; at most MaxRetryMS
	OwnHead      LogHead // with CodeStale
	PeerHead     LogHead // with CodeStale, where a peer is concerned
}

func (m *Refused) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.MessageID = f.id()
		case 2:
			m.Code = Code(f.enum())
		case 3:
			m.Detail = Detail(f.enum())
		case 4:
			m.RetryAfterMS = f.uint32(MaxRetryMS)
		case 5:
			m.OwnHead = f.head()
		case 6:
			m.PeerHead = f.head()
		default:
			f.skip()
		}
	}
	f.require(1 << 2)
}

func (m *Refused) append(b []byte) []byte {
	b = appendID(b, 1, m.MessageID)
	b = appendUint(b, 2, m.Code)
	b = appendUint(b, 3, m.Detail)
	b = appendUint(b, 4, m.RetryAfterMS)
	b = appendHead(b, 5, &m.OwnHead)
	return appendHead(b, 6, &m.PeerHead)
}

// Done answers a request that has no other answer.
type Done struct{}

func (m *Done) decode(f *fields)       { empty(f) }
func (m *Done) append(b []byte) []byte { return b }
