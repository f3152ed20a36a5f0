//go:build !js

package interop_test

import (
	"slices"

	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// model knows, from the rules of docs/protocol.md sections 10 to 12 and from what
// messages show to everybody, which message each end must read and which it must
// refuse. It holds no secrets and calls no code of ours but the parsers.
type model struct {
	sides    [2]side
	sessions int // that began
}

// side is one end's view: the session it sends in, nil without one.
type side struct{ current *conversation }

// conversation is one session, from its bundle on.
type conversation struct {
	number int
	base   key.BasePublic // of its handshake, once seen
	halves [2]half
	last   uint64 // highest SPQR epoch of any message
}

// half is what an end keeps of a session.
type half struct {
	exists bool
	// pending: the end began the session and has read nothing in it.
	pending bool
	// chains of the other end, oldest first; gone are those that were dropped.
	chains, gone []key.RatchetPublic
	// sent is the highest key epoch that the end sent with.
	sent uint64
}

// parcel is a message on its way.
type parcel struct {
	session.Message
	envelope
	from   int
	talk   *conversation
	text   string
	opened bool
	// release is the round before which it is held back.
	release int
}

// begin puts a new session of an end in the place of the current one.
func (m *model) begin(i int) {
	m.archive(i)
	m.sessions++
	c := &conversation{number: m.sessions}
	// The peer's signed prekey stands as its first ratchet key and counts as a
	// chain; no message comes with it.
	c.halves[i] = half{exists: true, pending: true, chains: make([]key.RatchetPublic, 1)}
	m.sides[i].current = c
}

// archive puts the current session of an end aside. What it has not finished
// shaking hands for it never will.
func (m *model) archive(i int) {
	if c := m.sides[i].current; c != nil {
		c.halves[i].pending = false
	}
	m.sides[i].current = nil
}

// sent notes a message that an end encrypted in its current session, and says
// what is wrong with it.
func (m *model) sent(p *parcel) (wrong string) {
	c := m.sides[p.from].current
	p.talk = c
	h := &c.halves[p.from]
	if h.pending != (p.Kind == session.KindPreKey) {
		return "a message of the wrong kind"
	}
	if h.pending {
		if c.base.IsZero() {
			c.base = p.base
		}
		if c.base != p.base {
			return "a handshake with another base key than before"
		}
	}
	if p.epoch > 0 {
		if p.epoch < c.last && p.epoch+1 < c.last {
			return "an SPQR epoch that both ends had left"
		}
		c.last = max(c.last, p.epoch)
		h.sent = max(h.sent, p.epoch-1)
	}
	return ""
}

// verdict is what an end must do with a message.
type verdict int

const (
	reads verdict = iota
	duplicate
	tooLate
)

// judge says what the other end must do with a message.
func (m *model) judge(p *parcel) verdict {
	h := &p.talk.halves[1-p.from]
	switch {
	case slices.Contains(h.gone, p.ratchet):
		return tooLate
	case p.opened:
		return duplicate
	case p.index > 0 && p.epoch < h.sent:
		// A key epoch is kept until the end sends with the second after it.
		return tooLate
	}
	return reads
}

// read notes that the other end read a message.
func (m *model) read(p *parcel) {
	p.opened = true
	to := 1 - p.from
	h := &p.talk.halves[to]
	h.exists, h.pending = true, false
	if !slices.Contains(h.chains, p.ratchet) {
		h.chains = append(h.chains, p.ratchet)
		if n := len(h.chains) - ratchet.MaxChains; n > 0 {
			h.gone = append(h.gone, h.chains[:n]...)
			h.chains = h.chains[n:]
		}
	}
	if m.sides[to].current != p.talk {
		m.archive(to)
		m.sides[to].current = p.talk
	}
}
