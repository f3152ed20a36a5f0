package spqr

import (
	"bytes"
	"testing"
)

// TestCloneIsIndependent: in every phase, a clone goes on as the original would,
// and neither changes when the other does, whichever goes first.
func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	for i, b := range everyState(t) {
		original, err := Unmarshal(b)
		if err != nil {
			t.Fatal(err)
		}
		clone := original.Clone()
		if !bytes.Equal(stored(t, clone), b) {
			t.Fatalf("state %d: the clone differs", i)
		}
		spend(t, clone)
		if !bytes.Equal(stored(t, original), b) {
			t.Fatalf("state %d: the original changed with its clone", i)
		}
		spent := stored(t, clone)
		if original.Active() && bytes.Equal(spent, b) {
			t.Fatalf("state %d: nothing was spent", i)
		}
		second := original.Clone()
		spend(t, original)
		if !bytes.Equal(stored(t, second), b) {
			t.Fatalf("state %d: a clone changed with its original", i)
		}
		if !bytes.Equal(stored(t, original), spent) {
			t.Fatalf("state %d: clone and original go different ways", i)
		}
	}
}

// spend uses up whatever a state has: stored keys, the next keys of every
// epoch, chunks both ways, and the epoch itself where it can end.
func spend(t *testing.T, s *State) {
	t.Helper()
	rng := draws(77)
	for round := range uint32(6) {
		for back := range uint64(3) {
			for kind := typeNone; kind < typeUnknown; kind++ {
				h := header{epoch: s.Epoch() + 1 - back, kind: kind}
				h.index, h.chunk.index = 3*round+uint32(kind), uint16(50_000+round)
				if step, err := s.Receive(h.append(nil)); err == nil {
					step.Commit()
				}
			}
		}
		commitSend(t, s, rng)
	}
	if s.Active() && s.agreement == agreed {
		l := s.chain.links[len(s.chain.links)-1]
		l.stored.expire(l.recv.counter + 3000)
	}
}

func BenchmarkClone(b *testing.B) {
	s := inPhase(b, ct1Acknowledged)
	b.ReportAllocs()
	for b.Loop() {
		s = s.Clone()
	}
}
