package ratchet

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/key"
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

// end is one side of a session.
type end struct {
	*State
	rand io.Reader
}

// pair returns a session of which only the initiator can encrypt yet.
func pair(t testing.TB, a, b spqr.Config) (alice, bob *end) {
	t.Helper()
	alice, bob = &end{rand: seeded(1)}, &end{rand: seeded(2)}
	var secrets Secrets
	for _, s := range []*[32]byte{&secrets.Root, &secrets.Chain, &secrets.Auth} {
		if _, err := io.ReadFull(alice.rand, s[:]); err != nil {
			t.Fatal(err)
		}
	}
	ours := must(key.Generate[key.RoleIdentity](alice.rand))(t).Public()
	theirs := must(key.Generate[key.RoleIdentity](bob.rand))(t).Public()
	signed := must(key.Generate[key.RoleSignedPreKey](bob.rand))(t)
	alice.State = must(NewInitiator(alice.rand, Setup{ours, theirs, a}, &secrets, signed.Public()))(t)
	bob.State = must(NewResponder(Setup{theirs, ours, b}, &secrets, signed))(t)
	return alice, bob
}

// off is a session of the Double Ratchet alone.
var off = spqr.Config{Disabled: true}

func (e *end) send(t testing.TB, text string) []byte {
	t.Helper()
	body, next, err := e.Encrypt(e.rand, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	e.State = next
	return body
}

func (e *end) read(body []byte) (string, error) {
	m, err := Parse(body)
	if err != nil {
		return "", err
	}
	plaintext, next, err := e.Decrypt(e.rand, &m)
	if err != nil {
		return "", err
	}
	e.State = next
	return string(plaintext), nil
}

func (e *end) expect(t testing.TB, body []byte, text string) {
	t.Helper()
	if got, err := e.read(body); err != nil || got != text {
		t.Fatalf("received %q, %v (%v); expected %q", got, err, errors.Unwrap(err), text)
	}
}

// refuse delivers a message that must be refused for the reason and change nothing.
func (e *end) refuse(t testing.TB, body []byte, reason error) {
	t.Helper()
	before := must(e.AppendBinary(nil))(t)
	_, err := e.read(body)
	if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, reason) || err.Error() != messaging.ErrInvalid.Error() {
		t.Fatalf("received %v (%v), expected %v", err, errors.Unwrap(err), reason)
	}
	if string(before) != string(must(e.AppendBinary(nil))(t)) {
		t.Fatal("a refused message changed the state")
	}
}

// restore replaces the state by what its stored form says.
func (e *end) restore(t testing.TB) {
	t.Helper()
	e.State = must(Unmarshal(must(e.AppendBinary(nil))(t)))(t)
}
