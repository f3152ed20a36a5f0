package session_test

import (
	"bytes"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
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

func encode(t testing.TB, r *session.Record) []byte {
	t.Helper()
	return must(r.AppendBinary(nil))(t)
}

// prekeys is a vault's prekeys in memory.
type prekeys struct {
	signed     map[key.PreKeyID]*key.SignedPreKeyPrivate
	oneTime    map[key.PreKeyID]*key.OneTimePreKeyPrivate
	kem        map[key.PreKeyID]*key.KEMPrivate
	lastResort map[key.PreKeyID]bool
	seen       map[session.LastResortUse]bool
}

func newPreKeys() *prekeys {
	return &prekeys{
		signed:     map[key.PreKeyID]*key.SignedPreKeyPrivate{},
		oneTime:    map[key.PreKeyID]*key.OneTimePreKeyPrivate{},
		kem:        map[key.PreKeyID]*key.KEMPrivate{},
		lastResort: map[key.PreKeyID]bool{},
		seen:       map[session.LastResortUse]bool{},
	}
}

func (k *prekeys) SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error) {
	if p := k.signed[id]; p != nil {
		return p, nil
	}
	return nil, session.ErrNoPreKey
}

func (k *prekeys) OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error) {
	if p := k.oneTime[id]; p != nil {
		return p, nil
	}
	return nil, session.ErrNoPreKey
}

func (k *prekeys) KEMPreKey(id key.PreKeyID) (*key.KEMPrivate, bool, error) {
	if p := k.kem[id]; p != nil {
		return p, k.lastResort[id], nil
	}
	return nil, false, session.ErrNoPreKey
}

func (k *prekeys) Seen(use session.LastResortUse) (bool, error) { return k.seen[use], nil }

// apply does to the prekeys what a caller does after a decrypt.
func (k *prekeys) apply(got session.Received) {
	if got.OneTime != nil {
		delete(k.oneTime, *got.OneTime)
	}
	if got.KEM != nil {
		delete(k.kem, *got.KEM)
	}
	if got.LastResort != nil {
		k.seen[*got.LastResort] = true
	}
}

// device is a Party with its prekeys and its session with one peer.
type device struct {
	session.Party
	keys *prekeys
	rand io.Reader
	next key.PreKeyID
	rec  *session.Record
}

// newDevice draws everything from rand, which is its own from then on.
func newDevice(t testing.TB, rand io.Reader, account byte, id messaging.DeviceID) *device {
	t.Helper()
	return &device{
		Party: session.Party{
			Address:        messaging.Address{Account: messaging.AccountID{0: account}, Device: id},
			RegistrationID: uint32(account)<<3 + uint32(id),
			Identity:       must(key.Generate[key.RoleIdentity](rand))(t),
		},
		keys: newPreKeys(), rand: rand,
	}
}

// seeded returns repeatable random bytes.
func seeded(seed uint64) io.Reader {
	return mathrand.NewChaCha8([32]byte{0: byte(seed), 1: byte(seed >> 8), 2: byte(seed >> 16), 3: byte(seed >> 24)})
}

// pair returns two devices of different accounts.
func pair(t testing.TB, seed uint64) (alice, bob *device) {
	t.Helper()
	return newDevice(t, seeded(2*seed), 'a', 1), newDevice(t, seeded(2*seed+1), 'b', 2)
}

func (d *device) peer() session.Peer {
	return session.Peer{Address: d.Address, Identity: d.Identity.Public()}
}

// offer is what a bundle is made of.
type offer struct{ oneTime, lastResort bool }

// bundle makes new prekeys and offers them.
func (d *device) bundle(t testing.TB, o offer) *key.Verified {
	t.Helper()
	b := d.unverified(t, o)
	return must(b.Verify(d.Address.Device, d.Identity.Public()))(t)
}

func (d *device) unverified(t testing.TB, o offer) key.Bundle {
	t.Helper()
	b := key.Bundle{RegistrationID: d.RegistrationID, Device: d.Address.Device, Identity: d.Identity.Public()}
	var err error
	d.next++
	if d.keys.signed[d.next], b.Signed, err = key.NewSignedPreKey(d.rand, d.next, d.Identity); err != nil {
		t.Fatal(err)
	}
	if d.keys.kem[d.next], b.KEM, err = (key.KEMs{}).NewPreKey(d.rand, d.next, d.Identity); err != nil {
		t.Fatal(err)
	}
	d.keys.lastResort[d.next] = o.lastResort
	if o.oneTime {
		private, public, err := key.NewOneTimePreKey(d.rand, d.next)
		if err != nil {
			t.Fatal(err)
		}
		d.keys.oneTime[d.next], b.OneTime = private, &public
	}
	return b
}

// epoch is the time at which tests begin.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *device) start(t testing.TB, with *device, o offer) {
	t.Helper()
	d.rec = must(d.Start(d.rand, d.rec, with.peer(), with.bundle(t, o), epoch))(t)
}

// send encrypts and keeps the record, as a caller does before it sends.
func (d *device) send(t testing.TB, to *device, text string) session.Message {
	t.Helper()
	m, rec, err := d.Encrypt(d.rand, d.rec, to.peer(), []byte(text), epoch)
	if err != nil {
		t.Fatal(err)
	}
	d.rec = rec
	return m
}

// read decrypts and keeps what is to be kept.
func (d *device) read(t testing.TB, from *device, m session.Message) session.Received {
	t.Helper()
	got, err := d.Decrypt(d.rand, d.rec, from.peer(), m, d.keys)
	if err != nil {
		t.Fatalf("decrypt: %v (%v)", err, errors.Unwrap(err))
	}
	d.rec = got.Record
	d.keys.apply(got)
	return got
}

// expectText reads a message that must say text.
func (d *device) expectText(t testing.TB, from *device, m session.Message, text string) {
	t.Helper()
	if got := d.read(t, from, m); string(got.Plaintext) != text {
		t.Fatalf("received %q, expected %q", got.Plaintext, text)
	}
}

// expectRefused delivers a message that must be refused for the given reason
// and change nothing.
func (d *device) expectRefused(t testing.TB, from *device, m session.Message, reason error) {
	t.Helper()
	before := encode(t, d.rec)
	got, err := d.Decrypt(d.rand, d.rec, from.peer(), m, d.keys)
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Fatalf("received error %v, expected one of the class for strangers", err)
	}
	if reason != nil && !errors.Is(err, reason) {
		t.Fatalf("received reason %v, expected %v", errors.Unwrap(err), reason)
	}
	if got.Record != nil || got.Plaintext != nil || got.OneTime != nil || got.KEM != nil || got.LastResort != nil {
		t.Fatalf("a refused message left something to save")
	}
	if !bytes.Equal(before, encode(t, d.rec)) {
		t.Fatal("a refused message changed the record")
	}
}

// talk returns two devices with a session that both have used.
func talk(t testing.TB, seed uint64) (alice, bob *device) {
	t.Helper()
	alice, bob = pair(t, seed)
	alice.start(t, bob, offer{oneTime: true})
	bob.expectText(t, alice, alice.send(t, bob, "hello"), "hello")
	alice.expectText(t, bob, bob.send(t, alice, "hello back"), "hello back")
	return alice, bob
}

// settled returns two devices of which alice goes on in a chain that bob knows,
// with no step of the post-quantum ratchet ahead of bob: the key header has
// arrived and he has not answered.
func settled(t testing.TB, seed uint64) (alice, bob *device) {
	t.Helper()
	alice, bob = talk(t, seed)
	for range 8 {
		bob.read(t, alice, alice.send(t, bob, "in a chain"))
	}
	return alice, bob
}
