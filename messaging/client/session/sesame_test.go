package session_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

func TestFirstMessages(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 1)
	alice.start(t, bob, offer{oneTime: true})
	first, second := alice.send(t, bob, "one"), alice.send(t, bob, "two")
	if first.Kind != session.KindPreKey || second.Kind != session.KindPreKey {
		t.Fatalf("unanswered messages are of kind %d and %d", first.Kind, second.Kind)
	}
	got := bob.read(t, alice, second)
	if !got.Handshake || got.OneTime == nil || *got.OneTime != 1 || got.KEM == nil || *got.KEM != 1 || got.LastResort != nil {
		t.Fatalf("a new session with one-time prekeys leaves %v, %v, %v to delete", got.OneTime, got.KEM, got.LastResort)
	}
	got = bob.read(t, alice, first)
	if got.Handshake || got.OneTime != nil || got.KEM != nil || got.LastResort != nil || string(got.Plaintext) != "one" {
		t.Fatalf("the second message of a handshake is taken for a new one")
	}
	answer := bob.send(t, alice, "three")
	if answer.Kind != session.KindSignal {
		t.Fatalf("an answer is of kind %d", answer.Kind)
	}
	alice.expectText(t, bob, answer, "three")
	if m := alice.send(t, bob, "four"); m.Kind != session.KindSignal {
		t.Fatalf("after the answer messages are of kind %d", m.Kind)
	}
	if alice.rec.Registration() != bob.RegistrationID || bob.rec.Registration() != alice.RegistrationID {
		t.Fatal("the registration ids are not each other's")
	}
}

// Both start at once, and both first messages cross: PRO-24.
func TestSimultaneousStart(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 2)
	alice.start(t, bob, offer{oneTime: true})
	bob.start(t, alice, offer{oneTime: true})
	a, b := alice.send(t, bob, "from alice"), bob.send(t, alice, "from bob")
	alice.expectText(t, bob, b, "from bob")
	bob.expectText(t, alice, a, "from alice")
	if n := exchangesToAgree(t, alice, bob); n > 2 {
		t.Fatalf("%d exchanges until both use one session, expected at most 2", n)
	}
}

// exchangesToAgree lets the two write in turns, and counts until each writes in
// the session that is the other's current one.
func exchangesToAgree(t testing.TB, alice, bob *device) int {
	t.Helper()
	for n := range 20 {
		bob.expectText(t, alice, alice.send(t, bob, "x"), "x")
		alice.expectText(t, bob, bob.send(t, alice, "y"), "y")
		if sameCurrent(t, alice, bob) && sameCurrent(t, bob, alice) {
			return n + 1
		}
	}
	t.Fatal("the two sides never agree on a session")
	return 0
}

// sameCurrent reports whether bob's current session opens what alice's sends,
// with everything archived on bob's side cut away.
func sameCurrent(t testing.TB, alice, bob *device) bool {
	t.Helper()
	probe, _, err := alice.Encrypt(seeded(99), alice.rec, bob.peer(), []byte("probe"), epoch)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bob.Decrypt(seeded(99), onlyCurrent(t, bob.rec), alice.peer(), probe, bob.keys)
	return err == nil
}

// onlyCurrent cuts the archived sessions off a stored record.
func onlyCurrent(t testing.TB, rec *session.Record) *session.Record {
	t.Helper()
	raw := encode(t, rec)
	if raw[1] == 0 {
		t.Fatal("no current session")
	}
	return must(session.ParseRecord(raw[:6+binary.BigEndian.Uint32(raw[2:])]))(t)
}

// sessions counts the sessions in a stored record.
func sessions(t testing.TB, rec *session.Record) (n int) {
	t.Helper()
	for raw := encode(t, rec)[2:]; len(raw) > 0; n++ {
		raw = raw[4+binary.BigEndian.Uint32(raw):]
	}
	return n
}

// Random interleavings of starts, sends, losses and late deliveries end in one
// session: PRO-23.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 23))
		alice, bob := pair(t, 1000+seed)
		inFlight := map[*device][]session.Message{}
		for range 40 {
			from, to := alice, bob
			if random.IntN(2) == 0 {
				from, to = bob, alice
			}
			switch random.IntN(8) {
			case 0:
				from.start(t, to, offer{oneTime: random.IntN(2) == 0, lastResort: random.IntN(2) == 0})
			case 1:
				from.rec = from.rec.Archive()
			case 2, 3, 4:
				if from.rec.Usable(to.peer(), epoch) {
					inFlight[to] = append(inFlight[to], from.send(t, to, "in flight"))
				}
			default:
				if n := len(inFlight[from]); n > 0 {
					i := random.IntN(n)
					from.expectText(t, to, inFlight[from][i], "in flight")
					inFlight[from] = append(inFlight[from][:i], inFlight[from][i+1:]...)
				}
			}
			if random.IntN(4) == 0 {
				from.rec = must(session.ParseRecord(encode(t, from.rec)))(t)
			}
		}
		for _, d := range []*device{alice, bob} {
			if other := map[*device]*device{alice: bob, bob: alice}[d]; !d.rec.Usable(other.peer(), epoch) {
				d.start(t, other, offer{})
			}
		}
		if n := exchangesToAgree(t, alice, bob); n > 10 {
			t.Fatalf("seed %d: %d exchanges until both use one session", seed, n)
		}
		// What was sent before is still read.
		for d, late := range inFlight {
			for _, m := range late {
				d.expectText(t, map[*device]*device{alice: bob, bob: alice}[d], m, "in flight")
			}
		}
	}
}

func TestStaleSession(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 3)
	alice.start(t, bob, offer{})
	limit := epoch.Add(session.MaxUnacknowledged)
	if _, _, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), nil, limit); err != nil {
		t.Fatalf("at exactly 30 days: %v", err)
	}
	if _, rec, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), nil, limit.Add(time.Second)); !errors.Is(err, session.ErrNoSession) || rec != nil {
		t.Fatalf("one second later: received %v", err)
	}
	if alice.rec.Usable(bob.peer(), limit.Add(time.Second)) {
		t.Fatal("usable one second later")
	}
	if !alice.rec.Usable(bob.peer(), epoch.Add(-time.Hour)) {
		t.Fatal("not usable after the clock was set back")
	}
	bob.read(t, alice, alice.send(t, bob, "x"))
	alice.read(t, bob, bob.send(t, alice, "y"))
	if !alice.rec.Usable(bob.peer(), epoch.AddDate(10, 0, 0)) {
		t.Fatal("an answered session grew stale")
	}
}

func TestArchiveLimit(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 4)
	var m []session.Message
	for range session.MaxArchived + 2 {
		alice.start(t, bob, offer{})
		m = append(m, alice.send(t, bob, "first"))
		bob.expectText(t, alice, m[len(m)-1], "first")
		m[len(m)-1] = alice.send(t, bob, "late")
	}
	if n := sessions(t, bob.rec); n != 1+session.MaxArchived {
		t.Fatalf("%d sessions are kept", n)
	}
	// 41 behind: the session is gone, and so are its prekeys.
	bob.expectRefused(t, alice, m[0], session.ErrNoPreKey)
	// 40 behind: it is the last one that is kept, and becomes the current one.
	bob.expectText(t, alice, m[1], "late")
	if n := sessions(t, bob.rec); n != 1+session.MaxArchived {
		t.Fatalf("%d sessions are kept after promotion", n)
	}
	for _, late := range m[2:] {
		bob.expectText(t, alice, late, "late")
	}
}

func TestArchiveAndHeal(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 5)
	inFlight := bob.send(t, alice, "in flight")
	lost := alice.send(t, bob, "cannot be read")
	if k := must(session.RatchetKeyOf(lost))(t); !alice.rec.SendsWith(k) {
		t.Fatal("the retry request names no key of the current session")
	}
	alice.rec = alice.rec.Archive()
	if k := must(session.RatchetKeyOf(lost))(t); alice.rec.SendsWith(k) || alice.rec.Registration() != 0 {
		t.Fatal("an archived session counts as current")
	}
	if _, _, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), nil, epoch); !errors.Is(err, session.ErrNoSession) {
		t.Fatalf("received %v without a current session", err)
	}
	alice.start(t, bob, offer{oneTime: true})
	bob.expectText(t, alice, alice.send(t, bob, "again"), "again")
	alice.expectText(t, bob, inFlight, "in flight")
	exchangesToAgree(t, alice, bob)
	if got := alice.rec.Archive().Archive(); sessions(t, got) != sessions(t, alice.rec) {
		t.Fatal("archiving twice lost or made a session")
	}
}

func TestLastResort(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 6)
	alice.start(t, bob, offer{lastResort: true})
	m := alice.send(t, bob, "x")
	got := bob.read(t, alice, m)
	if got.KEM != nil || got.OneTime != nil || got.LastResort == nil || got.LastResort.KEM != 1 || got.LastResort.Signed != 1 {
		t.Fatalf("received %v, %v, %v", got.OneTime, got.KEM, got.LastResort)
	}
	bob.expectRefused(t, alice, m, session.ErrDuplicate)
	// The session is lost, the prekey is still there: without its memory the
	// device would open the same handshake again.
	bob.rec = nil
	bob.expectRefused(t, alice, m, session.ErrReplay)
	bob.expectRefused(t, alice, alice.send(t, bob, "y"), session.ErrReplay)
	// Another handshake with the same prekey is another use.
	clear(bob.keys.seen)
	bob.expectText(t, alice, m, "x")
}

func TestPreKeysAreKeptOnFailure(t *testing.T) { // PRO-16
	t.Parallel()
	alice, bob := pair(t, 7)
	alice.start(t, bob, offer{oneTime: true})
	good := alice.send(t, bob, "x")
	bad := session.Message{Kind: good.Kind, Body: append([]byte(nil), good.Body...)}
	for i := range bad.Body {
		bad.Body[i] ^= 0x55
		bob.Decrypt(bob.rand, bob.rec, alice.peer(), bad, bob.keys)
		bad.Body[i] ^= 0x55
	}
	bob.expectText(t, alice, good, "x")
}

func TestUnknownPreKeys(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 8)
	alice.start(t, bob, offer{oneTime: true})
	m := alice.send(t, bob, "x")
	for name, forget := range map[string]func(k *prekeys){
		"signed":   func(k *prekeys) { clear(k.signed) },
		"one-time": func(k *prekeys) { clear(k.oneTime) },
		"KEM":      func(k *prekeys) { clear(k.kem) },
	} {
		without := newPreKeys()
		without.signed[1], without.oneTime[1], without.kem[1] = bob.keys.signed[1], bob.keys.oneTime[1], bob.keys.kem[1]
		forget(without)
		_, err := bob.Decrypt(bob.rand, nil, alice.peer(), m, without)
		if !errors.Is(err, session.ErrNoPreKey) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("no %s prekey: received %v", name, err)
		}
	}
}

var errStore = errors.New("the store is gone")

// brokenStore fails at the nth question.
type brokenStore struct {
	*prekeys
	after int
}

func (b *brokenStore) fails() bool { b.after--; return b.after < 0 }

func (b *brokenStore) SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error) {
	if b.fails() {
		return nil, errStore
	}
	return b.prekeys.SignedPreKey(id)
}

func (b *brokenStore) OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error) {
	if b.fails() {
		return nil, errStore
	}
	return b.prekeys.OneTimePreKey(id)
}

func (b *brokenStore) KEMPreKey(id key.PreKeyID) (*key.KEMPrivate, bool, error) {
	if b.fails() {
		return nil, false, errStore
	}
	return b.prekeys.KEMPreKey(id)
}

func (b *brokenStore) Seen(use session.LastResortUse) (bool, error) {
	if b.fails() {
		return false, errStore
	}
	return b.prekeys.Seen(use)
}

// A fault of the store is not the stranger's: the message may be good.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 9)
	alice.start(t, bob, offer{oneTime: true, lastResort: true})
	m := alice.send(t, bob, "x")
	for n := range 4 {
		_, err := bob.Decrypt(bob.rand, nil, alice.peer(), m, &brokenStore{bob.keys, n})
		if !errors.Is(err, errStore) || errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("question %d: received %v", n, err)
		}
	}
	if _, err := bob.Decrypt(bob.rand, nil, alice.peer(), m, &brokenStore{bob.keys, 4}); err != nil {
		t.Errorf("a fifth question was asked: %v", err)
	}
}

// What each demand accepts of each other one.
func TestDemands(t *testing.T) {
	t.Parallel()
	demands := []session.Demand{session.Required, session.Optional, session.Off}
	for _, a := range demands {
		for _, b := range demands {
			alice, bob := pair(t, 10)
			alice.Config.Addresses, bob.Config.Addresses = a, b
			alice.start(t, bob, offer{})
			m := alice.send(t, bob, "x")
			if a == session.Off && b == session.Required {
				bob.expectRefused(t, alice, m, session.ErrAddress)
			} else {
				bob.expectText(t, alice, m, "x")
			}

			alice, bob = pair(t, 11)
			alice.Config.SPQR, bob.Config.SPQR = a, b
			alice.start(t, bob, offer{})
			m = alice.send(t, bob, "x")
			switch {
			case a == session.Off && b == session.Required:
				bob.expectRefused(t, alice, m, spqr.ErrMinimumVersion)
			case a == session.Required && b == session.Off:
				bob.expectRefused(t, alice, m, session.ErrMAC)
			default:
				bob.expectText(t, alice, m, "x")
				// Only a peer that turned it off answers without.
				back := bob.send(t, alice, "y")
				if b == session.Off && a == session.Required {
					alice.expectRefused(t, bob, back, session.ErrRatchet)
				} else {
					alice.expectText(t, bob, back, "y")
				}
			}
		}
	}
}

// A device has a session with each device of an account, its own other ones
// included; the one limit that is lifted concerns an identity with itself.
func TestOwnDevices(t *testing.T) {
	t.Parallel()
	phone, laptop := newDevice(t, seeded(1), 'a', 1), newDevice(t, seeded(2), 'a', 2)
	phone.start(t, laptop, offer{oneTime: true})
	laptop.expectText(t, phone, phone.send(t, laptop, "sync"), "sync")
	phone.expectText(t, laptop, laptop.send(t, phone, "synced"), "synced")
}

// An identity that talks to itself may skip more than MaxJump; one account's
// devices with keys of their own may not, nor may two accounts with one key.
func TestSelfSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		account     byte
		sameKey, ok bool
	}{{"itself", 'a', true, true}, {"own device", 'a', false, false}, {"other account", 'b', true, false}} {
		phone, other := newDevice(t, seeded(1), 'a', 1), newDevice(t, seeded(2), c.account, 2)
		if c.sameKey {
			other.Identity = phone.Identity
		}
		phone.start(t, other, offer{})
		for range ratchet.MaxJump + 1 {
			phone.send(t, other, "lost")
		}
		m := phone.send(t, other, "far")
		if c.ok {
			other.expectText(t, phone, m, "far")
		} else {
			other.expectRefused(t, phone, m, session.ErrTooFar)
		}
	}
}
