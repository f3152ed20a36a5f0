package session

import (
	"encoding/binary"

	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	// recordVersion is the first byte of a stored Record; another layout gets
	// another number (docs/protocol.md section 12.5).
	recordVersion = 1

	// maxEntry is the largest stored session in bytes: the largest State and
	// everything around it, a pending handshake included.
	maxEntry = ratchet.MaxState + key.KEMCiphertextSize + 128
	// MaxRecord is the largest stored Record in bytes.
	MaxRecord = 2 + (1+MaxArchived)*(4+maxEntry)
)

// What follows the fixed part of a stored session.
const (
	pendingNone = iota
	pendingWithoutOneTime
	pendingWithOneTime
)

// AppendBinary appends the one encoding of the Record. The result holds keys:
// it goes into the sealed vault and nowhere else. Numbers are big-endian. A
// version byte; 1 when there is a current session, else 0; then each session,
// the current one first, after its length in 32 bits: base key, the peer's
// registration id, pending handshake, and the rest is the State.
func (r *Record) AppendBinary(b []byte) ([]byte, error) {
	if r == nil {
		r = new(Record)
	}
	if r.current == nil {
		b = append(b, recordVersion, 0)
	} else {
		b = append(b, recordVersion, 1)
	}
	var err error
	for _, e := range r.sessions() {
		start := len(b)
		if b, err = e.append(append(b, 0, 0, 0, 0)); err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	}
	return b, nil
}

func (e *entry) append(b []byte) ([]byte, error) {
	b = e.base.Append(b)
	b = binary.BigEndian.AppendUint32(b, e.remote)
	switch p := e.pending; {
	case p == nil:
		b = append(b, pendingNone)
	case p.oneTime == nil:
		b = p.append(append(b, pendingWithoutOneTime))
	default:
		b = binary.BigEndian.AppendUint32(append(b, pendingWithOneTime), uint32(*p.oneTime))
		b = p.append(b)
	}
	return e.state.AppendBinary(b)
}

func (p *pending) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.signed))
	b = binary.BigEndian.AppendUint32(b, uint32(p.kem))
	b = binary.BigEndian.AppendUint64(b, uint64(p.started))
	return append(b, p.ciphertext...)
}

// ParseRecord reads what AppendBinary wrote and accepts nothing else; otherwise
// ErrRecord.
func ParseRecord(b []byte) (*Record, error) {
	if len(b) < 2 || len(b) > MaxRecord || b[0] != recordVersion || b[1] > 1 {
		return nil, ErrRecord
	}
	r, hasCurrent := new(Record), b[1] == 1
	for b = b[2:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, ErrRecord
		}
		n := binary.BigEndian.Uint32(b)
		if n > maxEntry || int(n) > len(b)-4 {
			return nil, ErrRecord
		}
		e, err := parseEntry(b[4 : 4+n])
		if err != nil {
			return nil, ErrRecord
		}
		b = b[4+n:]
		if hasCurrent && r.current == nil {
			r.current = e
			continue
		}
		if e.pending != nil || len(r.archived) == MaxArchived {
			return nil, ErrRecord
		}
		r.archived = append(r.archived, e)
	}
	if hasCurrent && r.current == nil {
		return nil, ErrRecord
	}
	return r, nil
}

func parseEntry(b []byte) (*entry, error) {
	const fixed = key.PublicSize + 4 + 1
	if len(b) < fixed {
		return nil, ErrRecord
	}
	e := &entry{remote: binary.BigEndian.Uint32(b[key.PublicSize:])}
	var err error
	if e.base, err = key.ParsePublic[key.RoleBase](b[:key.PublicSize]); err != nil {
		return nil, err
	}
	if e.pending, b, err = parsePending(b[fixed-1], b[fixed:]); err != nil {
		return nil, err
	}
	e.state, err = ratchet.Unmarshal(b)
	return e, err
}

func parsePending(tag byte, b []byte) (*pending, []byte, error) {
	const fixed = 4 + 4 + 8 + key.KEMCiphertextSize
	p := new(pending)
	switch tag {
	case pendingNone:
		return nil, b, nil
	case pendingWithoutOneTime:
	case pendingWithOneTime:
		if len(b) < 4 {
			return nil, nil, ErrRecord
		}
		id := key.PreKeyID(binary.BigEndian.Uint32(b))
		p.oneTime, b = &id, b[4:]
	default:
		return nil, nil, ErrRecord
	}
	if len(b) < fixed {
		return nil, nil, ErrRecord
	}
	p.signed = key.PreKeyID(binary.BigEndian.Uint32(b))
	p.kem = key.PreKeyID(binary.BigEndian.Uint32(b[4:]))
	p.started = int64(binary.BigEndian.Uint64(b[8:]))
	p.ciphertext = append([]byte(nil), b[16:fixed]...)
	return p, b[fixed:], nil
}
