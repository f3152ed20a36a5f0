//go:build !js

package interop_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
)

// scenes are played twice, either end being the first.
var scenes = []struct {
	name string
	run  func(p *play, first, second end)
}{
	{"talk", talk},
	{"both start at once", bothStart},
	{"both start at once, one in vain", bothStartOneLost},
	{"disorder", disorder},
	{"late by chains", lateByChains},
	{"start again", startAgain},
	{"stale", stale},
	{"lost session", lostSession},
	{"replayed handshake", replayedHandshake},
	{"sizes", sizes},
}

// talk: with each kind of bundle, the handshake goes with every message until
// the other end answers, and never after.
func talk(p *play, first, second end) {
	for _, of := range []offer{{true, false}, {false, false}, {true, true}, {false, true}} {
		p.start(first, of)
		for i := range 3 {
			p.expectKind(p.tell(first, fmt.Sprint("unanswered ", i, " with ", of)), session.KindPreKey)
		}
		p.expectKind(p.tell(second, "answer"), session.KindSignal)
		for i := range 5 {
			p.expectKind(p.tell(first, fmt.Sprint("first ", i)), session.KindSignal)
			p.expectKind(p.tell(second, fmt.Sprint("second ", i)), session.KindSignal)
		}
	}
	p.expectRegistrations()
}

func (p *play) expectKind(got, want session.Kind) {
	p.Helper()
	if got != want {
		p.Fatalf("received a message of kind %d, expected %d", got, want)
	}
}

// expectRegistrations: each end took down the other's registration id.
func (p *play) expectRegistrations() {
	p.Helper()
	var info struct{ LocalRegistrationID, RemoteRegistrationID uint32 }
	p.them.do("sessionInfo", p.them.request(), &info)
	if info.RemoteRegistrationID != p.us.RegistrationID || info.LocalRegistrationID != p.them.id {
		p.Errorf("the peer has registration ids %d and %d, expected %d and %d",
			info.LocalRegistrationID, info.RemoteRegistrationID, p.them.id, p.us.RegistrationID)
	}
	if got := p.us.rec.Registration(); got != p.them.id {
		p.Errorf("we have registration id %d, expected %d", got, p.them.id)
	}
}

// bothStart: two handshakes cross. Both are read, and after each end has
// answered once the two are in one session.
func bothStart(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	p.start(second, offer{oneTime: true})
	ones := []session.Message{p.send(first, "a0"), p.send(first, "a1")}
	others := []session.Message{p.send(second, "b0"), p.send(second, "b1")}
	for i := range 2 {
		p.read(second, ones[i], fmt.Sprint("a", i))
		p.read(first, others[i], fmt.Sprint("b", i))
	}
	p.converge(first)
	p.refuse(second, ones[0], "a handshake that crossed, again")
	p.refuse(first, others[1], "a handshake that crossed, again")
	p.converge(second)
}

// bothStartOneLost: the handshake of the second end never arrives.
func bothStartOneLost(p *play, first, second end) {
	p.start(first, offer{})
	p.start(second, offer{oneTime: true})
	m, late := p.send(first, "arrives"), p.send(second, "comes late")
	p.read(second, m, "arrives")
	p.converge(second)
	p.read(first, late, "comes late")
	p.converge(first)
}

// converge: whatever was before, three turns of silence around them bring both
// ends to one session that both acknowledge.
func (p *play) converge(from end) {
	p.Helper()
	to := p.other(from)
	for i := range 2 {
		p.tell(from, fmt.Sprint("turn ", i))
		p.tell(to, fmt.Sprint("turn back ", i))
	}
	p.expectKind(p.tell(from, "settled"), session.KindSignal)
	p.expectKind(p.tell(to, "settled"), session.KindSignal)
}

// disorder: bursts from both ends, shuffled, a third lost, each other one twice.
func disorder(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	for turn := range 4 {
		from := first
		if turn%2 == 1 {
			from = second
		}
		to := p.other(from)
		messages := make([]session.Message, 60)
		for i := range messages {
			messages[i] = p.send(from, fmt.Sprint(turn, ":", i))
		}
		for n, i := range p.rng.Perm(len(messages)) {
			if n%3 == 0 {
				p.suite.tally.lost.Add(1)
				continue
			}
			p.read(to, messages[i], fmt.Sprint(turn, ":", i))
			if n%2 == 0 {
				p.refuse(to, messages[i], "a duplicate")
			}
		}
	}
}

// lateByChains: an end keeps the last five chains of the other. A message is
// read when four later ones have begun, and not when a fifth has.
func lateByChains(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	p.tell(first, "begin")
	p.tell(second, "answer")
	for _, from := range []end{first, second} {
		to := p.other(from)
		p.tell(from, "a new chain")
		inTime, tooLate := p.send(from, "in time"), p.send(from, "too late")
		for turn := range ratchet.MaxChains {
			if turn == ratchet.MaxChains-1 {
				p.read(to, inTime, "in time")
			}
			p.tell(to, "turn")
			p.tell(from, "turn back")
		}
		p.refuse(to, tooLate, "a message of a chain that was dropped")
	}
}

// startAgain: an archived session encrypts nothing and opens what was under way;
// the next session has its own keys.
func startAgain(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	p.tell(first, "begin")
	p.tell(second, "answer")
	for i := range 5 {
		underWay, back := p.send(first, "under way"), p.send(second, "back")
		old := open(p.T, underWay).ratchet
		first.archive()
		p.expectNoSession(first)
		p.start(first, offer{oneTime: i%2 == 0, lastResort: i == 3})
		m := p.send(first, "again")
		if e := open(p.T, m); m.Kind != session.KindPreKey || e.ratchet == old || e.counter != 0 {
			p.Fatalf("after a new start the message has kind %d and counter %d", m.Kind, e.counter)
		}
		p.read(second, m, "again")
		p.read(second, underWay, "under way")
		p.read(first, back, "back")
		p.converge(first)
	}
}

func (p *play) expectNoSession(e end) {
	p.Helper()
	if _, err := e.encrypt([]byte("to nobody")); err == nil {
		p.Fatalf("%s encrypts, expected that it asks for a bundle", e)
	}
}

// stale: a session that was never answered is good for thirty days to the
// second; one that was is good for ever.
func stale(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	first.wait(session.MaxUnacknowledged)
	m := p.send(first, "on the last day")
	first.wait(time.Second)
	p.expectNoSession(first)
	p.read(second, m, "on the last day")
	p.tell(second, "answer")
	p.tell(first, "an answer makes it good")
	first.wait(100 * session.MaxUnacknowledged)
	p.expectKind(p.tell(first, "for ever"), session.KindSignal)
}

// lostSession: an end that lost its sessions reads nothing of them, and is
// reached again by a new one.
func lostSession(p *play, first, second end) {
	p.start(first, offer{oneTime: true})
	p.tell(first, "begin")
	p.tell(second, "answer")
	second.forget()
	err := p.refuse(second, p.send(first, "to nobody"), "a message of a session it lost")
	if second == end(p.us) && !errors.Is(err, session.ErrNoSession) {
		p.Errorf("we refuse it as %v, expected ErrNoSession", errors.Unwrap(err))
	}
	p.expectNoSession(second)
	p.start(second, offer{oneTime: true})
	p.expectKind(p.tell(second, "here again"), session.KindPreKey)
	p.converge(first)
}

// replayedHandshake: with its session gone, a handshake does not open again: its
// one-time keys are gone, and a last-resort key remembers it.
func replayedHandshake(p *play, first, second end) {
	for _, of := range []offer{{true, false}, {false, false}, {true, true}, {false, true}} {
		p.start(first, of)
		m := p.send(first, "once")
		p.read(second, m, "once")
		p.refuse(second, m, "a duplicate handshake")
		second.forget()
		if of == (offer{false, true}) && second == end(p.them) && !p.peer.remembersLastResort() {
			continue
		}
		p.refuse(second, m, "a replayed handshake with "+of.String())
	}
}

// sizes: texts of every length around the block of the cipher, empty and long.
func sizes(p *play, first, second end) {
	p.start(first, offer{})
	for n := range 34 {
		p.tell(first, strings.Repeat("x", n))
		p.tell(second, strings.Repeat("y", n))
	}
	p.tell(first, strings.Repeat("long ", ratchet.MaxPlaintext/5))
	p.tell(second, strings.Repeat("back ", ratchet.MaxPlaintext/5))
}
