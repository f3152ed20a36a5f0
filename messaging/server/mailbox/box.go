package mailbox

import (
	"context"
	"sync"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Item is one row of a mailbox: an envelope, or a notice that must be shown.
// Its position is that of the delivery: 1, 2, 3 … on one connection. Where the
// row stands in the database is told to nobody.
type Item struct {
	Envelope wire.Delivered
	Notice   *wire.Notice // nil: an envelope
}

// Size bounds the bytes that the item takes in a frame.
func (i *Item) Size() int {
	if i.Notice != nil {
		return wire.DeliveredOverhead + noticeSize
	}
	return wire.DeliveredOverhead + len(i.Envelope.Body)
}

// noticeSize bounds the fields of a notice beside its header.
const noticeSize = 160

// Batch is what Next gives.
type Batch struct {
	Items []Item
	// More says that more waits, or may.
	More bool
	// Queued is about how many envelopes wait, when it was asked for.
	Queued int
	// Gone says that the account's log no longer has the device, Suspended that
	// account or tenant is. There are no items then.
	Gone, Suspended bool
}

// Box is the reading side of one device's mailbox on one connection: it gives
// each row once, in the order of positions, and takes acknowledgements. Rows
// that are not acknowledged come again in the next Box.
type Box struct {
	mailbox *Mailbox
	owner   owner

	mu      sync.Mutex
	last    uint64             // number of the newest delivery
	unacked map[uint64]int64   // delivery to position
	passed  map[int64]struct{} // rows given and, as far as known, not yet deleted
}

// Box begins to read a device's mailbox.
func (m *Mailbox) Box(id tenant.ID, of messaging.Address) *Box {
	return &Box{mailbox: m, owner: owner{id, of}}
}

// Unacked returns how many deliveries are not acknowledged.
func (b *Box) Unacked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.unacked)
}

// Next returns rows that this Box has not given yet: at most limit, and no more
// than budget bytes of frame unless the first alone is larger. It is called by
// one goroutine at a time.
func (b *Box) Next(ctx context.Context, limit, budget int, count bool) (Batch, error) {
	r := &read{box: b, ctx: ctx, limit: limit, budget: budget, count: count, done: make(chan struct{})}
	select {
	case b.mailbox.reads <- r:
	case <-b.mailbox.stop:
		return Batch{}, ErrClosed
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
	select {
	case <-r.done:
		return r.batch, r.err
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	case <-b.mailbox.stop:
		return Batch{}, ErrClosed
	}
}

// passedList returns the rows that a read leaves out.
func (b *Box) passedList() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]int64, 0, len(b.passed))
	for p := range b.passed {
		list = append(list, p)
	}
	return list
}

// give notes rows as given and numbers them.
func (b *Box) give(rows []row) []Item {
	if len(rows) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unacked == nil {
		b.unacked = make(map[uint64]int64, len(rows))
	}
	if b.passed == nil {
		b.passed = make(map[int64]struct{}, len(rows))
	}
	items := make([]Item, 0, len(rows))
	var broken []ack
	for i := range rows {
		item, ok := rows[i].item(b.last + 1)
		b.passed[rows[i].position] = struct{}{}
		if !ok { // a notice of a version that this one cannot read
			broken = append(broken, ack{b, rows[i].position})
			continue
		}
		b.last++
		b.unacked[b.last] = rows[i].position
		items = append(items, item)
	}
	if len(broken) > 0 {
		b.mailbox.writer(b.owner).addAcks(broken)
	}
	return items
}

// Ack deletes what was delivered at the given positions, soon. Those that this
// Box has not given, or that were acknowledged before, are ignored. It returns
// how many were meant.
func (b *Box) Ack(positions []uint64) int {
	acks := make([]ack, 0, len(positions))
	b.mu.Lock()
	for _, n := range positions {
		if p, ok := b.unacked[n]; ok {
			delete(b.unacked, n)
			acks = append(acks, ack{b, p})
		}
	}
	if len(b.unacked) == 0 {
		b.unacked = nil // an idle connection holds no map
	}
	b.mu.Unlock()
	if len(acks) > 0 {
		b.mailbox.writer(b.owner).addAcks(acks)
	}
	return len(acks)
}

// forget is called when a row has been deleted.
func (b *Box) forget(position int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.passed, position)
	if len(b.passed) == 0 {
		b.passed = nil
	}
}
