package key

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

func TestPublicForms(t *testing.T) {
	t.Parallel()
	p := generate[ratchet](t).Public()
	if got, err := ParsePublic[ratchet](p.Bytes()); err != nil || got != p || !got.Equal(p) {
		t.Errorf("parse then print: got %v, %v", got, err)
	}
	if got := p.Append([]byte{1}); !bytes.Equal(got[1:], p.Bytes()) || got[0] != 1 {
		t.Errorf("Append gave %x", got)
	}
	if (Public[ratchet]{}).IsZero() == p.IsZero() {
		t.Error("IsZero does not tell a key from none")
	}
	if p.Equal(generate[ratchet](t).Public()) {
		t.Error("two keys are equal")
	}
	bad := []struct {
		name string
		in   []byte
		want error
	}{
		{"none", nil, ErrLength},
		{"raw 32 bytes", p.Bytes()[1:], ErrLength},
		{"one byte more", append(p.Bytes(), 0), ErrLength},
		{"type 6", append([]byte{6}, p.Bytes()[1:]...), ErrType},
		{"type 0x0a", append([]byte{0x0a}, p.Bytes()[1:]...), ErrType},
	}
	for _, tt := range bad {
		if _, err := ParsePublic[ratchet](tt.in); !errors.Is(err, tt.want) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestClamping(t *testing.T) {
	t.Parallel()
	for _, fill := range []byte{0x00, 0xff, 0x55} {
		raw := bytes.Repeat([]byte{fill}, PrivateSize)
		want := bytes.Clone(raw)
		want[0] &= 0b1111_1000
		want[31] = want[31]&0b0111_1111 | 0b0100_0000
		k, err := NewPrivate[identity](raw)
		if err != nil || !bytes.Equal(k.Bytes(), want) {
			t.Errorf("fill %02x: got %x, %v", fill, k.Bytes(), err)
		}
		again, err := NewPrivate[identity](k.Bytes())
		if err != nil || again.Public() != k.Public() {
			t.Errorf("fill %02x: clamping twice changes the key", fill)
		}
		if raw[0] != fill || raw[31] != fill {
			t.Error("the caller's bytes were changed")
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := NewPrivate[identity](make([]byte, n)); !errors.Is(err, ErrLength) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
	if _, err := Generate[identity](newReader(make([]byte, 31))); err == nil {
		t.Error("generated from 31 bytes")
	}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	a, b := generate[base](t), generate[signedPreKey](t)
	ab, err := Agree(a, b.Public())
	if err != nil {
		t.Fatal(err)
	}
	if ba, err := Agree(b, a.Public()); err != nil || ab != ba {
		t.Errorf("the two sides differ (%v)", err)
	}
	viaRatchet, err := Agree(RatchetKey(b), a.Public())
	if err != nil || viaRatchet != ab || RatchetKeyPublic(b.Public()) != RatchetKey(b).Public() {
		t.Errorf("a signed prekey is another key as ratchet key (%v)", err)
	}
}

// A peer's key of small order makes the shared secret known to everybody.
func TestAgreeRefusesSmallOrder(t *testing.T) {
	t.Parallel()
	mine := generate[identity](t)
	small := append(pointsOfOrder8(), [curveSize]byte{}, [curveSize]byte{1}, fieldBytes(-1), fieldPlus(0), fieldPlus(1))
	for _, u := range small {
		for _, form := range [][curveSize]byte{u, withTopBit(u)} {
			got, err := Agree(mine, OneTimePreKeyPublic{form})
			if !errors.Is(err, ErrPoint) || !errors.Is(err, messaging.ErrInvalid) || got != [curveSize]byte{} {
				t.Errorf("u = %x: got %v", form, err)
			}
		}
	}
}

func TestLogKeys(t *testing.T) {
	t.Parallel()
	k, err := GenerateLog(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewLog(k.Seed())
	if err != nil || again.Public() != k.Public() {
		t.Fatalf("seed does not give the key back (%v)", err)
	}
	public, other := k.Public(), LogPublic{}
	if other, err = ParseLogPublic(public[:]); err != nil || other != public {
		t.Errorf("parse then print: %v", err)
	}
	message := []byte("message")
	sig := k.Sign("one", message)
	if err := public.Verify("one", message, sig); err != nil {
		t.Errorf("own signature: %v", err)
	}
	// The length in front keeps "a"+"bc" apart from "ab"+"c".
	split := k.Sign("a", []byte("bc"))
	tests := []struct {
		name    string
		domain  Domain
		message []byte
		sig     Signature
	}{
		{"other domain", "two", message, sig},
		{"other message", "one", []byte("massage"), sig},
		{"no message", "one", nil, sig},
		{"no signature", "one", message, Signature{}},
		{"shifted domain", "ab", []byte("c"), split},
		{"message with its domain", "one", append([]byte("\x03one"), message...), sig},
	}
	for _, tt := range tests {
		if err := public.Verify(tt.domain, tt.message, tt.sig); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := NewLog(make([]byte, n)); !errors.Is(err, ErrLength) {
			t.Errorf("seed of %d bytes: got %v", n, err)
		}
		if _, err := ParseLogPublic(make([]byte, n)); !errors.Is(err, ErrLength) {
			t.Errorf("public key of %d bytes: got %v", n, err)
		}
	}
	if _, err := GenerateLog(newReader(make([]byte, 31))); err == nil {
		t.Error("generated from 31 bytes")
	}
}

// Adding the group order to s must not give a second valid signature: a log
// entry's hash covers its signature.
func TestLogSignatureIsNotMalleable(t *testing.T) {
	t.Parallel()
	k, err := GenerateLog(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig := k.Sign("one", nil)
	order := [32]byte{
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	}
	carry := 0
	for i, b := range order {
		carry += int(sig[32+i]) + int(b)
		sig[32+i] = byte(carry)
		carry >>= 8
	}
	if err := k.Public().Verify("one", nil, sig); !errors.Is(err, ErrSignature) {
		t.Errorf("s + order: got %v", err)
	}
}
