//go:build !js

package interop_test

import (
	"errors"
	"slices"

	"github.com/sottochat/sotto/messaging/client/session"
)

const (
	// maxUnderWay bounds the messages on their way, so that none is late by more
	// sessions than an end keeps.
	maxUnderWay = 150
	// maxSessionsLate is how many sessions may begin before a message of an
	// earlier one is given up: an end keeps session.MaxArchived.
	maxSessionsLate = session.MaxArchived / 2
	// minEpochs is how many exchanges the default schedule must complete. Ten are
	// usual, but a seed may begin many sessions; the play "epochs" sees to more in one.
	minEpochs = 1
)

// schedule is a random conversation over a network that loses, doubles, reorders
// and holds back, while both ends now and then start again, at once even. The
// model says of every message what must become of it.
type schedule struct {
	*play
	model    model
	ends     [2]end
	underWay []*parcel
	held     []*parcel
	talks    map[*conversation]bool
	round    int
}

func (p *play) schedule() {
	s := &schedule{play: p, ends: [2]end{p.us, p.them}, talks: map[*conversation]bool{}}
	s.begin(p.rng.IntN(2))
	for s.round = range p.suite.rounds {
		s.step()
		s.release(false)
	}
	s.release(true)
	for len(s.underWay) > 0 {
		s.deliver(0)
	}
	s.settle()

	epochs := 0
	for talk := range s.talks {
		epochs += int(max(talk.last, 1) - 1)
	}
	p.suite.tally.epochs.Add(int64(epochs))
	if p.spqr && p.suite.rounds >= defaultRounds && epochs < minEpochs {
		p.Errorf("the schedule completed %d SPQR epochs, expected %d and more", epochs, minEpochs)
	}
}

// step plays one round.
func (s *schedule) step() {
	switch x := s.rng.IntN(1000); {
	case x < 2:
		s.begin(s.rng.IntN(2))
	case x < 3:
		first := s.rng.IntN(2)
		s.begin(first)
		s.begin(1 - first)
		s.burst(first)
		s.burst(1 - first)
	case x < 4:
		s.archive(s.rng.IntN(2))
	case x < 8:
		s.outage(s.rng.IntN(2))
	case x < 500 && len(s.underWay) < maxUnderWay:
		s.burst(s.rng.IntN(2))
	default:
		for range 1 + s.rng.IntN(4) {
			s.network()
		}
	}
}

// begin lets an end start a session with a new bundle of any kind.
func (s *schedule) begin(i int) {
	s.Helper()
	s.start(s.ends[i], offer{oneTime: s.rng.IntN(3) > 0, lastResort: s.rng.IntN(3) == 0})
	s.model.begin(i)
	s.talks[s.model.sides[i].current] = true
}

func (s *schedule) archive(i int) {
	s.Helper()
	if s.model.sides[i].current == nil {
		return
	}
	s.ends[i].archive()
	s.model.archive(i)
	s.expectNoSession(s.ends[i])
}

// outage loses everything that an end has under way.
func (s *schedule) outage(i int) {
	before := len(s.underWay)
	s.underWay = slices.DeleteFunc(s.underWay, func(p *parcel) bool { return p.from == i })
	s.suite.tally.lost.Add(int64(before - len(s.underWay)))
}

// burst sends a few messages.
func (s *schedule) burst(i int) {
	s.Helper()
	if s.model.sides[i].current == nil {
		s.begin(i)
	}
	for range 1 + s.rng.IntN(4) {
		text := s.text()
		p := &parcel{from: i, text: text, Message: s.send(s.ends[i], text)}
		p.envelope = open(s.T, p.Message)
		if wrong := s.model.sent(p); wrong != "" {
			s.Fatalf("round %d: %s sends %s, in session %d", s.round, s.ends[i], wrong, p.talk.number)
		}
		s.underWay = append(s.underWay, p)
	}
}

// text is short most of the time.
func (s *schedule) text() string {
	sizes := []int{0, 1, 15, 16, 17, 60, 100, 160, 300, 1000, 4000}
	b := make([]byte, sizes[s.rng.IntN(len(sizes))])
	for i := range b {
		b[i] = ' ' + byte(s.rng.IntN(95))
	}
	return string(b)
}

// network does with one message under way what networks do.
func (s *schedule) network() {
	s.Helper()
	if len(s.underWay) == 0 {
		return
	}
	at := 0
	if s.rng.IntN(4) == 0 {
		at = s.rng.IntN(len(s.underWay))
	}
	switch x := s.rng.IntN(100); {
	case x < 5:
		s.take(at)
		s.suite.tally.lost.Add(1)
	case x < 9: // and once more later
		again := s.underWay[at]
		s.deliver(at)
		s.insert(again)
	case x < 12:
		p := s.take(at)
		p.release = s.round + 10 + s.rng.IntN(200)
		s.held = append(s.held, p)
	default:
		s.deliver(at)
	}
}

func (s *schedule) take(at int) *parcel {
	p := s.underWay[at]
	s.underWay = slices.Delete(s.underWay, at, at+1)
	return p
}

func (s *schedule) insert(p *parcel) {
	s.underWay = slices.Insert(s.underWay, s.rng.IntN(len(s.underWay)+1), p)
}

// release lets go of what was held back long enough.
func (s *schedule) release(all bool) {
	rest := s.held[:0]
	for _, p := range s.held {
		if all || p.release <= s.round {
			s.insert(p)
		} else {
			rest = append(rest, p)
		}
	}
	s.held = rest
}

// deliver hands a message over and compares with what the model says.
func (s *schedule) deliver(at int) {
	s.Helper()
	p := s.take(at)
	if s.model.sessions-p.talk.number > maxSessionsLate {
		s.suite.tally.lost.Add(1)
		return
	}
	to := s.ends[1-p.from]
	switch judged := s.model.judge(p); judged {
	case reads:
		s.read(to, p.Message, p.text)
		s.model.read(p)
	default:
		err := s.refuse(to, p.Message, "a message that comes too late or again")
		if judged == duplicate && to == s.ends[0] && !errors.Is(err, session.ErrDuplicate) {
			s.Fatalf("round %d: we refuse a duplicate as %v", s.round, reason(err))
		}
	}
}

// settle: with the network quiet, both ends come to one session.
func (s *schedule) settle() {
	s.Helper()
	for i := range s.ends {
		if s.model.sides[i].current == nil {
			s.begin(i)
		}
	}
	for range 3 {
		for i := range s.ends {
			s.burst(i)
			for len(s.underWay) > 0 {
				s.deliver(0)
			}
		}
	}
	if a, b := s.model.sides[0].current, s.model.sides[1].current; a != b {
		s.Errorf("the ends settle on sessions %d and %d, expected one", a.number, b.number)
	}
	s.converge(s.ends[0])
}
