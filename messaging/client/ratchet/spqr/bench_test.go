package spqr

import (
	"fmt"
	"testing"
)

func BenchmarkSendLight(b *testing.B) {
	alice, bob := newPair(b, Config{}, Config{})
	until(b, alice, bob, alice, headerSent, draws(1))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%20 == 0 {
			alice.machine.sent = 0 // stay among the chunks that are pieces of the message
		}
		commitSend(b, alice, nil)
	}
}

func BenchmarkSendLightInterpolated(b *testing.B) {
	alice, bob := newPair(b, Config{}, Config{})
	until(b, alice, bob, alice, headerSent, draws(1))
	b.ReportAllocs()
	for b.Loop() {
		alice.machine.sent = 1000
		step, err := alice.Send(nil)
		if err != nil {
			b.Fatal(err)
		}
		step.Commit()
	}
}

func BenchmarkReceiveLight(b *testing.B) {
	alice, bob := newPair(b, Config{}, Config{})
	until(b, alice, bob, bob, ct1Sampled, draws(1))
	h := header{epoch: 1, kind: typeVector, index: bob.chain.links[0].recv.counter}
	b.ReportAllocs()
	for b.Loop() {
		h.index++
		bob.machine.chunks = bob.machine.chunks[:0]
		var buf [maxHeader]byte
		step, err := bob.Receive(h.append(buf[:0]))
		if err != nil {
			b.Fatal(err)
		}
		step.Commit()
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	alice, bob := newPair(b, Config{}, Config{})
	rng := draws(1)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, alice, bob, rng)
	}
}

// BenchmarkHeavy times the message of a loss-free exchange on which the state
// enters each of the expensive phases.
func BenchmarkHeavy(b *testing.B) {
	for _, c := range []struct {
		name string
		side Direction
		from phase
		send bool
	}{
		{"SendKeygen", Initiator, keysUnsampled, true},
		{"SendEncapsulate", Responder, headerReceived, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			alice, bob := newPair(b, Config{}, Config{})
			s := alice
			if c.side == Responder {
				s = bob
			}
			rng := draws(1)
			until(b, alice, bob, s, c.from, rng)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Send(rng); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("ReceiveEncapsulate2", func(b *testing.B) {
		benchReceive(b, Responder, ct2Sampled)
	})
	b.Run("ReceiveDecapsulate", func(b *testing.B) {
		benchReceive(b, Initiator, noHeaderReceived)
	})
}

// benchReceive times the receive that brings one side into a phase.
func benchReceive(b *testing.B, side Direction, into phase) {
	alice, bob := newPair(b, Config{}, Config{})
	rng := draws(1)
	from, to := alice, bob
	if side == Initiator {
		from, to = bob, alice
	}
	for {
		deliver(b, from, commitSend(b, to, rng))
		m := commitSend(b, from, rng)
		step, err := to.Receive(m.header)
		if err != nil {
			b.Fatal(err)
		}
		if step.plan().move.next == nil || step.plan().move.next.phase != into {
			step.Commit()
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := to.Receive(m.header); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, missing := range []int{4, 18, 36} {
		b.Run(fmt.Sprintf("%dof36missing", missing), func(b *testing.B) {
			chunks := chunksOf(randomMessage(1, 36), missing)
			b.ReportAllocs()
			for b.Loop() {
				decodeChunks(chunks[1:], &chunks[0])
			}
		})
	}
}

func BenchmarkMaximalJump(b *testing.B) {
	alice, bob := newPair(b, Config{}, Config{})
	h := header{epoch: 1, kind: typeNone, index: maxJump}
	alice.chain = nil
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bob.Receive(h.append(nil)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecord reports the size of the stored state in each phase, half way
// through what the phase collects, and the time to write and read it.
func BenchmarkRecord(b *testing.B) {
	for p := keysUnsampled; p < phaseEnd; p++ {
		b.Run(fmt.Sprintf("phase%02d", p), func(b *testing.B) {
			s := inPhase(b, p)
			var buf []byte
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = s.AppendBinary(buf[:0]); err != nil {
					b.Fatal(err)
				}
				if _, err := Unmarshal(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
}
