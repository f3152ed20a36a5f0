package handshake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/key/kyber1024"
)

// must returns a value that a test cannot do without.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func seeded(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// responder is a device with one key of each kind.
type responder struct {
	keys   Keys
	bundle key.Bundle
}

func newResponder(t testing.TB, kems key.KEMs, oneTime bool) *responder {
	t.Helper()
	r, random := new(responder), seeded(1)
	var err error
	r.keys.Identity = must(key.Generate[key.RoleIdentity](random))(t)
	r.bundle = key.Bundle{RegistrationID: 1, Device: 1, Identity: r.keys.Identity.Public()}
	if r.keys.Signed, r.bundle.Signed, err = key.NewSignedPreKey(random, 11, r.keys.Identity); err != nil {
		t.Fatal(err)
	}
	if r.keys.KEM, r.bundle.KEM, err = kems.NewPreKey(random, 12, r.keys.Identity); err != nil {
		t.Fatal(err)
	}
	if oneTime {
		private, public, err := key.NewOneTimePreKey(random, 13)
		if err != nil {
			t.Fatal(err)
		}
		r.keys.OneTime, r.bundle.OneTime = private, &public
	}
	return r
}

func (r *responder) verified(t testing.TB) *key.Verified {
	t.Helper()
	return must(r.bundle.Verify(1, r.bundle.Identity))(t)
}

func (s *Sent) message(identity key.IdentityPublic) PreKeyMessage {
	return PreKeyMessage{
		Registration: 5, OneTime: s.OneTime, Signed: s.Signed, KEM: s.KEM, Ciphertext: s.Ciphertext,
		Base: s.Base, Identity: identity, Message: []byte("inner"),
	}
}

// counting counts what is drawn from a reader.
type counting struct {
	io.Reader
	draws []int
}

func (c *counting) Read(p []byte) (int, error) {
	c.draws = append(c.draws, len(p))
	return c.Reader.Read(p)
}

func TestBothSidesAgree(t *testing.T) {
	t.Parallel()
	for name, kems := range map[string]key.KEMs{"ML-KEM-1024": {}, "Kyber-1024": key.AcceptKEMs(kyber1024.Scheme{})} {
		for _, oneTime := range []bool{true, false} {
			alice := must(key.Generate[key.RoleIdentity](seeded(2)))(t)
			bob := newResponder(t, kems, oneTime)
			random := &counting{Reader: seeded(3)}
			sent := must(Initiate(random, alice, bob.verified(t)))(t)
			if fmt.Sprint(random.draws) != "[32 32]" {
				t.Errorf("%s: drew %v", name, random.draws)
			}
			m := sent.message(alice.Public())
			parsed := must(Parse(m.Append(nil)))(t)
			if got := must(Respond(bob.keys, &parsed))(t); got != sent.Secrets {
				t.Errorf("%s, one-time key %v: the sides have different secrets", name, oneTime)
			}
		}
	}
}

// Each input of the handshake matters: with any one replaced, the secrets differ.
func TestEachInputMatters(t *testing.T) {
	t.Parallel()
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(t)
	other := must(key.Generate[key.RoleIdentity](seeded(9)))(t)
	bob, stranger := newResponder(t, key.KEMs{}, true), newResponder(t, key.KEMs{}, true)
	random := seeded(8)
	stranger.keys.Identity = other
	stranger.keys.Signed = must(key.Generate[key.RoleSignedPreKey](random))(t)
	stranger.keys.OneTime = must(key.Generate[key.RoleOneTimePreKey](random))(t)
	stranger.keys.KEM = must(key.KEMs{}.Generate(random))(t)
	sent := must(Initiate(seeded(3), alice, bob.verified(t)))(t)
	for name, change := range map[string]func(k *Keys, m *PreKeyMessage){
		"identity of the sender":   func(_ *Keys, m *PreKeyMessage) { m.Identity = other.Public() },
		"base key":                 func(_ *Keys, m *PreKeyMessage) { m.Base = must(key.Generate[key.RoleBase](random))(t).Public() },
		"ciphertext":               func(_ *Keys, m *PreKeyMessage) { m.Ciphertext[100] ^= 1 },
		"identity of the receiver": func(k *Keys, _ *PreKeyMessage) { k.Identity = stranger.keys.Identity },
		"signed prekey":            func(k *Keys, _ *PreKeyMessage) { k.Signed = stranger.keys.Signed },
		"one-time prekey":          func(k *Keys, _ *PreKeyMessage) { k.OneTime = stranger.keys.OneTime },
		"KEM prekey":               func(k *Keys, _ *PreKeyMessage) { k.KEM = stranger.keys.KEM },
		"no one-time prekey":       func(k *Keys, m *PreKeyMessage) { k.OneTime, m.OneTime = nil, nil },
	} {
		k, m := bob.keys, sent.message(alice.Public())
		m.Ciphertext = bytes.Clone(m.Ciphertext)
		change(&k, &m)
		got, err := Respond(k, &m)
		if err != nil || got.Root == sent.Secrets.Root || got.Chain == sent.Secrets.Chain || got.Auth == sent.Secrets.Auth {
			t.Errorf("%s makes no difference, or %v", name, err)
		}
	}
}

func TestRespondRefuses(t *testing.T) {
	t.Parallel()
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(t)
	bob := newResponder(t, key.KEMs{}, true)
	sent := must(Initiate(seeded(3), alice, bob.verified(t)))(t)
	point := func(change func(u []byte)) key.BasePublic {
		b := sent.Base.Bytes()
		change(b[1:])
		return must(key.ParsePublic[key.RoleBase](b))(t)
	}
	for name, c := range map[string]struct {
		change func(k *Keys, m *PreKeyMessage)
		reason error
	}{
		"one-time key not named":     {func(_ *Keys, m *PreKeyMessage) { m.OneTime = nil }, ErrMalformed},
		"one-time key not there":     {func(k *Keys, _ *PreKeyMessage) { k.OneTime = nil }, ErrMalformed},
		"Kyber ciphertext":           {func(_ *Keys, m *PreKeyMessage) { m.Ciphertext[0] = 8 }, key.ErrType},
		"curve key for a ciphertext": {func(_ *Keys, m *PreKeyMessage) { m.Ciphertext = m.Base.Bytes() }, key.ErrLength},
		"base key with bit 255":      {func(_ *Keys, m *PreKeyMessage) { m.Base = point(func(u []byte) { u[31] |= 0x80 }) }, key.ErrPoint},
		"base key of order 2":        {func(_ *Keys, m *PreKeyMessage) { m.Base = point(func(u []byte) { clear(u) }) }, key.ErrPoint},
		"base key of order 4":        {func(_ *Keys, m *PreKeyMessage) { m.Base = point(func(u []byte) { clear(u); u[0] = 1 }) }, key.ErrPoint},
		"identity of small order": {func(_ *Keys, m *PreKeyMessage) {
			m.Identity = must(key.ParsePublic[key.RoleIdentity](append([]byte{5}, make([]byte, 32)...)))(t)
		}, key.ErrPoint},
	} {
		k, m := bob.keys, sent.message(alice.Public())
		m.Ciphertext = bytes.Clone(m.Ciphertext)
		c.change(&k, &m)
		got, err := Respond(k, &m)
		if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, c.reason) || got != (ratchet.Secrets{}) {
			t.Errorf("%s: received %v (%v), expected %v", name, err, errors.Unwrap(err), c.reason)
		}
	}
}

var errBroken = errors.New("no random bytes")

// short gives n bytes and then fails.
type short struct{ n int }

func (s *short) Read(p []byte) (int, error) {
	if s.n < len(p) {
		return 0, errBroken
	}
	s.n -= len(p)
	return len(p), nil
}

func TestWithoutRandomBytes(t *testing.T) {
	t.Parallel()
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(t)
	verified := newResponder(t, key.KEMs{}, true).verified(t)
	for _, n := range []int{0, 31, 32, 63} {
		if sent, err := Initiate(&short{n}, alice, verified); sent != nil || !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: received %v", n, err)
		}
	}
}

func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(t)
	bob := newResponder(t, key.KEMs{}, true)
	sent := must(Initiate(seeded(3), alice, bob.verified(t)))(t)
	secret := fmt.Sprintf("%x", sent.Secrets.Root[:4])
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		got := fmt.Sprintf(verb, sent) + fmt.Sprintf(verb, *sent) + fmt.Sprintf(verb, bob.keys)
		plain := fmt.Sprint(sent.Secrets.Root[:4])
		if strings.Contains(got, secret) || strings.Contains(got, strings.Trim(plain, "[]")) {
			t.Errorf("%s prints a secret: %s", verb, got)
		}
	}
}

func BenchmarkInitiate(b *testing.B) {
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(b)
	verified := newResponder(b, key.KEMs{}, true).verified(b)
	random := seeded(3)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Initiate(random, alice, verified); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRespond(b *testing.B) {
	alice := must(key.Generate[key.RoleIdentity](seeded(2)))(b)
	bob := newResponder(b, key.KEMs{}, true)
	m := must(Initiate(seeded(3), alice, bob.verified(b)))(b).message(alice.Public())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Respond(bob.keys, &m); err != nil {
			b.Fatal(err)
		}
	}
}
