package mailbox

import (
	"context"
	"sync/atomic"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Verdict is what became of a send.
type Verdict uint8

// Only Accepted has changed anything.
const (
	Accepted    Verdict = iota + 1
	Stale               // the set or a head is not current: Detail, OwnHead, PeerHead
	NotOpen             // the chat takes no messages
	NotFound            // no such chat of this account
	NotLinked           // the sender is no device of its account any more
	Full                // a recipient's mailbox has no room
	Unavailable         // the database did not answer; the line is broken
)

// Outcome answers a send.
type Outcome struct {
	Verdict  Verdict
	Detail   wire.Detail
	OwnHead  wire.LogHead
	PeerHead wire.LogHead
	// Repeated says that this send had been taken before.
	Repeated bool
	// Recipients are the devices of the envelopes, in their order, when the send
	// was taken just now.
	Recipients []messaging.Address
}

// Line is the stream of sends of one connection. They are judged and stored in
// the order in which they were put. After a send whose fate is unknown the line
// is broken and takes no more, because what follows would overtake it: the
// connection ends, and its client sends again what was not accepted.
type Line struct {
	mailbox *Mailbox
	from    owner
	writer  *writer
	broken  atomic.Bool
}

// Line begins a stream of sends of a device.
func (m *Mailbox) Line(id tenant.ID, from messaging.Address) *Line {
	key := owner{id, from}
	return &Line{mailbox: m, from: key, writer: m.writer(key)}
}

// op is one send on its way through a writer.
type op struct {
	line *Line
	send *wire.Send
	done func(Outcome)
	out  Outcome
	set  []target // filled by the judge when the send is to be stored
}

// Put queues a send and returns; it waits while the writer's queue is full.
// done is called once, by the writer, when the fate of the send is decided; the
// send and the bytes that it points into belong to the mailbox until then. When
// Put returns an error done is not called.
func (l *Line) Put(ctx context.Context, send *wire.Send, done func(Outcome)) error {
	o := &op{line: l, send: send, done: done}
	l.writer.entry.RLock() // Close takes no send after the writer has looked for the last time
	defer l.writer.entry.RUnlock()
	select {
	case <-l.mailbox.stop:
		return ErrClosed
	default:
	}
	select {
	case l.writer.sends <- o:
		return nil
	case <-l.mailbox.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// key names a send for as long as its receipt lives.
type key struct {
	owner
	message messaging.MessageID
}

func (o *op) key() key { return key{o.line.from, o.send.MessageID} }

func (o *op) finish() { o.done(o.out) }

// fail ends a send whose fate is unknown.
func (o *op) fail() {
	o.line.broken.Store(true)
	o.out = Outcome{Verdict: Unavailable}
	o.finish()
}
