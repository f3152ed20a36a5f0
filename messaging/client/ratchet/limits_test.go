package ratchet

import (
	"errors"
	"math"
	"testing"

	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
)

// skip lets alice encrypt messages 0 to n-1 and returns the given ones.
func skip(t *testing.T, alice *end, n int, keep ...int) map[int][]byte {
	t.Helper()
	kept := map[int][]byte{}
	for i := range n {
		body := alice.send(t, "x")
		for _, k := range keep {
			if k == i {
				kept[k] = body
			}
		}
	}
	return kept
}

func TestJump(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	const last = MaxJump
	m := skip(t, alice, last+2, 0, last-MaxSkipped-1, last-MaxSkipped, last-1, last, last+1)

	bob.refuse(t, m[last+1], ErrTooFar)
	bob.expect(t, m[last], "x")
	if n := len(bob.receivers[0].skipped); n != MaxSkipped {
		t.Fatalf("%d skipped seeds are kept, expected %d", n, MaxSkipped)
	}
	bob.restore(t)
	bob.expect(t, m[last-1], "x")
	bob.refuse(t, m[last-1], ErrDuplicate)
	bob.expect(t, m[last-MaxSkipped], "x")
	bob.refuse(t, m[last-MaxSkipped-1], ErrDuplicate)
	bob.refuse(t, m[0], ErrDuplicate)
	bob.refuse(t, m[last], ErrDuplicate)
	bob.expect(t, m[last+1], "x")
}

// The post-quantum ratchet counts from 1 and so reaches the same limit one
// message earlier.
func TestJumpWithPostQuantum(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	m := skip(t, alice, MaxJump+1, MaxJump-1, MaxJump)
	bob.refuse(t, m[MaxJump], ErrPostQuantum)
	bob.refuse(t, m[MaxJump], spqr.ErrTooFarAhead)
	bob.expect(t, m[MaxJump-1], "x")
	bob.expect(t, m[MaxJump], "x")
}

func TestJumpInSelfSession(t *testing.T) {
	t.Parallel()
	self := spqr.Config{SelfSession: true}
	alice, bob := pair(t, self, self)
	bob.restore(t)
	m := skip(t, alice, MaxJump+2, MaxJump+1)
	bob.expect(t, m[MaxJump+1], "x")
}

func TestSkippedSeedsAccumulate(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	first := alice.send(t, "first")
	m := skip(t, alice, MaxSkipped, 0, 1, MaxSkipped-1)
	bob.expect(t, m[MaxSkipped-1], "x") // skips 0 to MaxSkipped-1: the list is full
	bob.expect(t, first, "first")       // and has room for one
	more := skip(t, alice, 3, 0, 1, 2)
	bob.expect(t, more[2], "x") // skips two, of which one pushes out the oldest
	bob.refuse(t, m[0], ErrDuplicate)
	bob.expect(t, m[1], "x")
	bob.expect(t, more[0], "x")
	bob.expect(t, more[1], "x")
}

func TestChains(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	var late [][]byte
	for i := range MaxChains + 1 {
		bob.expect(t, alice.send(t, "turn"), "turn")
		late = append(late, alice.send(t, "late"))
		if n := len(bob.receivers); n != min(i+1, MaxChains) {
			t.Fatalf("%d chains are kept", n)
		}
		alice.expect(t, bob.send(t, "turn"), "turn")
		bob.restore(t)
	}
	// The first chain was pushed out: its key looks new.
	bob.refuse(t, late[0], ErrMAC)
	for _, body := range late[1:] {
		bob.expect(t, body, "late")
	}
}

// The previous counter is one less than the length of the chain before, and 0
// when there was none.
func TestPreviousCounter(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	want := uint32(0)
	for _, sent := range []int{1, 2, 5, 1} {
		for range sent {
			body := alice.send(t, "x")
			if got := must(Parse(body))(t).Previous; got != want {
				t.Fatalf("received %d, expected %d", got, want)
			}
			bob.expect(t, body, "x")
		}
		answer := bob.send(t, "y")
		if got := must(Parse(answer))(t).Previous; got != 0 {
			t.Fatalf("received %d after a chain of at most one message", got)
		}
		alice.expect(t, answer, "y")
		want = uint32(sent - 1)
	}
}

func TestLastCounter(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, off, off)
	bob.expect(t, alice.send(t, "x"), "x")
	chain := *bob.receivers[0]
	chain.index = math.MaxUint32 - 1
	bob.receivers[0] = &chain
	alice.State.send.index = math.MaxUint32 - 1

	good := alice.send(t, "last")
	if _, _, err := alice.Encrypt(alice.rand, nil, nil); !errors.Is(err, ErrExhausted) {
		t.Fatalf("received %v at the end of the chain", err)
	}
	m := must(Parse(good))(t)
	m.Counter = math.MaxUint32
	if _, _, err := bob.Decrypt(bob.rand, &m); !errors.Is(err, ErrTooFar) {
		t.Fatalf("received %v for a counter that none can follow", err)
	}
	bob.expect(t, good, "last")
	bob.refuse(t, good, ErrDuplicate)
}

func TestPlaintextCeiling(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, spqr.Config{}, spqr.Config{})
	if _, _, err := alice.Encrypt(alice.rand, make([]byte, MaxPlaintext+1), nil); !errors.Is(err, ErrPlaintext) {
		t.Fatalf("received %v", err)
	}
	body, _, err := alice.Encrypt(alice.rand, make([]byte, MaxPlaintext), make([]byte, 36))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bob.read(body); err != nil || len(got) != MaxPlaintext {
		t.Fatalf("received %d bytes, %v", len(got), err)
	}
}
