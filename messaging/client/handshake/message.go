package handshake

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/internal/field"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

// Reasons for refusing a message; each arrives wrapped by messaging.Invalid.
var (
	// ErrMalformed: the bytes are no PreKeySignalMessage.
	ErrMalformed = errors.New("handshake: malformed prekey message")
	// ErrVersion: a handshake of another version, such as version 3, which has
	// no KEM.
	ErrVersion = errors.New("handshake: prekey message version is not 4")
)

const (
	// MaxMessage is the largest PreKeySignalMessage in bytes: the largest
	// SignalMessage, the KEM's ciphertext, and 1 KiB for everything around them,
	// unknown fields included.
	MaxMessage = ratchet.MaxMessage + key.KEMCiphertextSize + 1024

	// version is as in package ratchet.
	version = 4<<4 | 4
	// overhead bounds what is written around the ciphertext and the message:
	// tags, lengths, two public keys and four numbers.
	overhead = 128
)

// The fields of a PreKeySignalMessage (docs/protocol.md section 9.4).
const (
	fieldOneTime      = 1
	fieldBase         = 2
	fieldIdentity     = 3
	fieldMessage      = 4
	fieldRegistration = 5
	fieldSigned       = 6
	fieldKEM          = 7
	fieldCiphertext   = 8
)

// PreKeyMessage is a PreKeySignalMessage: a handshake around a SignalMessage.
// Nothing in it is proven before the inner message authenticates. After Parse
// its slices point into the bytes that were parsed.
type PreKeyMessage struct {
	Registration uint32 // the sender's registration id
	OneTime      *key.PreKeyID
	Signed       key.PreKeyID
	KEM          key.PreKeyID
	Ciphertext   []byte // of the KEM, with its type byte
	Base         key.BasePublic
	Identity     key.IdentityPublic // the sender's
	Message      []byte             // a complete SignalMessage
}

// Append appends the version byte and the fields in ascending order.
func (m *PreKeyMessage) Append(b []byte) []byte {
	if b == nil {
		b = make([]byte, 0, len(m.Message)+len(m.Ciphertext)+overhead)
	}
	b = append(b, version)
	if m.OneTime != nil {
		b = appendUint32(b, fieldOneTime, uint32(*m.OneTime))
	}
	b = protowire.AppendTag(b, fieldBase, protowire.BytesType)
	b = m.Base.Append(protowire.AppendVarint(b, key.PublicSize))
	b = protowire.AppendTag(b, fieldIdentity, protowire.BytesType)
	b = m.Identity.Append(protowire.AppendVarint(b, key.PublicSize))
	b = protowire.AppendTag(b, fieldMessage, protowire.BytesType)
	b = protowire.AppendBytes(b, m.Message)
	b = appendUint32(b, fieldRegistration, m.Registration)
	b = appendUint32(b, fieldSigned, uint32(m.Signed))
	b = appendUint32(b, fieldKEM, uint32(m.KEM))
	b = protowire.AppendTag(b, fieldCiphertext, protowire.BytesType)
	return protowire.AppendBytes(b, m.Ciphertext)
}

func appendUint32(b []byte, number protowire.Number, v uint32) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
}

// Parse reads a PreKeySignalMessage: the version byte, then fields in any order
// of which unknown ones are ignored and the last of several counts. The inner
// message is not looked into.
func Parse(b []byte) (PreKeyMessage, error) {
	if len(b) == 0 || len(b) > MaxMessage {
		return PreKeyMessage{}, messaging.Invalid(ErrMalformed)
	}
	if b[0]>>4 != version>>4 {
		return PreKeyMessage{}, messaging.Invalid(ErrVersion)
	}
	var p parser
	if !p.fields(b[1:]) || !p.signed.present || !p.kem.present || len(p.m.Ciphertext) != key.KEMCiphertextSize {
		return PreKeyMessage{}, messaging.Invalid(ErrMalformed)
	}
	if err := p.keys(); err != nil {
		return PreKeyMessage{}, err
	}
	p.m.Signed, p.m.KEM = key.PreKeyID(p.signed.number), key.PreKeyID(p.kem.number)
	if p.oneTime.present {
		one := key.PreKeyID(p.oneTime.number)
		p.m.OneTime = &one
	}
	return p.m, nil
}

// parser holds the fields as they come.
type parser struct {
	m                    PreKeyMessage
	oneTime, signed, kem id
	base, identity       []byte // nil when absent
}

// id is a prekey id that may be absent.
type id struct {
	number  uint32
	present bool
}

func (i *id) read(f field.Field) bool {
	i.present = true
	return f.Uint32(&i.number)
}

func (p *parser) fields(b []byte) bool {
	for len(b) > 0 {
		f, rest, ok := field.Next(b)
		if !ok || !p.field(f) {
			return false
		}
		b = rest
	}
	return true
}

func (p *parser) field(f field.Field) bool {
	switch f.Number {
	case fieldOneTime:
		return p.oneTime.read(f)
	case fieldBase:
		return f.Bytes(&p.base)
	case fieldIdentity:
		return f.Bytes(&p.identity)
	case fieldMessage:
		return f.Bytes(&p.m.Message)
	case fieldRegistration:
		return f.Uint32(&p.m.Registration)
	case fieldSigned:
		return p.signed.read(f)
	case fieldKEM:
		return p.kem.read(f)
	case fieldCiphertext:
		return f.Bytes(&p.m.Ciphertext)
	}
	return true
}

func (p *parser) keys() (err error) {
	if p.m.Base, err = key.ParsePublic[key.RoleBase](p.base); err != nil {
		return err
	}
	if p.m.Identity, err = key.ParsePublic[key.RoleIdentity](p.identity); err != nil {
		return err
	}
	if p.m.Message == nil {
		return messaging.Invalid(ErrMalformed)
	}
	return nil
}
