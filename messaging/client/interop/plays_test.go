//go:build !js

package interop_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// plays are those that have sides of their own.
var plays = []struct {
	name  string
	run   func(*play)
	heavy bool
}{
	{name: "epochs", run: (*play).epochs},
	{name: "jump", run: (*play).jump, heavy: true},
	{name: "skipped keys", run: (*play).skippedKeys, heavy: true},
	{name: "session with oneself", run: (*play).withOneself, heavy: true},
	{name: "addresses", run: (*play).addresses},
	{name: "another identity", run: (*play).anotherIdentity},
	{name: "damage", run: (*play).damage},
	{name: "schedule", run: (*play).schedule},
}

const (
	// epochsPlayed is how many exchanges one session completes; an exchange takes
	// about 43 messages each way when none is lost.
	epochsPlayed = 4
	// maxEpochMessages is far more than they take with a fifth of all lost.
	maxEpochMessages = 2000
)

// epochs: one session, a fifth of all messages lost, until both ends have gone
// through several exchanges; or, without SPQR, no message shows a header but
// those before it was given up.
func (p *play) epochs() {
	p.start(p.us, offer{oneTime: true})
	p.tell(p.us, "begin")
	p.tell(p.them, "answer")
	var seen [2]uint64
	for n := range maxEpochMessages {
		for i, from := range []end{p.us, p.them} {
			text := fmt.Sprint("message ", n)
			m := p.send(from, text)
			if e := open(p.T, m); e.epoch > seen[i] {
				seen[i] = e.epoch
			}
			if p.rng.IntN(5) == 0 {
				p.suite.tally.lost.Add(1)
				continue
			}
			p.read(p.other(from), m, text)
		}
		if !p.spqr && n == 100 {
			if seen != [2]uint64{} {
				p.Fatalf("messages show SPQR epochs %v, expected none", seen)
			}
			return
		}
		if min(seen[0], seen[1]) > epochsPlayed {
			p.suite.tally.epochs.Add(int64(min(seen[0], seen[1]) - 1))
			return
		}
	}
	p.Fatalf("after %d messages each way the ends are in epochs %v, expected both past %d", maxEpochMessages, seen, epochsPlayed)
}

// jump: the peer follows as far ahead as Signal's limit and no further, and
// keeps the newest 2000 keys of those it skipped. SPQR counts from 1, so with it
// the limit comes one message earlier (docs/protocol.md section 10.4); while it is
// negotiated nothing is counted.
func (p *play) jump() {
	p.start(p.us, offer{oneTime: true})
	p.tell(p.us, "begin")
	limit := ratchet.MaxJump
	if p.spqr && p.config.SPQR == session.Required {
		limit--
	}
	sent := make([]session.Message, limit+2)
	for i := range sent {
		sent[i] = p.send(p.us, fmt.Sprint(i))
	}
	p.refuse(p.them, sent[limit+1], "a message past the limit of skipping")
	p.read(p.them, sent[limit], fmt.Sprint(limit))
	p.read(p.them, sent[limit-1], fmt.Sprint(limit-1))
	p.read(p.them, sent[limit-ratchet.MaxSkipped], fmt.Sprint(limit-ratchet.MaxSkipped))
	p.refuse(p.them, sent[limit-ratchet.MaxSkipped-1], "a message whose key is no longer kept")
	p.converge(p.them)
}

// skippedKeys: of the messages that we skipped the newest 2000 can be read, in
// any order.
func (p *play) skippedKeys() {
	p.start(p.them, offer{oneTime: true})
	p.tell(p.them, "begin")
	p.tell(p.us, "answer")
	sent := make([]session.Message, ratchet.MaxSkipped+2)
	for i := range sent {
		sent[i] = p.send(p.them, fmt.Sprint(i))
	}
	last := len(sent) - 1
	p.read(p.us, sent[last], fmt.Sprint(last))
	if err := p.refuse(p.us, sent[0], "a message whose key is no longer kept"); !errors.Is(err, session.ErrDuplicate) {
		p.Errorf("we refuse it as %v, expected ErrDuplicate", reason(err))
	}
	p.read(p.us, sent[1], "1")
	for _, i := range p.rng.Perm(last - 2)[:100] {
		p.read(p.us, sent[2+i], fmt.Sprint(2+i))
	}
	p.converge(p.us)
}

// affords leaves heavy plays to the builds that are fast at them: earlier ones
// take ten times as long to skip 25,000 messages. Without SPQR the limit is
// another, so one of them plays too.
func (p *profile) affords() bool {
	return !testing.Short() && (p.peer.demandsSPQR() || !p.spqr && !p.peer.asksOnSPQR())
}

// withOneself: two devices of one account with one identity key, as Signal's
// library allows, have no such limit.
func (p *play) withOneself() {
	account := p.us.Address.Account
	p.them.at = messaging.Address{Account: account, Device: p.us.Address.Device%messaging.MaxDeviceID + 1}
	var made struct {
		RegistrationID uint32
		IdentityPublic []byte
	}
	p.them.do("newIdentity", struct {
		party
		IdentityPrivate []byte `json:"identityPrivate"`
	}{partyOf(p.them.at), p.us.Identity.Bytes()}, &made)
	p.them.identity, p.them.id = made.IdentityPublic, made.RegistrationID
	p.introduce(p.us, p.them)

	p.start(p.us, offer{oneTime: true})
	p.tell(p.us, "begin")
	p.tell(p.them, "answer")
	for range ratchet.MaxJump + 100 {
		p.send(p.us, "lost")
	}
	p.tell(p.us, "far ahead")
	p.converge(p.them)
}

// addresses: a handshake that names its two devices is refused at another
// address, by the builds that know the field and by ours.
func (p *play) addresses() {
	moved := func(a messaging.Address) messaging.Address {
		a.Device = a.Device%messaging.MaxDeviceID + 1
		return a
	}
	p.start(p.us, offer{oneTime: true})
	m := p.send(p.us, "to them")
	names := p.config.Addresses != session.Off
	if got := open(p.T, m).addresses > 0; got != names {
		p.Errorf("our handshake names addresses: %v, expected %v", got, names)
	}
	if names && p.peer.hasAddresses() {
		if _, err := p.them.decryptFrom(moved(p.us.Address), m); err == nil {
			p.Error("the peer takes our handshake at another address")
		}
		p.suite.tally.refused.Add(1)
	}
	p.read(p.them, m, "to them")

	p.us.forget()
	p.them.forget()
	p.start(p.them, offer{oneTime: true})
	m = p.send(p.them, "to us")
	names = p.peer.hasAddresses()
	if got := open(p.T, m).addresses > 0; got != names {
		p.Errorf("the peer's handshake names addresses: %v, expected %v", got, names)
	}
	if names {
		elsewhere := p.us.peer
		elsewhere.Address = moved(elsewhere.Address)
		if _, err := p.us.decryptFrom(elsewhere, m); !errors.Is(err, session.ErrAddress) {
			p.Errorf("the peer's handshake at another address: %v, expected ErrAddress", err)
		}
		p.suite.tally.refused.Add(1)
	}
	p.read(p.us, m, "to us")
}

// anotherIdentity: who is at an address with another key than before is refused
// by both ends, with its bundle and with its handshake.
func (p *play) anotherIdentity() {
	p.start(p.us, offer{oneTime: true})
	p.tell(p.us, "begin")
	p.tell(p.them, "answer")

	stranger := newOurs(p.T, p.source(), p.us.Address, p.us.RegistrationID, p.config)
	stranger.peer = p.us.peer
	if err := p.them.start(stranger.bundle(offer{})); err == nil {
		p.Error("the peer starts a session with another identity key at our address")
	}
	if err := stranger.start(p.them.bundle(offer{oneTime: true})); err != nil {
		p.Fatal(reason(err))
	}
	p.refuse(p.them, p.send(stranger, "it is me"), "a handshake under our address")

	listed := p.us.peer
	p.them = newTheirs(p.T, p.peer, p.them.at, p.flag)
	p.them.remote = p.us.Address
	b := p.them.bundle(offer{oneTime: true})
	if err := p.us.start(b); !errors.Is(err, key.ErrIdentity) {
		p.Errorf("a bundle of another identity key: %v, expected ErrIdentity", err)
	}
	p.start(p.them, offer{oneTime: true})
	p.us.peer = listed
	if err := p.refuse(p.us, p.send(p.them, "it is me"), "a handshake under the peer's address"); !errors.Is(err, session.ErrUntrusted) {
		p.Errorf("a handshake of another identity key: %v, expected ErrUntrusted", reason(err))
	}
}

// mismatches are ways in which an end and a build cannot talk.
func mismatches(peer *process) []profile {
	config := func(spqr session.Demand) session.Config {
		return session.Config{SPQR: spqr, Addresses: session.Off}
	}
	switch {
	case peer.demandsSPQR():
		return []profile{{name: "we lack SPQR", peer: peer, config: config(session.Off)}}
	case peer.asksOnSPQR():
		return []profile{{name: "we demand SPQR", peer: peer, config: config(session.Required)}}
	}
	return nil
}

// mismatch: neither end reads what the other sends.
func (p *play) mismatch() {
	for _, from := range []end{p.us, p.them} {
		p.start(from, offer{oneTime: true})
		err := p.refuse(p.other(from), p.send(from, "in vain"), "a handshake without what it demands")
		if p.config.SPQR == session.Required && from == end(p.them) && !errors.Is(err, session.ErrRatchet) {
			p.Errorf("we refuse it as %v, expected ErrRatchet", reason(err))
		}
	}
	if !p.peer.hasAddresses() {
		p.us.Config = session.Config{SPQR: session.Optional, Addresses: session.Required}
		p.start(p.them, offer{})
		if err := p.refuse(p.us, p.send(p.them, "in vain"), "a handshake without addresses"); !errors.Is(err, session.ErrAddress) {
			p.Errorf("we refuse it as %v, expected ErrAddress", reason(err))
		}
	}
}
