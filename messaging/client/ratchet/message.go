package ratchet

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/internal/field"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	// MaxPlaintext is the largest plaintext in bytes: twice what a padded
	// content fills (docs/protocol.md section 4).
	MaxPlaintext = 128<<10 - 1
	// MaxMessage is the largest SignalMessage in bytes: the largest ciphertext
	// and 1 KiB for everything around it, unknown fields included.
	MaxMessage = MaxPlaintext + 1 + 1024

	macSize = 8
	// overhead bounds what is written around the ciphertext, the header of
	// package spqr and the addresses: tags, lengths, key, counters and MAC.
	overhead = 72
	// version is session version 4 in the high nibble, as the version of the
	// message, and in the low one, as the highest that the sender knows.
	version = 4<<4 | 4
)

// The fields of a SignalMessage (docs/protocol.md section 10.2).
const (
	fieldRatchetKey = 1
	fieldCounter    = 2
	fieldPrevious   = 3
	fieldCiphertext = 4
	fieldPQ         = 5
	fieldAddresses  = 6
)

// Message is a parsed SignalMessage. Nothing in it is proven. Its slices point
// into the bytes that were parsed, which must not change while it is in use.
type Message struct {
	RatchetKey key.RatchetPublic
	Counter    uint32
	Previous   uint32 // length of the chain before; nothing depends on it
	Ciphertext []byte
	PQ         []byte // header of package spqr, empty without it
	Addresses  []byte // who sends to whom, judged by package session; empty when absent

	signed []byte // version byte and fields, as received: what the MAC covers
	mac    [macSize]byte
}

// appendFields appends the version byte and the fields, in ascending order and
// without the MAC.
func (m *Message) appendFields(b []byte) []byte {
	b = append(b, version)
	b = protowire.AppendTag(b, fieldRatchetKey, protowire.BytesType)
	b = m.RatchetKey.Append(protowire.AppendVarint(b, key.PublicSize))
	b = protowire.AppendTag(b, fieldCounter, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.Counter))
	b = protowire.AppendTag(b, fieldPrevious, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.Previous))
	b = protowire.AppendTag(b, fieldCiphertext, protowire.BytesType)
	b = protowire.AppendBytes(b, m.Ciphertext)
	if len(m.PQ) > 0 {
		b = protowire.AppendTag(b, fieldPQ, protowire.BytesType)
		b = protowire.AppendBytes(b, m.PQ)
	}
	if len(m.Addresses) > 0 {
		b = protowire.AppendTag(b, fieldAddresses, protowire.BytesType)
		b = protowire.AppendBytes(b, m.Addresses)
	}
	return b
}

// Parse reads a SignalMessage: the version byte, fields in any order of which
// unknown ones are ignored and the last of several counts, and 8 bytes of MAC.
func Parse(b []byte) (Message, error) {
	if len(b) < 1+macSize || len(b) > MaxMessage {
		return Message{}, messaging.Invalid(ErrMalformed)
	}
	if b[0]>>4 != version>>4 {
		return Message{}, messaging.Invalid(ErrVersion)
	}
	end := len(b) - macSize
	m := Message{signed: b[:end], mac: [macSize]byte(b[end:])}
	if err := m.parse(b[1:end]); err != nil {
		return Message{}, messaging.Invalid(err)
	}
	return m, nil
}

func (m *Message) parse(b []byte) error {
	var ratchetKey []byte
	var counted bool
	for len(b) > 0 {
		f, rest, ok := field.Next(b)
		if !ok {
			return ErrMalformed
		}
		b = rest
		switch f.Number {
		case fieldRatchetKey:
			ok = f.Bytes(&ratchetKey)
		case fieldCounter:
			ok = f.Uint32(&m.Counter)
			counted = true
		case fieldPrevious:
			ok = f.Uint32(&m.Previous)
		case fieldCiphertext:
			ok = f.Bytes(&m.Ciphertext)
		case fieldPQ:
			ok = f.Bytes(&m.PQ)
		case fieldAddresses:
			ok = f.Bytes(&m.Addresses)
		}
		if !ok {
			return ErrMalformed
		}
	}
	if !counted || m.Ciphertext == nil {
		return ErrMalformed
	}
	var err error
	m.RatchetKey, err = key.ParsePublic[key.RoleRatchet](ratchetKey)
	return err
}
