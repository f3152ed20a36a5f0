package session_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// maxScript is how many steps of a conversation one fuzz input makes: enough for
// two key epochs of the post-quantum ratchet.
const maxScript = 400

// conversation is two devices and what is on its way between them. Bytes script
// what happens.
type conversation struct {
	t     testing.TB
	sides [2]*device
	queue [2][]letter // for each side, what was sent to it
	count int
	shown map[string]bool
	chain [2]int               // how many chains each side has written in
	last  [2]key.RatchetPublic // the key of its last one
}

// letter is a message on its way and what it says.
type letter struct {
	m     session.Message
	says  string
	chain int
}

func newConversation(t testing.TB) *conversation {
	c := &conversation{t: t, shown: map[string]bool{}}
	c.sides[0], c.sides[1] = pair(t, 50)
	return c
}

// step does one thing: the lowest bit of op says on which side.
func (c *conversation) step(op, detail byte) {
	side := int(op & 1)
	d, other := c.sides[side], c.sides[1-side]
	switch op >> 1 % 8 {
	case 0, 1:
		if !d.rec.Usable(other.peer(), epoch) {
			d.start(c.t, other, offer{oneTime: detail&1 == 0, lastResort: detail&2 == 0})
		}
		c.count++
		says := fmt.Sprintf("%d says %d", side, c.count)
		m := d.send(c.t, other, says)
		if k := must(session.RatchetKeyOf(m))(c.t); k != c.last[side] {
			c.chain[side], c.last[side] = c.chain[side]+1, k
		}
		c.queue[1-side] = append(c.queue[1-side], letter{m, says, c.chain[side]})
	case 2, 3:
		c.deliver(side, 0)
	case 4:
		c.deliver(side, int(detail))
	case 5:
		c.corrupt(side, detail)
	case 6:
		d.rec = must(session.ParseRecord(encode(c.t, d.rec)))(c.t)
	case 7:
		if detail%8 == 0 {
			d.start(c.t, other, offer{oneTime: true})
		} else if detail%8 == 1 {
			d.rec = d.rec.Archive()
		}
	}
}

// deliver hands over a message, which may have been handed over before.
func (c *conversation) deliver(side, index int) {
	if len(c.queue[side]) == 0 {
		return
	}
	index %= len(c.queue[side])
	l := c.queue[side][index]
	if index%3 != 1 { // else it stays, and is delivered again
		c.queue[side] = append(c.queue[side][:index:index], c.queue[side][index+1:]...)
	}
	d, from := c.sides[side], c.sides[1-side]
	got, err := d.Decrypt(d.rand, d.rec, from.peer(), l.m, d.keys)
	switch {
	case err != nil && !errors.Is(err, messaging.ErrInvalid):
		c.t.Fatalf("%v is not of the class for strangers", err)
	case err != nil && !c.shown[l.says] && c.chain[1-side]-l.chain < ratchet.MaxChains:
		// Later than that its chain, or its session, may have made room.
		c.t.Fatalf("%q was never read and is refused: %v (%v)", l.says, err, errors.Unwrap(err))
	case err == nil && string(got.Plaintext) != l.says:
		c.t.Fatalf("%q became %q", l.says, got.Plaintext)
	case err == nil && c.shown[l.says]:
		c.t.Fatalf("%q was read twice", l.says)
	case err == nil:
		c.shown[l.says] = true
		d.rec = got.Record
		d.keys.apply(got)
	}
}

// corrupt hands over a message with one bit changed and keeps the good one.
func (c *conversation) corrupt(side int, detail byte) {
	if len(c.queue[side]) == 0 {
		return
	}
	l := c.queue[side][int(detail)%len(c.queue[side])]
	d, from := c.sides[side], c.sides[1-side]
	at := int(detail) * 7919 % len(l.m.Body)
	before := encode(c.t, d.rec)
	got, err := d.Decrypt(d.rand, d.rec, from.peer(), flip(l.m, at, int(detail)%8), d.keys)
	if err == nil && (l.m.Kind == session.KindSignal || string(got.Plaintext) != l.says) {
		c.t.Fatalf("byte %d of a message of kind %d changed, and it was read as %q", at, l.m.Kind, got.Plaintext)
	}
	if err != nil && !errors.Is(err, messaging.ErrInvalid) {
		c.t.Fatalf("%v is not of the class for strangers", err)
	}
	if string(before) != string(encode(c.t, d.rec)) {
		c.t.Fatal("a record changed")
	}
}

// FuzzConversation: whatever happens on the way, each message that does not come
// too late is read, none is read twice or otherwise than it was written, and the two sides end on one session.
func FuzzConversation(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 5, 0, 1, 0, 4, 0, 0, 0, 5, 0})
	f.Add([]byte{0, 0, 1, 0, 4, 0, 5, 0, 0, 0, 1, 0, 4, 0, 5, 0})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 9, 2, 9, 1, 11, 200, 13, 0, 9, 0, 1, 0, 4, 0, 14, 0, 0, 0, 5, 0, 15, 1, 1, 0, 4, 0})
	long := make([]byte, 0, 2*maxScript)
	for i := range maxScript / 4 {
		long = append(long, 0, byte(i), 5, 0, 1, 0, 4, 0)
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, script []byte) {
		c := newConversation(t)
		for n := 0; len(script) >= 2 && n < maxScript; n++ {
			c.step(script[0], script[1])
			script = script[2:]
		}
		for side, d := range c.sides {
			if !d.rec.Usable(c.sides[1-side].peer(), epoch) {
				d.start(t, c.sides[1-side], offer{})
			}
		}
		if n := exchangesToAgree(t, c.sides[0], c.sides[1]); n > 10 {
			t.Fatalf("%d exchanges until both use one session", n)
		}
	})
}
