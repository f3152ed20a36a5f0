//go:build !js

package interop_test

import (
	"fmt"
	"hash/fnv"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// suite is one run of everything.
type suite struct {
	seed   uint64
	rounds int
	tally  tally
}

// tally counts over all plays.
type tally struct {
	exchanged atomic.Int64 // messages encrypted by one side and read by the other
	refused   atomic.Int64 // messages that had to be refused and were
	lost      atomic.Int64 // messages that were not delivered
	sessions  atomic.Int64
	epochs    atomic.Int64 // SPQR epochs completed, over all sessions
	failures  atomic.Int64 // plays that went otherwise than they must
}

func (c *tally) String() string {
	return fmt.Sprintf("%d messages exchanged, %d failures (%d refused as they must be, %d lost on purpose, %d sessions, %d SPQR epochs)",
		c.exchanged.Load(), c.failures.Load(), c.refused.Load(), c.lost.Load(), c.sessions.Load(), c.epochs.Load())
}

// TestInterop plays with each build of the peer. Its last line of log is the tally.
func TestInterop(t *testing.T) {
	s := &suite{seed: seed(t), rounds: rounds(t)}
	t.Cleanup(func() {
		if t.Failed() && s.tally.failures.Load() == 0 {
			s.tally.failures.Add(1) // not even a peer
		}
		t.Logf("interop: %s", &s.tally)
	})
	peers := start(t)
	t.Logf("interop: INTEROP_SEED=%d INTEROP_ROUNDS=%d", s.seed, s.rounds)
	t.Run("peers", func(t *testing.T) {
		for _, peer := range peers {
			t.Run(peer.hello.Libsignal, func(t *testing.T) {
				t.Parallel()
				s.build(t, peer)
			})
		}
	})
}

// build plays everything with one build: what depends on no session once, the
// sessions in each of the ways in which we can talk.
func (s *suite) build(t *testing.T, peer *process) {
	all := profiles(peer)
	for _, play := range keyPlays {
		s.play(t, all[0], play.name, play.run)
	}
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			for _, scene := range scenes {
				s.play(t, p, scene.name+"/we first", func(p *play) { scene.run(p, p.us, p.them) })
				s.play(t, p, scene.name+"/peer first", func(p *play) { scene.run(p, p.them, p.us) })
			}
			for _, play := range plays {
				if !play.heavy || p.affords() {
					s.play(t, p, play.name, play.run)
				}
			}
		})
	}
	for _, mismatch := range mismatches(peer) {
		s.play(t, mismatch, "mismatch/"+mismatch.name, (*play).mismatch)
	}
}

// play is one test with two new devices.
type play struct {
	*testing.T
	profile
	suite *suite
	rng   *mathrand.Rand
	us    *ours
	them  *theirs
}

// play runs f with two devices that never met. What it draws follows from the
// seed and the names.
func (s *suite) play(t *testing.T, p profile, name string, f func(*play)) {
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				s.tally.failures.Add(1)
				t.Logf("to repeat: INTEROP_SEED=%d INTEROP_ROUNDS=%d", s.seed, s.rounds)
			}
		})
		_, path, _ := strings.Cut(t.Name(), "/")
		h := fnv.New64a()
		h.Write([]byte(path))
		x := &play{T: t, profile: p, suite: s, rng: mathrand.New(mathrand.NewPCG(s.seed, h.Sum64()))}
		x.us, x.them = x.meet()
		f(x)
	})
}

// meet makes two devices that know each other's address and identity key.
func (p *play) meet() (*ours, *theirs) {
	p.Helper()
	us := newOurs(p.T, p.source(), p.newAddress(), uint32(1+p.rng.IntN(key.MaxRegistrationID)), p.config)
	them := newTheirs(p.T, p.peer, p.newAddress(), p.flag)
	p.introduce(us, them)
	return us, them
}

func (p *play) introduce(us *ours, them *theirs) {
	p.Helper()
	identity, err := key.ParsePublic[key.RoleIdentity](them.identity)
	if err != nil {
		p.Fatalf("the peer's identity key: %v", err)
	}
	us.peer = session.Peer{Address: them.at, Identity: identity}
	them.remote = us.Address
}

// source returns repeatable random bytes.
func (p *play) source() *mathrand.ChaCha8 {
	var key [32]byte
	for i := range key {
		key[i] = byte(p.rng.Uint32())
	}
	return mathrand.NewChaCha8(key)
}

func (p *play) newAddress() (a messaging.Address) {
	for i := range a.Account {
		a.Account[i] = byte(p.rng.Uint32())
	}
	a.Device = 1 + messaging.DeviceID(p.rng.IntN(int(messaging.MaxDeviceID)))
	return a
}

// other is the end that an end talks to.
func (p *play) other(e end) end {
	if e == end(p.us) {
		return p.them
	}
	return p.us
}

// start lets an end begin a session with a new bundle of the other.
func (p *play) start(from end, of offer) {
	p.Helper()
	if err := from.start(p.other(from).bundle(of)); err != nil {
		p.Fatalf("%s refuses a bundle: %v", from, reason(err))
	}
	p.suite.tally.sessions.Add(1)
}

// send encrypts a text.
func (p *play) send(from end, text string) session.Message {
	p.Helper()
	m, err := from.encrypt([]byte(text))
	if err != nil {
		p.Fatalf("%s does not encrypt: %v", from, reason(err))
	}
	return m
}

// read delivers a message that must say text.
func (p *play) read(to end, m session.Message, text string) {
	p.Helper()
	got, err := to.decrypt(m)
	if err != nil {
		p.Fatalf("%s refuses %s: %v", to, describe(m), reason(err))
	}
	if string(got) != text {
		p.Fatalf("%s reads %q, expected %q", to, clip(got), clip([]byte(text)))
	}
	p.suite.tally.exchanged.Add(1)
}

// tell sends a text and delivers it, and returns the kind of message it was.
func (p *play) tell(from end, text string) session.Kind {
	p.Helper()
	m := p.send(from, text)
	p.read(p.other(from), m, text)
	return m.Kind
}

// refuse delivers a message that must be refused.
func (p *play) refuse(to end, m session.Message, what string) error {
	p.Helper()
	got, err := to.decrypt(m)
	if err == nil {
		p.Fatalf("%s reads %s as %q, expected a refusal", to, what, clip(got))
	}
	p.suite.tally.refused.Add(1)
	return err
}

func clip(b []byte) []byte { return b[:min(len(b), 64)] }

// reason unwraps what the outside may not see.
func reason(err error) string {
	text := err.Error()
	if u, ok := err.(interface{ Unwrap() error }); ok {
		text += fmt.Sprintf(" (%v)", u.Unwrap())
	}
	return text
}
