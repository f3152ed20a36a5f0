package ratchet

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// raw builds a SignalMessage field by field, with a MAC of zeros.
type raw []byte

func (r raw) bytes(number protowire.Number, v []byte) raw {
	return protowire.AppendBytes(protowire.AppendTag(r, number, protowire.BytesType), v)
}

func (r raw) varint(number protowire.Number, v uint64) raw {
	return protowire.AppendVarint(protowire.AppendTag(r, number, protowire.VarintType), v)
}

func (r raw) fixed64(number protowire.Number) raw {
	return protowire.AppendFixed64(protowire.AppendTag(r, number, protowire.Fixed64Type), 1)
}

func (r raw) done() []byte { return append(bytes.Clone(r), make([]byte, macSize)...) }

var (
	someKey    = append([]byte{5}, bytes.Repeat([]byte{9}, 32)...)
	block      = make([]byte, 16)
	start      = raw{version}
	allButKey  = start.varint(fieldCounter, 7).bytes(fieldCiphertext, block)
	wellFormed = start.bytes(fieldRatchetKey, someKey).varint(fieldCounter, 7).varint(fieldPrevious, 3).bytes(fieldCiphertext, block)
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   []byte
		reason error
	}{
		"nothing":             {nil, ErrMalformed},
		"a MAC alone":         {make([]byte, macSize), ErrMalformed},
		"a version alone":     {start.done(), ErrMalformed},
		"version 3":           {append(raw{0x34}, wellFormed[1:]...).done(), ErrVersion},
		"version 5":           {append(raw{0x54}, wellFormed[1:]...).done(), ErrVersion},
		"no ratchet key":      {allButKey.done(), key.ErrLength},
		"short ratchet key":   {allButKey.bytes(fieldRatchetKey, someKey[:32]).done(), key.ErrLength},
		"long ratchet key":    {allButKey.bytes(fieldRatchetKey, append(someKey[:33:33], 0)).done(), key.ErrLength},
		"type of ratchet key": {allButKey.bytes(fieldRatchetKey, append([]byte{6}, someKey[1:]...)).done(), key.ErrType},
		"no counter":          {start.bytes(fieldRatchetKey, someKey).bytes(fieldCiphertext, block).done(), ErrMalformed},
		"no ciphertext":       {start.bytes(fieldRatchetKey, someKey).varint(fieldCounter, 7).done(), ErrMalformed},
		"key as number":       {wellFormed.varint(fieldRatchetKey, 1).done(), ErrMalformed},
		"counter as bytes":    {wellFormed.bytes(fieldCounter, block).done(), ErrMalformed},
		"counter as fixed64":  {wellFormed.fixed64(fieldCounter).done(), ErrMalformed},
		"previous as bytes":   {wellFormed.bytes(fieldPrevious, block).done(), ErrMalformed},
		"ciphertext as number": {wellFormed.varint(fieldCiphertext, 1).done(),
			ErrMalformed},
		"header as number":    {wellFormed.varint(fieldPQ, 1).done(), ErrMalformed},
		"addresses as number": {wellFormed.varint(fieldAddresses, 1).done(), ErrMalformed},
		"field number 0":      {append(wellFormed[:len(wellFormed):len(wellFormed)], 0, 0).done(), ErrMalformed},
		"a group":             {append(wellFormed[:len(wellFormed):len(wellFormed)], 0x4b, 0x4c).done(), ErrMalformed},
		"cut off":             {append(wellFormed[:len(wellFormed):len(wellFormed)], 0x22, 0x7f).done(), ErrMalformed},
		"length of 2^63":      {append(wellFormed[:len(wellFormed):len(wellFormed)], 0x22, 255, 255, 255, 255, 255, 255, 255, 255, 127).done(), ErrMalformed},
		"varint of 11 bytes":  {append(wellFormed[:len(wellFormed):len(wellFormed)], 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1).done(), ErrMalformed},
		"over the ceiling":    {wellFormed.bytes(99, make([]byte, MaxMessage)).done(), ErrMalformed},
	} {
		_, err := Parse(c.body)
		if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, c.reason) {
			t.Errorf("%s: received %v (%v), expected %v", name, err, errors.Unwrap(err), c.reason)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]raw{
		"as we write it":  wellFormed,
		"low nibble":      append(raw{version | 0xf}, wellFormed[1:]...),
		"other order":     start.bytes(fieldCiphertext, block).varint(fieldPrevious, 3).bytes(fieldRatchetKey, someKey).varint(fieldCounter, 7),
		"unknown fields":  wellFormed.varint(7, 1).bytes(1000, block).fixed64(8),
		"last one counts": start.varint(fieldCounter, 1).bytes(fieldCiphertext, nil).bytes(fieldRatchetKey, nil).varint(fieldPrevious, 9).bytes(fieldRatchetKey, someKey).varint(fieldCounter, 7).varint(fieldPrevious, 3).bytes(fieldCiphertext, block),
		"low 32 bits":     start.bytes(fieldRatchetKey, someKey).varint(fieldCounter, 1<<32+7).varint(fieldPrevious, 3).bytes(fieldCiphertext, block),
	} {
		m, err := Parse(body.done())
		if err != nil {
			t.Errorf("%s: %v (%v)", name, err, errors.Unwrap(err))
			continue
		}
		if !bytes.Equal(m.RatchetKey.Bytes(), someKey) || m.Counter != 7 || m.Previous != 3 || !bytes.Equal(m.Ciphertext, block) || m.PQ != nil || m.Addresses != nil {
			t.Errorf("%s: received %+v", name, m)
		}
		if !bytes.Equal(m.signed, body) {
			t.Errorf("%s: the MAC covers other bytes than those received", name)
		}
	}
}

func TestOptionalFields(t *testing.T) {
	t.Parallel()
	m := must(Parse(wellFormed.bytes(fieldPQ, []byte{1, 2}).bytes(fieldAddresses, []byte{3}).done()))(t)
	if !bytes.Equal(m.PQ, []byte{1, 2}) || !bytes.Equal(m.Addresses, []byte{3}) {
		t.Fatalf("received %x and %x", m.PQ, m.Addresses)
	}
	if again := m.appendFields(nil); !bytes.Equal(again, m.signed) {
		t.Fatalf("written again it is %x, was %x", again, m.signed)
	}
}

// FuzzParse: what parses has the fields that are written, and writing it gives
// a message that parses to the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(wellFormed.done())
	f.Add(wellFormed.bytes(fieldPQ, []byte{1, 1, 1, 0}).bytes(fieldAddresses, make([]byte, 36)).varint(9, 9).done())
	f.Add(append(wellFormed[:len(wellFormed):len(wellFormed)], 0x4b, 0x4c).done())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Fatalf("%v is not of the class for strangers", err)
			}
			return
		}
		again, err := Parse(append(m.appendFields(nil), m.mac[:]...))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if again.RatchetKey != m.RatchetKey || again.Counter != m.Counter || again.Previous != m.Previous ||
			!bytes.Equal(again.Ciphertext, m.Ciphertext) || !bytes.Equal(again.PQ, m.PQ) || !bytes.Equal(again.Addresses, m.Addresses) {
			t.Fatalf("written again it is %+v, was %+v", again, m)
		}
	})
}
