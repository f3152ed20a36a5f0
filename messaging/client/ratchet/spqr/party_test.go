package spqr

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// draws is a seeded source of randomness.
func draws(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

// message is one that is under way.
type message struct {
	header []byte
	key    [32]byte
	keyed  bool
}

func testKey(b byte) *[32]byte { return (*[32]byte)(bytes.Repeat([]byte{b}, 32)) }

func newPair(t testing.TB, alice, bob Config) (a, b *State) {
	t.Helper()
	a, err := New(testKey(7), Initiator, alice)
	if err != nil {
		t.Fatal(err)
	}
	b, err = New(testKey(7), Responder, bob)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// newPairOf returns the two sides of a handshake of which one demands SPQR.
func newPairOf(t testing.TB, key *[32]byte, initiator Config) (alice, bob *State) {
	t.Helper()
	alice, err := New(key, Initiator, initiator)
	if err != nil {
		t.Fatal(err)
	}
	bob, err = New(key, Responder, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return alice, bob
}

func commitSend(t testing.TB, s *State, rand io.Reader) message {
	t.Helper()
	step, err := s.Send(rand)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	step.Commit()
	key, keyed := step.Key()
	return message{bytes.Clone(step.Header()), key, keyed}
}

func commitReceive(t testing.TB, s *State, header []byte) (key [32]byte, keyed bool) {
	t.Helper()
	step, err := s.Receive(header)
	if err != nil {
		t.Fatalf("receive %x: %v", header, err)
	}
	step.Commit()
	return step.Key()
}

// deliver hands m over and checks that both sides have the same key.
func deliver(t testing.TB, s *State, m message) {
	t.Helper()
	if key, keyed := commitReceive(t, s, m.header); key != m.key || keyed != m.keyed {
		t.Fatalf("keys of %x differ", m.header)
	}
}

// exchange sends one message each way.
func exchange(t testing.TB, a, b *State, rand io.Reader) {
	t.Helper()
	deliver(t, b, commitSend(t, a, rand))
	deliver(t, a, commitSend(t, b, rand))
}

// advance sends count messages that nobody gets.
func advance(t testing.TB, s *State, count int) {
	t.Helper()
	for range count {
		commitSend(t, s, draws(1))
	}
}

func stored(t testing.TB, s *State) []byte {
	t.Helper()
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reload puts the state through its stored form.
func reload(t testing.TB, s *State) *State {
	t.Helper()
	b := stored(t, s)
	again, err := Unmarshal(b)
	if err != nil {
		t.Fatalf("unmarshal of a state of ours: %v", err)
	}
	if !bytes.Equal(stored(t, again), b) {
		t.Fatal("stored form changes when read and written")
	}
	return again
}

// until sends to and fro until the state is in the phase.
func until(t testing.TB, a, b, s *State, p phase, rand io.Reader) {
	t.Helper()
	for range 400 {
		for _, d := range [2][2]*State{{a, b}, {b, a}} {
			if s.machine.phase == p {
				return
			}
			deliver(t, d[1], commitSend(t, d[0], rand))
		}
	}
	t.Fatalf("phase %d not reached", p)
}

// inPhase returns a state in the second or third epoch that has just come into
// the phase, with half of what the phase collects where it collects.
func inPhase(t testing.TB, p phase) *State {
	t.Helper()
	alice, bob := newPair(t, Config{}, Config{})
	rng := draws(uint64(p))
	for alice.Epoch() < 2 || bob.Epoch() < 2 {
		exchange(t, alice, bob, rng)
	}
	for range 3000 {
		for _, d := range [2][2]*State{{alice, bob}, {bob, alice}} {
			for _, s := range d {
				if s.machine.phase == p && len(s.machine.chunks) >= p.shape().collects/2 {
					return s
				}
			}
			m := commitSend(t, d[0], rng)
			if lossy := p == ct1Acknowledged || p == keyReceivedCt1Sampled; !lossy || !loseFor(p, m.header) {
				deliver(t, d[1], m)
			}
		}
	}
	t.Fatalf("phase %d not reached", p)
	return nil
}

// loseFor loses what keeps a loss-free exchange out of a phase: ct1Acknowledged
// wants ct1 to be there long before the vector, keyReceivedCt1Sampled the
// contrary.
func loseFor(p phase, b []byte) bool {
	h, _ := parseHeader(b)
	if p == ct1Acknowledged {
		return h.kind == typeVector || h.kind == typeVecAck && h.chunk.index%2 == 0
	}
	return h.kind == typeCt1 && h.chunk.index > 0 && h.chunk.index%3 != 0
}
