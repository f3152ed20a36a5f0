package spqr

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// TestNextKeyAgainstHKDF: the hand-written step is RFC 5869.
func TestNextKeyAgainstHKDF(t *testing.T) {
	t.Parallel()
	r := draws(4)
	for i := range 100 {
		var chain [32]byte
		_, _ = r.Read(chain[:])
		counter := uint32(i) * 0x01020304
		info := string(binary.BigEndian.AppendUint32(nil, counter)) + labelNext
		want, err := hkdf.Key(sha256.New, chain[:], make([]byte, 32), info, 64)
		if err != nil {
			t.Fatal(err)
		}
		next, key := nextKey(&chain, counter)
		if !bytes.Equal(append(next[:], key[:]...), want) {
			t.Fatalf("counter %d: not what HKDF gives", counter)
		}
	}
}

// plain returns the header of a message without a part of the exchange.
func plain(epoch uint64, index uint32) []byte {
	h := header{epoch: epoch, index: index, kind: typeNone}
	return h.append(nil)
}

// refused checks that a header is refused for this reason, with the one text
// that the outside sees, and that nothing changes.
func refused(t *testing.T, s *State, b []byte, reason error) {
	t.Helper()
	before := stored(t, s)
	step, err := s.Receive(b)
	if !errors.Is(err, reason) || !errors.Is(err, messaging.ErrInvalid) {
		t.Fatalf("receive %x: %v, want %v", b, errors.Unwrap(err), reason)
	}
	if err.Error() != messaging.ErrInvalid.Error() {
		t.Fatalf("the error says %q", err)
	}
	step.Commit()
	if !bytes.Equal(stored(t, s), before) {
		t.Fatalf("receive %x: refused, but the state changed", b)
	}
}

func TestJumpLimit(t *testing.T) {
	t.Parallel()
	_, bob := newPair(t, Config{}, Config{})
	refused(t, bob, plain(1, 25_001), ErrTooFarAhead)
	refused(t, bob, plain(1, math.MaxUint32), ErrTooFarAhead)
	commitReceive(t, bob, plain(1, 25_000))
	refused(t, bob, plain(1, 50_001), ErrTooFarAhead)
	commitReceive(t, bob, plain(1, 50_000))
}

func TestSelfSessionJump(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{SelfSession: true})
	var last message
	for range 25_002 {
		last = commitSend(t, alice, draws(1))
	}
	deliver(t, reload(t, bob), last)
	refused(t, bob, plain(1, maxSelfJump+1), ErrTooFarAhead)
}

// TestStoredKeys: the newest 2000 skipped keys serve once, older ones never.
func TestStoredKeys(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	sent := []message{{}}
	for len(sent) <= 4000 {
		sent = append(sent, commitSend(t, alice, draws(1)))
	}
	deliver(t, bob, sent[3000])
	if n := len(bob.chain.links[0].stored); n != 2000 {
		t.Fatalf("%d keys stored", n)
	}
	refused(t, bob, sent[3000].header, ErrKeyUsed)
	refused(t, bob, sent[999].header, ErrKeyExpired)
	bob = reload(t, bob)
	deliver(t, bob, sent[1000])
	refused(t, bob, sent[1000].header, ErrKeyUsed)
	deliver(t, bob, sent[2999])
	deliver(t, bob, sent[1500])
	refused(t, bob, sent[1500].header, ErrKeyUsed)
	deliver(t, bob, sent[3001])
	refused(t, bob, sent[1000].header, ErrKeyExpired)
	deliver(t, bob, sent[1001])
	deliver(t, bob, sent[3010]) // 1001..1009 leave the window, 3002..3009 enter
	bob = reload(t, bob)
	refused(t, bob, sent[1009].header, ErrKeyExpired)
	deliver(t, bob, sent[1010])
	deliver(t, bob, sent[3002])
	refused(t, bob, plain(1, 0x7FFF_FFFF), ErrTooFarAhead)
}

// TestIndexZero: in epoch 1 it means no key, later it is an index never given.
func TestIndexZero(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	for range 2 {
		if _, keyed := commitReceive(t, bob, plain(1, 0)); keyed {
			t.Fatal("a key for index 0")
		}
	}
	for bob.Epoch() < 2 {
		exchange(t, alice, bob, draws(1))
	}
	if _, keyed := commitReceive(t, bob, plain(1, 0)); keyed {
		t.Fatal("a key for index 0")
	}
	refused(t, bob, plain(2, 0), ErrKeyUsed)
}

func TestCounterExhausted(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	alice.chain.links[0].send.counter = math.MaxUint32 - 1
	bob.chain.links[0].recv.counter = math.MaxUint32 - 1
	commitSend(t, alice, draws(1))
	if _, err := alice.Send(draws(1)); !errors.Is(err, ErrExhausted) {
		t.Fatalf("send: %v", err)
	}
	commitReceive(t, bob, plain(1, math.MaxUint32))
	refused(t, bob, plain(1, math.MaxUint32), ErrKeyUsed)
}

// TestLateMessages: the keys of an epoch outlive it by one. Messages of key
// epoch e come as long as the receiver's last own message was of e+1 at most.
func TestLateMessages(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	rng := draws(5)
	late := map[uint64][]message{}
	for bob.Epoch() < 6 {
		if epoch := alice.Epoch(); len(late[epoch]) < 4 {
			late[epoch] = append(late[epoch], commitSend(t, alice, rng))
		}
		exchange(t, alice, bob, rng)
		now := bob.chain.sendEpoch + 1 // epoch of bob's last message
		for epoch, messages := range late {
			for i, m := range messages {
				switch {
				case m.header == nil:
				case now >= epoch+2:
					refused(t, bob, m.header, ErrKeyExpired)
					messages[i].header = nil
				case now == epoch+1 && i < 2:
					deliver(t, bob, m) // late by one epoch
					messages[i].header = nil
				}
			}
		}
	}
	for epoch := uint64(1); epoch <= 4; epoch++ {
		for i, m := range late[epoch] {
			if m.header != nil {
				t.Errorf("message %d of epoch %d was neither delivered nor refused", i, epoch)
			}
		}
	}
	if links := len(bob.chain.links); links > maxLinks {
		t.Errorf("%d key epochs kept", links)
	}
}

// TestSendingChainsErased: nothing is left of what earlier epochs sent with.
func TestSendingChainsErased(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	for alice.Epoch() < 4 {
		exchange(t, alice, bob, draws(6))
		for _, s := range []*State{alice, bob} {
			for i, l := range s.chain.links {
				erased := l.send == ratchet{}
				if old := s.chain.firstEpoch()+uint64(i) < s.chain.sendEpoch; erased != old {
					t.Fatalf("link %d of %d: erased %v", i, len(s.chain.links), erased)
				}
			}
		}
	}
}
