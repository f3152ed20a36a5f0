package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/handshake"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// flip returns m with one bit changed.
func flip(m session.Message, at, bit int) session.Message {
	m.Body = bytes.Clone(m.Body)
	m.Body[at] ^= 1 << bit
	return m
}

// Each bit of a message in a session: PRO-06.
func TestFlippedSignalMessages(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 20)
	turns := alice.send(t, bob, "turns the ratchet")
	known := alice.send(t, bob, "in a known chain")
	expectFlipsRefused(t, alice, bob, turns)
	bob.read(t, alice, turns)
	expectFlipsRefused(t, alice, bob, known)
	bob.expectText(t, alice, known, "in a known chain")
}

func expectFlipsRefused(t *testing.T, from, to *device, m session.Message) {
	t.Helper()
	for at := range m.Body {
		for bit := range 8 {
			to.expectRefused(t, from, flip(m, at, bit), nil)
		}
	}
}

// Each byte of a message that carries a handshake: PRO-06. What Signal's format
// leaves unauthenticated is the low nibble of the version, which nobody reads,
// and the sender's registration id, which only says where an answer goes.
func TestFlippedPreKeyMessages(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 21)
	alice.start(t, bob, offer{oneTime: true})
	m := alice.send(t, bob, "x")
	registration := registrationField(t, m.Body)
	for at := range m.Body {
		bits := []int{at % 8}
		if at < 100 || at >= registration-16 && at < registration+32 || at > len(m.Body)-8 {
			bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
		}
		for _, bit := range bits {
			free := at == 0 && bit < 4 || at >= registration && at < registration+3
			if !free {
				bob.expectRefused(t, alice, flip(m, at, bit), nil)
				continue
			}
			got, err := bob.Decrypt(bob.rand, bob.rec, alice.peer(), flip(m, at, bit), bob.keys)
			if err == nil && string(got.Plaintext) != "x" {
				t.Fatalf("byte %d, bit %d: received %q", at, bit, got.Plaintext)
			}
		}
	}
	bob.expectText(t, alice, m, "x")
}

// registrationField finds where the registration id's field begins; it takes
// three bytes, tag included.
func registrationField(t *testing.T, body []byte) int {
	t.Helper()
	for at := 1; at < len(body); {
		number, _, n := protowire.ConsumeField(body[at:])
		if number == 5 {
			if n != 3 {
				t.Fatalf("the registration id takes %d bytes", n)
			}
			return at
		}
		at += n
	}
	t.Fatal("no registration id")
	return 0
}

func TestTruncatedMessages(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 22)
	signal := alice.send(t, bob, "x")
	carol := newDevice(t, seeded(77), 'c', 1)
	carol.start(t, bob, offer{})
	prekey := carol.send(t, bob, "y")
	for n := range signal.Body {
		bob.expectRefused(t, alice, session.Message{Kind: signal.Kind, Body: signal.Body[:n]}, nil)
	}
	rec := bob.rec
	bob.rec = nil
	for n := 0; n < len(prekey.Body); n += 1 + n/64 {
		bob.expectRefused(t, carol, session.Message{Kind: prekey.Kind, Body: prekey.Body[:n]}, nil)
	}
	bob.expectText(t, carol, prekey, "y")
	bob.rec = rec
	for _, kind := range []session.Kind{0, 1, 4, 7, 8, 255} {
		bob.expectRefused(t, alice, session.Message{Kind: kind, Body: signal.Body}, session.ErrKind)
		if _, err := session.RatchetKeyOf(session.Message{Kind: kind, Body: signal.Body}); !errors.Is(err, session.ErrKind) {
			t.Errorf("kind %d: received %v", kind, err)
		}
	}
	// Each kind offered as the other one.
	bob.expectRefused(t, alice, session.Message{Kind: session.KindPreKey, Body: signal.Body}, nil)
	bob.expectRefused(t, carol, session.Message{Kind: session.KindSignal, Body: prekey.Body}, nil)
	bob.expectText(t, alice, signal, "x")
}

// Every ciphertext again: to the same device, to the other, in another session,
// and after a restart: PRO-04.
func TestReplays(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 23)
	alice.start(t, bob, offer{oneTime: true})
	type sent struct {
		m        session.Message
		from, to *device
	}
	var all []sent
	from, to := alice, bob
	for i := range 30 {
		for range 1 + i%3 {
			m := from.send(t, to, "x")
			to.expectText(t, from, m, "x")
			all = append(all, sent{m, from, to})
		}
		from, to = to, from
	}
	// Five chains are kept: an older message is taken for a new chain and fails.
	for i, s := range all {
		s.to.expectRefused(t, s.from, s.m, nil)
		if i >= len(all)-6 {
			s.to.expectRefused(t, s.from, s.m, session.ErrDuplicate)
		}
		s.from.expectRefused(t, s.to, s.m, nil) // reflected: PRO-33
	}
	for _, d := range []*device{alice, bob} {
		d.rec = must(session.ParseRecord(encode(t, d.rec)))(t)
	}
	for _, s := range all {
		s.to.expectRefused(t, s.from, s.m, nil)
	}
	alice.start(t, bob, offer{oneTime: true})
	bob.expectText(t, alice, alice.send(t, bob, "anew"), "anew")
	for _, s := range all {
		s.to.expectRefused(t, s.from, s.m, nil)
	}
}

// A message is bound to the two devices that it is between: PRO-32, PRO-33.
func TestRelabelledMessages(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 24)
	carol := newDevice(t, seeded(78), 'c', 1)
	alice.start(t, bob, offer{})
	first := alice.send(t, bob, "x")

	// From another account, whose device log lists another key.
	bob.expectRefused(t, carol, first, session.ErrUntrusted)
	// From another device or account with the same key: the addresses differ.
	for _, a := range []messaging.Address{{Account: alice.Address.Account, Device: 9}, {Account: carol.Address.Account, Device: 1}} {
		peer := session.Peer{Address: a, Identity: alice.Identity.Public()}
		if _, err := bob.Decrypt(bob.rand, nil, peer, first, bob.keys); !errors.Is(err, session.ErrAddress) {
			t.Errorf("as from %v: received %v", a, errors.Unwrap(err))
		}
	}
	// To another device that has the same keys.
	twin := *bob
	twin.Address.Device = 9
	twin.expectRefused(t, alice, first, session.ErrAddress)
	// Back to the sender.
	alice.expectRefused(t, bob, first, nil)

	bob.expectText(t, alice, first, "x")
	alice.expectText(t, bob, bob.send(t, alice, "y"), "y")
	m := alice.send(t, bob, "z")
	// Into another conversation, with or without a session there.
	with := newDevice(t, seeded(79), 'd', 1)
	with.start(t, bob, offer{})
	conversation := bob.rec
	bob.rec = nil
	bob.expectRefused(t, with, m, session.ErrNoSession)
	bob.read(t, with, with.send(t, bob, "other"))
	bob.expectRefused(t, with, m, session.ErrMAC)
	bob.rec = conversation
	bob.expectText(t, alice, m, "z")
}

// A peer whose device log lists a new key gets nothing in the old session, and
// nothing from it is read.
func TestChangedIdentity(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 25)
	old := bob.send(t, alice, "old key")
	anew := bob.peer()
	anew.Identity = must(key.Generate[key.RoleIdentity](bob.rand))(t).Public()
	if alice.rec.Usable(anew, epoch) {
		t.Fatal("usable under a key that the session is not with")
	}
	if _, _, err := alice.Encrypt(alice.rand, alice.rec, anew, nil, epoch); !errors.Is(err, session.ErrNoSession) {
		t.Fatalf("encrypt: received %v", err)
	}
	if _, err := alice.Decrypt(alice.rand, alice.rec, anew, old, alice.keys); !errors.Is(err, session.ErrUntrusted) {
		t.Fatalf("decrypt: received %v", err)
	}
	if _, err := alice.Start(alice.rand, alice.rec, anew, bob.bundle(t, offer{}), epoch); !errors.Is(err, session.ErrUntrusted) {
		t.Fatalf("start: received %v", err)
	}
	other := bob.peer()
	other.Address.Device = 3
	if _, err := alice.Start(alice.rand, alice.rec, other, bob.bundle(t, offer{}), epoch); !errors.Is(err, session.ErrUntrusted) {
		t.Fatalf("start with another device: received %v", err)
	}
	// A message of the old session in a handshake that claims the new key.
	wrapped := unanswered(t, alice, bob, anew.Identity)
	if _, err := alice.Decrypt(alice.rand, alice.rec, anew, wrapped, alice.keys); !errors.Is(err, session.ErrNoPreKey) {
		t.Fatalf("an old session under a new key: received %v", err)
	}
	// The same with our own key: a store that outlived the device.
	alice.Identity = must(key.Generate[key.RoleIdentity](alice.rand))(t)
	if _, _, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), nil, epoch); !errors.Is(err, session.ErrNoSession) {
		t.Fatalf("encrypt under another key of ours: received %v", err)
	}
	alice.expectRefused(t, bob, old, session.ErrUntrusted)
}

// unanswered lets alice accept a handshake of bob's, and returns a second message
// of it that claims to be of another identity key.
func unanswered(t *testing.T, alice, bob *device, claims key.IdentityPublic) session.Message {
	t.Helper()
	bob.start(t, alice, offer{oneTime: true})
	alice.read(t, bob, bob.send(t, alice, "x"))
	m := must(handshake.Parse(bob.send(t, alice, "y").Body))(t)
	m.Identity = claims
	return session.Message{Kind: session.KindPreKey, Body: m.Append(nil)}
}

// A server that strips the KEM prekey from a bundle, or offers a key of one kind
// as another, starts no session: PRO-31, PRO-08.
func TestStrippedBundles(t *testing.T) {
	t.Parallel()
	_, bob := pair(t, 26)
	good := bob.unverified(t, offer{oneTime: true})
	for name, change := range map[string]func(b *key.Bundle){
		"no KEM prekey":              func(b *key.Bundle) { b.KEM = key.KEMPreKey{} },
		"KEM signature of the other": func(b *key.Bundle) { b.KEM.Signature = b.Signed.Signature },
		"signature of the KEM":       func(b *key.Bundle) { b.Signed.Signature = b.KEM.Signature },
	} {
		b := good
		change(&b)
		if v, err := b.Verify(b.Device, b.Identity); v != nil || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: received %v", name, err)
		}
	}
	if _, err := (key.KEMs{}).ParsePublic(good.Signed.Public.Bytes()); !errors.Is(err, messaging.ErrInvalid) {
		t.Errorf("a curve key as KEM key: received %v", err)
	}
	if _, err := key.ParsePublic[key.RoleSignedPreKey](good.KEM.Public.Bytes()); !errors.Is(err, messaging.ErrInvalid) {
		t.Errorf("a KEM key as curve key: received %v", err)
	}
}

// A handshake whose KEM part was cut out, or was made with another mechanism.
func TestStrippedHandshakes(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 27)
	alice.start(t, bob, offer{})
	good := alice.send(t, bob, "x")
	outer := must(handshake.Parse(good.Body))(t)
	change := func(f func(m *handshake.PreKeyMessage)) session.Message {
		m := outer
		m.Ciphertext = bytes.Clone(m.Ciphertext)
		f(&m)
		return session.Message{Kind: session.KindPreKey, Body: m.Append(nil)}
	}
	bob.expectRefused(t, alice, change(func(m *handshake.PreKeyMessage) { m.Ciphertext = nil }), session.ErrPreKeyForm)
	bob.expectRefused(t, alice, change(func(m *handshake.PreKeyMessage) { m.Ciphertext[0] = 8 }), key.ErrType)
	bob.expectRefused(t, alice, change(func(m *handshake.PreKeyMessage) { m.Ciphertext[9] ^= 1 }), session.ErrMAC)
	bob.expectRefused(t, alice, change(func(m *handshake.PreKeyMessage) { m.Message = nil }), nil)
	unknown := key.PreKeyID(404)
	bob.expectRefused(t, alice, change(func(m *handshake.PreKeyMessage) { m.OneTime = &unknown }), session.ErrNoPreKey)
	version3 := session.Message{Kind: session.KindPreKey, Body: bytes.Clone(good.Body)}
	version3.Body[0] = 0x33
	bob.expectRefused(t, alice, version3, handshake.ErrVersion)
	bob.expectText(t, alice, good, "x")
}

// Crashes before and after each write never use a message key twice: PRO-19. The
// caller saves the record, then sends; on receipt it saves, then acknowledges.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 19))
		alice, bob := talk(t, 2000+seed)
		used := map[string]bool{}
		shown := map[string]int{}
		queue := map[*device][]session.Message{}
		for i := range 200 {
			from, to := alice, bob
			if random.IntN(2) == 0 {
				from, to = bob, alice
			}
			said := fmt.Sprintf("%d/%d", seed, i)
			m, rec, err := from.Encrypt(from.rand, from.rec, to.peer(), []byte(said), epoch)
			if err != nil {
				t.Fatal(err)
			}
			if random.IntN(4) == 0 {
				continue // crash before saving: nothing was sent
			}
			from.rec = must(session.ParseRecord(encode(t, rec)))(t)
			if random.IntN(8) == 0 {
				continue // crash after saving: the index is spent, nothing was sent
			}
			parsed := must(ratchet.Parse(m.Body))(t)
			header := fmt.Sprint(parsed.RatchetKey, parsed.Counter)
			if used[header] {
				t.Fatalf("seed %d: message %d reuses an index", seed, i)
			}
			used[header] = true
			queue[to] = append(queue[to], m)
			for len(queue[to]) > 0 && random.IntN(3) > 0 {
				got, err := to.Decrypt(to.rand, to.rec, from.peer(), queue[to][0], to.keys)
				if random.IntN(4) == 0 {
					continue // crash before saving: it is delivered again
				}
				switch {
				case err == nil:
					to.rec = must(session.ParseRecord(encode(t, got.Record)))(t)
					shown[string(got.Plaintext)]++
				case !errors.Is(err, session.ErrDuplicate):
					t.Fatalf("seed %d: %v (%v)", seed, err, errors.Unwrap(err))
				}
				if random.IntN(4) == 0 {
					continue // crash before acknowledging: it is delivered again
				}
				queue[to] = queue[to][1:]
			}
		}
		for said, n := range shown {
			if n != 1 {
				t.Fatalf("seed %d: %q was shown %d times", seed, said, n)
			}
		}
	}
}

// worstForgery is a forged message of the most expensive kind, an unknown
// ratchet key and the longest jump, and bob with 41 sessions to try.
func worstForgery(t testing.TB) (alice, bob *device, m session.Message) {
	t.Helper()
	alice, bob = pair(t, 28)
	for range session.MaxArchived + 1 {
		alice.start(t, bob, offer{})
		bob.read(t, alice, alice.send(t, bob, "x"))
	}
	for range 24_999 {
		m = alice.send(t, bob, "")
	}
	inner := must(handshake.Parse(m.Body))(t)
	m = session.Message{Kind: session.KindSignal, Body: bytes.Clone(inner.Message)}
	m.Body[10] ^= 1 // within the ratchet key
	return alice, bob, m
}

func TestWorstForgery(t *testing.T) {
	alice, bob, m := worstForgery(t)
	bob.expectRefused(t, alice, m, session.ErrMAC)
	n := testing.AllocsPerRun(1, func() {
		bob.Decrypt(bob.rand, bob.rec, alice.peer(), m, bob.keys)
	})
	t.Logf("%v allocations", n)
	if n > 200 { // two sessions; all of them take some 1700
		t.Errorf("%v allocations: more sessions were tried than the limit allows", n)
	}
}

// With jumps as they happen every session is tried, down to the oldest.
func TestOldestSessionIsTried(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 29)
	alice.start(t, bob, offer{})
	bob.read(t, alice, alice.send(t, bob, "x"))
	alice.read(t, bob, bob.send(t, alice, "turns the ratchet"))
	var late session.Message
	for range 1200 {
		late = alice.send(t, bob, "late, in a chain that bob does not know")
	}
	for range session.MaxArchived {
		alice.start(t, bob, offer{})
		bob.read(t, alice, alice.send(t, bob, "x"))
	}
	bob.expectText(t, alice, late, "late, in a chain that bob does not know")
}

func BenchmarkWorstForgery(b *testing.B) {
	alice, bob, m := worstForgery(b)
	for b.Loop() {
		if _, err := bob.Decrypt(bob.rand, bob.rec, alice.peer(), m, bob.keys); err == nil {
			b.Fatal("a forged message was accepted")
		}
	}
}
