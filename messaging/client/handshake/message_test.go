package handshake

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// part is one field of a PreKeySignalMessage.
type part struct {
	number protowire.Number
	value  any // uint64 or []byte
}

var (
	somePublic     = append([]byte{5}, bytes.Repeat([]byte{9}, 32)...)
	someCiphertext = append([]byte{10}, make([]byte, 1568)...)
)

// parts is a message as we write it.
func parts() []part {
	return []part{
		{fieldOneTime, uint64(1)}, {fieldBase, somePublic}, {fieldIdentity, somePublic}, {fieldMessage, []byte("inner")},
		{fieldRegistration, uint64(5)}, {fieldSigned, uint64(6)}, {fieldKEM, uint64(7)}, {fieldCiphertext, someCiphertext},
	}
}

func build(parts ...part) []byte {
	b := []byte{version}
	for _, p := range parts {
		switch v := p.value.(type) {
		case uint64:
			b = appendVarint(b, p.number, v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, p.number, protowire.BytesType), v)
		}
	}
	return b
}

func appendVarint(b []byte, number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
}

// without leaves a field out.
func without(number protowire.Number) []byte {
	return build(slices.DeleteFunc(parts(), func(p part) bool { return p.number == number })...)
}

// with adds fields at the end, where they count.
func with(more ...part) []byte { return build(append(parts(), more...)...) }

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   []byte
		reason error
	}{
		"nothing":                {nil, ErrMalformed},
		"a version alone":        {[]byte{version}, ErrMalformed},
		"version 3":              {append([]byte{0x33}, with()[1:]...), ErrVersion},
		"version 2":              {append([]byte{0x22}, with()[1:]...), ErrVersion},
		"version 5":              {append([]byte{0x55}, with()[1:]...), ErrVersion},
		"no base key":            {without(fieldBase), key.ErrLength},
		"no identity key":        {without(fieldIdentity), key.ErrLength},
		"no message":             {without(fieldMessage), ErrMalformed},
		"no signed prekey":       {without(fieldSigned), ErrMalformed},
		"no KEM prekey":          {without(fieldKEM), ErrMalformed},
		"no KEM ciphertext":      {without(fieldCiphertext), ErrMalformed},
		"no KEM at all":          {build(parts()[:6]...), ErrMalformed},
		"long base key":          {with(part{fieldBase, append(somePublic[:33:33], 0)}), key.ErrLength},
		"short identity key":     {with(part{fieldIdentity, somePublic[:32]}), key.ErrLength},
		"type of base key":       {with(part{fieldBase, append([]byte{4}, somePublic[1:]...)}), key.ErrType},
		"KEM key as base key":    {with(part{fieldBase, someCiphertext}), key.ErrLength},
		"short ciphertext":       {with(part{fieldCiphertext, someCiphertext[:1568]}), ErrMalformed},
		"long ciphertext":        {with(part{fieldCiphertext, append(someCiphertext[:1569:1569], 0)}), ErrMalformed},
		"one-time id as bytes":   {with(part{fieldOneTime, []byte{1}}), ErrMalformed},
		"signed id as bytes":     {with(part{fieldSigned, []byte{1}}), ErrMalformed},
		"KEM id as bytes":        {with(part{fieldKEM, []byte{1}}), ErrMalformed},
		"registration as bytes":  {with(part{fieldRegistration, []byte{1}}), ErrMalformed},
		"base key as number":     {with(part{fieldBase, uint64(1)}), ErrMalformed},
		"identity as number":     {with(part{fieldIdentity, uint64(1)}), ErrMalformed},
		"message as number":      {with(part{fieldMessage, uint64(1)}), ErrMalformed},
		"ciphertext as number":   {with(part{fieldCiphertext, uint64(1)}), ErrMalformed},
		"a group":                {append(with(), 0x4b, 0x4c), ErrMalformed},
		"field number 0":         {append(with(), 0, 0), ErrMalformed},
		"cut off":                {append(with(), 0x22, 0x7f), ErrMalformed},
		"length of 2^63":         {append(with(), 0x22, 255, 255, 255, 255, 255, 255, 255, 255, 127), ErrMalformed},
		"over the ceiling":       {with(part{99, make([]byte, MaxMessage)}), ErrMalformed},
		"cut in the last field":  {with()[:len(with())-1], ErrMalformed},
		"cut in the first field": {with()[:2], ErrMalformed},
	} {
		_, err := Parse(c.body)
		if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, c.reason) {
			t.Errorf("%s: received %v (%v), expected %v", name, err, errors.Unwrap(err), c.reason)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	reversed := parts()
	slices.Reverse(reversed)
	earlier := []part{{fieldOneTime, uint64(99)}, {fieldBase, []byte{1}}, {fieldMessage, []byte{}}, {fieldCiphertext, []byte{}}, {fieldKEM, uint64(99)}}
	for name, body := range map[string][]byte{
		"as we write it":  with(),
		"low nibble":      append([]byte{0x4f}, with()[1:]...),
		"other order":     build(reversed...),
		"unknown fields":  with(part{9, uint64(3)}, part{1 << 20, []byte("?")}),
		"last one counts": build(append(earlier, parts()...)...),
		"low 32 bits":     with(part{fieldKEM, uint64(1<<32 + 7)}),
	} {
		m, err := Parse(body)
		if err != nil {
			t.Errorf("%s: %v (%v)", name, err, errors.Unwrap(err))
			continue
		}
		if again := m.Append(nil); !bytes.Equal(again, with()) {
			t.Errorf("%s: written again it is %x", name, again)
		}
	}
	m := must(Parse(without(fieldOneTime)))(t)
	if m.OneTime != nil || !bytes.Equal(m.Append(nil), without(fieldOneTime)) {
		t.Error("a one-time prekey appeared")
	}
	if m := must(Parse(without(fieldRegistration)))(t); m.Registration != 0 {
		t.Errorf("received registration id %d", m.Registration)
	}
}

// FuzzParse: what parses is written to something that parses to the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(with())
	f.Add(without(fieldOneTime))
	f.Add(with(part{9, uint64(3)}, part{fieldOneTime, uint64(1 << 40)}))
	f.Add(append(with(), 0x4b, 0x4c))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Fatalf("%v is not of the class for strangers", err)
			}
			return
		}
		written := m.Append(nil)
		again, err := Parse(written)
		if err != nil || !bytes.Equal(again.Append(nil), written) {
			t.Fatalf("%x is written as %x, which is read otherwise (%v)", b, written, err)
		}
	})
}
