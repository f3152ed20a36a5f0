package spqr

import (
	"bytes"
	"fmt"
	"testing"
)

// TestPlansChangeNothing: until Commit, and then once.
func TestPlansChangeNothing(t *testing.T) {
	t.Parallel()
	for p := keysUnsampled; p < phaseEnd; p++ {
		s := inPhase(t, p)
		before := stored(t, s)
		first, err := s.Send(draws(1))
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.Send(draws(2))
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Receive(plain(s.Epoch(), s.chain.link(s.Epoch()-1).recv.counter+3))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stored(t, s), before) {
			t.Fatalf("phase %d: a plan changed the state", p)
		}
		if first.Stale() || second.Stale() || in.Stale() {
			t.Fatal("stale before any commit")
		}
		again := first
		first.Commit()
		after := stored(t, s)
		if bytes.Equal(after, before) {
			t.Fatalf("phase %d: commit changed nothing", p)
		}
		for _, stale := range []*Step{&first, &again, &second, &in} {
			if !stale.Stale() {
				t.Error("not stale after a commit")
			}
			stale.Commit()
		}
		if !bytes.Equal(stored(t, s), after) {
			t.Fatalf("phase %d: a stale step changed the state", p)
		}
		if key, keyed := first.Key(); !keyed || key == [32]byte{} || first.Header() == nil {
			t.Error("header and key are gone after the commit")
		}
	}
}

// TestCompetingReceives: two messages that arrive at once and of which the
// second is committed leave no trace of the first.
func TestCompetingReceives(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{}, Config{})
	rng := draws(3)
	one, two := commitSend(t, alice, rng), commitSend(t, alice, rng)
	first, err := bob.Receive(one.header)
	if err != nil {
		t.Fatal(err)
	}
	other, err := bob.Receive(two.header)
	if err != nil {
		t.Fatal(err)
	}
	first.Commit()
	other.Commit()
	deliver(t, bob, two)
	three := commitSend(t, alice, rng)
	deliver(t, bob, three)
	if bob.machine.phase != headerReceived {
		t.Errorf("phase %d after three chunks of the header", bob.machine.phase)
	}
}

func TestZeroStep(t *testing.T) {
	t.Parallel()
	var step Step
	step.Commit()
	if _, keyed := step.Key(); keyed || step.Header() != nil || !step.Stale() {
		t.Error("the zero step is something")
	}
}

// TestNothingPrints: no verb shows a byte of a state or a step, even through a
// struct that holds them in fields fmt may not call methods on.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	alice, bob := newPair(t, Config{AllowFallback: true}, Config{})
	step, err := bob.Send(draws(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%o", "%t"} {
		for _, v := range []any{alice, *alice, bob, *bob} {
			if got := fmt.Sprintf(verb, v); got != "spqr.State" {
				t.Errorf("%s prints %q", verb, got)
			}
		}
		for _, v := range []any{step, &step} {
			if got := fmt.Sprintf(verb, v); got != "spqr.Step" {
				t.Errorf("%s prints %q", verb, got)
			}
		}
		hidden := struct {
			state State
			step  Step
		}{*alice, step}
		if got := fmt.Sprintf(verb, hidden); len(got) > 400 {
			t.Errorf("%s prints %d characters: %s", verb, len(got), got)
		}
	}
}

// TestLightStepAllocations: a message that does nothing heavy costs one
// allocation, its plan.
func TestLightStepAllocations(t *testing.T) {
	alice, bob := newPair(t, Config{}, Config{})
	until(t, alice, bob, bob, ct1Sampled, draws(1))
	until(t, alice, bob, alice, headerSent, draws(1))
	for _, sent := range []uint16{0, 1000} {
		if n := testing.AllocsPerRun(30, func() {
			alice.machine.sent = sent
			step, err := alice.Send(nil)
			if err != nil {
				t.Fatal(err)
			}
			step.Commit()
		}); n > 1 {
			t.Errorf("send from chunk %d: %v allocations", sent, n)
		}
	}
	h := header{epoch: 1, kind: typeVector, index: bob.chain.links[0].recv.counter}
	if n := testing.AllocsPerRun(30, func() {
		h.index++
		h.chunk.index = 1000 + uint16(h.index)
		bob.machine.chunks = bob.machine.chunks[:0]
		var buf [maxHeader]byte
		step, err := bob.Receive(h.append(buf[:0]))
		if err != nil {
			t.Fatal(err)
		}
		step.Commit()
	}); n > 2 { // the plan, and the collected chunks once
		t.Errorf("receive: %v allocations", n)
	}
}
