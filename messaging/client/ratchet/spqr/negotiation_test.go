package spqr

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// TestNegotiation plays every pair of configurations: what both end with, and
// who refuses.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	old, open, strict := Config{Disabled: true}, Config{AllowFallback: true}, Config{}
	for _, c := range []struct {
		alice, bob Config
		refusal    bool // of alice's first message, by bob
		answer     bool // refusal of bob's first message, by alice
		active     bool
	}{
		{alice: old, bob: old},
		{alice: old, bob: open},
		{alice: old, bob: strict, refusal: true},
		{alice: open, bob: old},
		{alice: open, bob: open, active: true},
		{alice: open, bob: strict, active: true},
		{alice: strict, bob: old, answer: true},
		{alice: strict, bob: open, active: true},
		{alice: strict, bob: strict, active: true},
	} {
		t.Run(fmt.Sprintf("%+v %+v", c.alice, c.bob), func(t *testing.T) {
			t.Parallel()
			alice, bob := newPair(t, c.alice, c.bob)
			first := commitSend(t, alice, draws(1))
			if c.refusal {
				refused(t, bob, first.header, ErrMinimumVersion)
				return
			}
			if wantKey := c.alice == strict; first.keyed != wantKey {
				t.Fatalf("first message has a key: %v", first.keyed)
			}
			if c.answer { // bob cannot know of the key, so he cannot read it either
				_, keyed := commitReceive(t, bob, first.header)
				if keyed {
					t.Fatal("a state that is off has a key")
				}
				refused(t, alice, commitSend(t, bob, nil).header, ErrMinimumVersion)
				return
			}
			deliver(t, bob, first)
			deliver(t, alice, commitSend(t, bob, draws(2)))
			for range 5 {
				exchange(t, alice, bob, draws(2))
			}
			second := commitSend(t, alice, nil)
			if second.keyed != c.active || alice.Active() != c.active || bob.Active() != c.active {
				t.Fatalf("active: %v and %v, key %v", alice.Active(), bob.Active(), second.keyed)
			}
			if !c.active && (second.header != nil || alice.Epoch() != 0) {
				t.Fatalf("off, but sends %x", second.header)
			}
		})
	}
}

// TestFallbackIsPermanent: a peer that came without SPQR cannot bring it back.
func TestFallbackIsPermanent(t *testing.T) {
	t.Parallel()
	for _, header := range [][]byte{nil, {}, {0}, {0, 1, 2}} {
		alice, _ := newPair(t, Config{AllowFallback: true}, Config{})
		commitSend(t, alice, draws(1))
		if _, keyed := commitReceive(t, alice, header); keyed || alice.Active() || !alice.Agreed() {
			t.Fatalf("header %x does not turn SPQR off", header)
		}
		alice = reload(t, alice)
		if _, keyed := commitReceive(t, alice, plain(1, 1)); keyed || alice.Active() {
			t.Fatal("SPQR came back")
		}
		if m := commitSend(t, alice, nil); m.header != nil || m.keyed {
			t.Fatalf("still sends %x", m.header)
		}
	}
}

// TestNoFallbackAfterFirstMessage: the record is discarded on the first success,
// and on nothing else.
func TestNoFallbackAfterFirstMessage(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{{}, {AllowFallback: true}} {
		_, bob := newPair(t, Config{}, config)
		refused(t, bob, []byte{1}, ErrHeader)
		refused(t, bob, plain(2, 1), ErrEpoch)
		commitReceive(t, bob, []byte{2, 1, 1, 0})
		for range 3 {
			commitSend(t, bob, nil)
		}
		if bob.Agreed() {
			t.Fatal("agreed without having received anything")
		}
		if _, err := bob.Receive(nil); config.AllowFallback == errors.Is(err, ErrMinimumVersion) {
			t.Fatalf("fallback allowed %v: %v", config.AllowFallback, err)
		}
		commitReceive(t, bob, plain(1, 1))
		if !bob.Agreed() || bob.authKey != nil {
			t.Fatal("not agreed after the first message")
		}
		refused(t, bob, nil, ErrVersion)
		refused(t, bob, []byte{0, 1, 1, 0}, ErrVersion)
	}
}

// TestUnknownVersionIgnored: later versions give no key and change nothing.
func TestUnknownVersionIgnored(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{{}, {AllowFallback: true}, {Disabled: true}} {
		_, bob := newPair(t, Config{}, config)
		before := stored(t, bob)
		for _, header := range [][]byte{{2}, {255, 1, 2, 3}} {
			if _, keyed := commitReceive(t, bob, header); keyed {
				t.Fatalf("header %x has a key", header)
			}
		}
		if !bytes.Equal(stored(t, bob), before) {
			t.Fatal("state changed")
		}
	}
}

// TestFallbackIndexZero: until something was received, an open sender numbers
// all messages 0 and mixes in nothing; then it counts from 1.
func TestFallbackIndexZero(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{AllowFallback: true}, Config{})
	for i := range 3 {
		m := commitSend(t, alice, draws(1))
		h, err := parseHeader(m.header)
		if err != nil || h.index != 0 || m.keyed || int(h.chunk.index) != i {
			t.Fatalf("header %x, key %v", m.header, m.keyed)
		}
		deliver(t, bob, m)
		alice = reload(t, alice)
	}
	deliver(t, alice, commitSend(t, bob, draws(1)))
	m := commitSend(t, alice, nil)
	if h, err := parseHeader(m.header); err != nil || h.index != 1 || !m.keyed {
		t.Fatalf("header %x, key %v", m.header, m.keyed)
	}
	deliver(t, bob, m)
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		second(New(nil, Initiator, Config{})),
		second(New(testKey(1), 0, Config{})),
		second(New(testKey(1), Responder+1, Config{})),
	} {
		if !errors.Is(err, ErrConfig) {
			t.Errorf("New: %v", err)
		}
	}
}

func second(_ *State, err error) error { return err }
