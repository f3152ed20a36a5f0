package wire

import "github.com/sottochat/sotto/messaging"

// EnvelopeType says how a body is to be read; the numbers are those of Signal's
// libraries. As a recipient a client keeps types that it does not know.
type EnvelopeType uint16

const (
	TypeSignal    EnvelopeType = 2 // SignalMessage
	TypePreKey    EnvelopeType = 3 // PreKeySignalMessage
	TypePlaintext EnvelopeType = 8 // request to send again, outside any session
)

// Side says whose device an envelope is for.
type Side uint8

const (
	SidePeer Side = 1 // the chat's other account
	SideOwn  Side = 2 // the sender's account
)

// Urgency says whether an envelope is stored and wakes a device.
type Urgency uint8

const (
	UrgencyNormal    Urgency = 0 // stored, wakes
	UrgencySilent    Urgency = 1 // stored, wakes nothing
	UrgencyEphemeral Urgency = 2 // not stored
)

// Envelope is the ciphertext for one device.
type Envelope struct {
	Side           Side
	Device         messaging.DeviceID
	RegistrationID uint16 // 1..MaxRegistrationID, as the sender believes
	Type           EnvelopeType
	Body           []byte // 1..MaxBody bytes
}

// Send hands over one message, one envelope for each device that must get it,
// in strictly ascending order of side and device. The rules that tie its fields
// together stand in sotto.proto.
type Send struct {
	MessageID     messaging.MessageID
	ChatID        messaging.ChatID // zero: only between own devices
	OwnHead       LogHead
	PeerHead      LogHead // zero exactly when ChatID is
	Urgency       Urgency
	ExpirySeconds uint32 // 0: the server's own limit
	Partial       bool   // addresses the listed devices only: healing, linking
	Envelopes     []Envelope
}

// Parse reads the body of a send frame into m and reuses m.Envelopes.
func (m *Send) Parse(body []byte) error {
	f := fields{rest: body}
	m.decode(&f)
	return f.done()
}

func (m *Send) decode(f *fields) {
	*m = Send{Envelopes: m.Envelopes[:0]}
	for f.next() {
		switch f.num {
		case 1:
			m.MessageID = f.id()
		case 2:
			m.ChatID = f.id()
		case 3:
			m.OwnHead = f.head()
		case 4:
			m.PeerHead = f.head()
		case 5:
			m.Urgency = urgency(f)
		case 6:
			m.ExpirySeconds = f.uint32(MaxExpirySeconds)
		case 7:
			m.Partial = f.bool()
		case 8:
			m.decodeEnvelope(f)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<3 | 1<<8)
	m.check(f)
}

func (m *Send) decodeEnvelope(f *fields) {
	if !f.more(len(m.Envelopes), MaxEnvelopes) {
		return
	}
	if m.Envelopes == nil {
		m.Envelopes = make([]Envelope, 0, MaxEnvelopes)
	}
	m.Envelopes = append(m.Envelopes, Envelope{})
	sub := f.repeated()
	m.Envelopes[len(m.Envelopes)-1].decode(&sub)
	f.join(&sub)
}

// check holds the rules over several fields.
func (m *Send) check(f *fields) {
	chat := m.ChatID != messaging.ChatID{}
	f.rule(chat != m.PeerHead.IsZero())
	f.rule(m.Urgency != UrgencyEphemeral || m.ExpirySeconds == 0)
	before := 0
	for i := range m.Envelopes {
		e := &m.Envelopes[i]
		f.rule(chat || e.Side == SideOwn)
		f.rule(m.Partial || e.Type != TypePlaintext)
		place := int(e.Side)<<8 | int(e.Device)
		if place <= before {
			f.fail(ErrSorted)
		}
		before = place
	}
}

func (e *Envelope) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			e.Side = side(f)
		case 2:
			e.Device = f.device()
		case 3:
			e.RegistrationID = registrationID(f)
		case 4:
			e.Type = envelopeType(f)
		case 5:
			e.Body = f.slice(1, MaxBody)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5)
	if e.Type == TypePlaintext && len(e.Body) > MaxPlaintextBody {
		f.fail(ErrLength)
	}
}

func urgency(f *fields) Urgency { return Urgency(closed(f, uint64(UrgencyEphemeral))) }

func side(f *fields) Side { return Side(closed(f, uint64(SideOwn))) }

func envelopeType(f *fields) EnvelopeType {
	t := EnvelopeType(closed(f, uint64(TypePlaintext)))
	if f.err == nil && t != TypeSignal && t != TypePreKey && t != TypePlaintext {
		f.fail(ErrEnum)
	}
	return t
}

func registrationID(f *fields) uint16 { return uint16(f.uint(MaxRegistrationID)) }

// closed reads a value of an enum that refuses what it does not know: 1..last.
func closed(f *fields, last uint64) uint64 {
	v := f.uint(MaxNumber)
	if v > last {
		f.fail(ErrEnum)
		return 0
	}
	return v
}

func (m *Send) append(b []byte) []byte {
	b = appendID(b, 1, m.MessageID)
	b = appendID(b, 2, m.ChatID)
	b = appendHead(b, 3, &m.OwnHead)
	b = appendHead(b, 4, &m.PeerHead)
	b = appendUint(b, 5, m.Urgency)
	b = appendUint(b, 6, m.ExpirySeconds)
	b = appendBool(b, 7, m.Partial)
	for i := range m.Envelopes {
		b = m.Envelopes[i].append(b)
	}
	return b
}

func (e *Envelope) append(b []byte) []byte {
	b, at := begin(b, 8)
	b = appendUint(b, 1, e.Side)
	b = appendUint(b, 2, e.Device)
	b = appendUint(b, 3, e.RegistrationID)
	b = appendUint(b, 4, e.Type)
	b = appendBytes(b, 5, e.Body)
	return end(b, at)
}

// Ack tells the server which positions the device has saved, in strictly
// ascending order, 1..MaxAck of them.
type Ack struct{ Positions []uint64 }

// Parse reads the body of an ack frame into m and reuses m.Positions.
func (m *Ack) Parse(body []byte) error {
	f := fields{rest: body}
	m.decode(&f)
	return f.done()
}

func (m *Ack) decode(f *fields) {
	m.Positions = m.Positions[:0]
	for f.next() {
		switch f.num {
		case 1:
			m.Positions = ascending(f, m.Positions, MaxAck, MaxNumber)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *Ack) append(b []byte) []byte { return appendPacked(b, 1, m.Positions) }
