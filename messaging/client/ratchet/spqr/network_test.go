package spqr

import (
	"math/rand/v2"
	"testing"
)

// network is two parties and messages under way in both directions.
type network struct {
	t     testing.TB
	rng   *rand.ChaCha8
	side  [2]*State
	queue [2][]message // on the way to that side
	sent  int
	got   int
	lost  int
	jumps int
	mix   map[phase]int // phases seen
}

func newNetwork(t testing.TB, seed uint64, alice, bob Config) *network {
	n := &network{t: t, rng: draws(seed), mix: map[phase]int{}}
	n.side[0], n.side[1] = newPair(t, alice, bob)
	return n
}

func (n *network) send(from int) {
	n.queue[1-from] = append(n.queue[1-from], commitSend(n.t, n.side[from], n.rng))
	n.sent++
}

// take removes message i of those on the way.
func (n *network) take(to, i int) message {
	m := n.queue[to][i]
	n.queue[to] = append(n.queue[to][:i], n.queue[to][i+1:]...)
	return m
}

// deliver hands a message over, and then once more: that must be refused unless
// the message has no key.
func (n *network) deliver(to int, m message, again bool) {
	n.t.Helper()
	deliver(n.t, n.side[to], m)
	n.mix[n.side[to].machine.phase]++
	n.got++
	if again && m.keyed {
		if _, err := n.side[to].Receive(m.header); err == nil {
			n.t.Fatalf("%x was received twice", m.header)
		}
	}
}

func TestLossFree(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, 11, Config{}, Config{})
	for n.side[0].Epoch() < 9 {
		for from := range 2 {
			n.send(from)
			n.deliver(1-from, n.take(1-from, 0), true)
			n.side[from] = reload(t, n.side[from])
		}
	}
	// 43 or 44 messages each way an epoch, as Signal's library takes.
	if perEpoch := float64(n.sent) / 2 / 8; perEpoch < 42 || perEpoch > 46 {
		t.Errorf("%.1f messages each way per epoch", perEpoch)
	}
}

// TestLossyNetwork runs bursts with losses, duplicates, reordering and silence
// on one side; both sides agree on the key of whatever arrives.
func TestLossyNetwork(t *testing.T) {
	t.Parallel()
	for seed := uint64(100); seed < 112; seed++ {
		configs := [2]Config{}
		if seed%3 == 0 {
			configs[seed%2] = Config{AllowFallback: true}
		}
		n := newNetwork(t, seed, configs[0], configs[1])
		r := rand.New(draws(seed + 1000))
		loss := []float64{0, 0.1, 0.3, 0.6}[seed%4]
		for round := 0; n.side[0].Epoch() < 7 || n.side[1].Epoch() < 7; round++ {
			if round > 4000 {
				t.Fatalf("seed %d: stuck in epochs %d and %d", seed, n.side[0].Epoch(), n.side[1].Epoch())
			}
			from := r.IntN(2)
			for range 1 + r.IntN(9) {
				n.send(from)
			}
			n.deliverSome(r, loss)
			for i := range n.side {
				if round%3 == 0 {
					n.side[i] = reload(t, n.side[i])
				}
			}
		}
		if n.got == 0 || loss > 0 && n.lost == 0 {
			t.Errorf("seed %d: %d delivered, %d lost", seed, n.got, n.lost)
		}
		t.Logf("seed %d: loss %.1f, %d sent, %d delivered, %d lost, epoch %d, phases %v",
			seed, loss, n.sent, n.got, n.lost, n.side[0].Epoch(), n.mix)
	}
}

// deliverSome hands over part of what is on the way, not always in order. What
// has waited for more than two dozen messages counts as lost, so that no
// message is two epochs late.
func (n *network) deliverSome(r *rand.Rand, loss float64) {
	for to := range 2 {
		for len(n.queue[to]) > 24 {
			n.take(to, 0)
			n.lost++
		}
		for count := r.IntN(len(n.queue[to]) + 1); count > 0; count-- {
			i := 0
			if r.IntN(4) == 0 {
				i = r.IntN(len(n.queue[to]))
			}
			m := n.take(to, i)
			if r.Float64() < loss {
				n.lost++
				continue
			}
			n.deliver(to, m, r.IntN(3) == 0)
		}
	}
}

// TestOneSideSilent: a side that only sends repeats itself without end and
// gives all its keys; a side that only receives keeps up.
func TestOneSideSilent(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, 21, Config{}, Config{})
	for talker := range 2 {
		for range 200 {
			n.send(talker)
			n.deliver(1-talker, n.take(1-talker, 0), false)
		}
	}
	for n.side[0].Epoch() < 3 {
		exchange(t, n.side[0], n.side[1], n.rng)
	}
}
