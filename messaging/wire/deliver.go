package wire

import "github.com/sottochat/sotto/messaging"

// Delivered is one envelope of a device's mailbox.
type Delivered struct {
	Position      uint64 // to acknowledge; 0: not stored, needs no ack
	SenderAccount messaging.AccountID
	SenderDevice  messaging.DeviceID
	ChatID        messaging.ChatID // zero between devices of one account
	MessageID     messaging.MessageID
	ServerTime    uint64 // Unix seconds, rounded by the server
	Type          EnvelopeType
	Body          []byte // 1..MaxBody bytes
}

func (m *Delivered) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Position = f.uint(MaxNumber)
		case 2:
			m.SenderAccount = f.id()
		case 3:
			m.SenderDevice = f.device()
		case 4:
			m.ChatID = f.id()
		case 5:
			m.MessageID = f.id()
		case 6:
			m.ServerTime = f.uint(MaxNumber)
		case 7:
			m.Type = EnvelopeType(f.enum())
		case 8:
			m.Body = f.slice(1, MaxBody)
		default:
			f.skip()
		}
	}
	f.require(1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 | 1<<8)
}

func (m *Delivered) append(b []byte) []byte {
	b, at := begin(b, 1)
	b = appendUint(b, 1, m.Position)
	b = appendID(b, 2, m.SenderAccount)
	b = appendUint(b, 3, m.SenderDevice)
	b = appendID(b, 4, m.ChatID)
	b = appendID(b, 5, m.MessageID)
	b = appendUint(b, 6, m.ServerTime)
	b = appendUint(b, 7, m.Type)
	b = appendBytes(b, 8, m.Body)
	return end(b, at)
}

// Deliver hands over a batch of 1..MaxDeliver envelopes; positions that are not
// zero grow strictly.
type Deliver struct{ Envelopes []Delivered }

// Parse reads the body of a deliver frame into m and reuses m.Envelopes.
func (m *Deliver) Parse(body []byte) error {
	f := fields{rest: body}
	m.decode(&f)
	return f.done()
}

func (m *Deliver) decode(f *fields) {
	m.Envelopes = m.Envelopes[:0]
	position := uint64(0)
	for f.next() {
		switch f.num {
		case 1:
			position = m.decodeEnvelope(f, position)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

// decodeEnvelope returns the last position up to now.
func (m *Deliver) decodeEnvelope(f *fields, before uint64) uint64 {
	if !f.more(len(m.Envelopes), MaxDeliver) {
		return before
	}
	m.Envelopes = append(m.Envelopes, Delivered{})
	e := &m.Envelopes[len(m.Envelopes)-1]
	sub := f.repeated()
	e.decode(&sub)
	f.join(&sub)
	if e.Position == 0 {
		return before
	}
	if e.Position <= before {
		f.fail(ErrSorted)
	}
	return e.Position
}

func (m *Deliver) append(b []byte) []byte {
	for i := range m.Envelopes {
		b = m.Envelopes[i].append(b)
	}
	return b
}

// Accepted says that these 1..MaxAck sends are safe: stored, or saved by the
// recipients.
type Accepted struct{ MessageIDs []messaging.MessageID }

func (m *Accepted) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			if f.more(len(m.MessageIDs), MaxAck) {
				m.MessageIDs = append(m.MessageIDs, messageID(f))
			}
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

// messageID reads one of a repeated field.
func messageID(f *fields) (id messaging.MessageID) {
	copy(id[:], f.element(idSize, idSize))
	if f.err == nil && id == (messaging.MessageID{}) {
		f.fail(ErrDefault)
	}
	return id
}

func (m *Accepted) append(b []byte) []byte {
	for i := range m.MessageIDs {
		b = appendElement(b, 1, m.MessageIDs[i][:])
	}
	return b
}

// QueueEmpty follows the last envelope that waited when the connection began.
type QueueEmpty struct{}

func (m *QueueEmpty) decode(f *fields)       { empty(f) }
func (m *QueueEmpty) append(b []byte) []byte { return b }
