package mailbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// writer stores sends and deletes what was acknowledged, one transaction at a
// time. While one runs the next batch collects by itself: an idle writer takes
// a send at once, a busy one takes many.
type writer struct {
	mailbox *Mailbox
	entry   sync.RWMutex // read-held while a send is being queued
	sends   chan *op
	ackable chan struct{} // something was added to acks

	acksMu sync.Mutex
	acks   []ack

	most int // envelopes of a batch: maxEnvelopes

	// Owned by run.
	held  *op // the first send of the next batch
	batch []*op
	seen  map[key]bool
}

// ack is a row that its device has saved.
type ack struct {
	box      *Box
	position int64
}

func newWriter(m *Mailbox) *writer {
	return &writer{mailbox: m, most: maxEnvelopes, sends: make(chan *op, queued), ackable: make(chan struct{}, 1), seen: map[key]bool{}}
}

// run is the writer's goroutine.
func (w *writer) run() {
	for {
		select {
		case o := <-w.sends:
			w.held = o
		case <-w.ackable:
		case <-w.mailbox.stop:
			w.entry.Lock() // whoever was queueing has queued or given up
			w.entry.Unlock()
			w.drain()
			return
		}
		w.drain()
	}
}

// drain commits batches until nothing waits.
func (w *writer) drain() {
	for {
		w.collect()
		acks := w.takeAcks()
		if len(w.batch) == 0 && len(acks) == 0 {
			return
		}
		w.commit(w.batch, acks)
		clear(w.batch) // lets go of the sends
	}
}

// collect takes what has queued, up to maxEnvelopes. A send that is in the
// batch already waits for the next one, where its receipt will be found.
func (w *writer) collect() {
	w.batch = w.batch[:0]
	clear(w.seen)
	for envelopes := 0; ; {
		o := w.held
		w.held = nil
		if o == nil {
			select {
			case o = <-w.sends:
			default:
				return
			}
		}
		if o.line.broken.Load() {
			o.fail()
			continue
		}
		if len(w.batch) > 0 && (w.seen[o.key()] || envelopes+len(o.send.Envelopes) > w.most) {
			w.held = o
			return
		}
		w.seen[o.key()] = true
		w.batch = append(w.batch, o)
		envelopes += len(o.send.Envelopes)
	}
}

func (w *writer) addAcks(acks []ack) {
	w.acksMu.Lock()
	w.acks = append(w.acks, acks...)
	w.acksMu.Unlock()
	select {
	case w.ackable <- struct{}{}:
	default:
	}
}

func (w *writer) takeAcks() []ack {
	w.acksMu.Lock()
	defer w.acksMu.Unlock()
	n := prefix(w.acks)
	taken := slices.Clone(w.acks[:n])
	w.acks = slices.Delete(w.acks, 0, n)
	if len(w.acks) == 0 && cap(w.acks) > 4*maxAcks {
		w.acks = nil // one flood shall not hold the memory for ever
	}
	return taken
}

// prefix returns how many acks one transaction takes: maxAcks, of as many
// tenants as fit into its set beside those of the sends.
func prefix(acks []ack) int {
	have := make(map[tenant.ID]bool, 8)
	for n := range acks {
		have[acks[n].box.owner.tenant] = true
		if n == maxAcks || len(have) > tenant.MaxSet-maxEnvelopes {
			return n
		}
	}
	return len(acks)
}

// commit stores a batch. A database that does not answer fails all of it; for
// any other error the sends are tried one by one, so that nobody's send is
// refused for what another tenant's did.
func (w *writer) commit(batch []*op, acks []ack) {
	err := w.try(batch, acks)
	if err == nil {
		for _, o := range batch {
			o.finish()
		}
		return
	}
	if gone(err) {
		for _, o := range batch {
			o.fail()
		}
		return // rows that were not deleted come again, and are acknowledged again
	}
	for _, o := range batch {
		if o.line.broken.Load() || w.try([]*op{o}, nil) != nil {
			o.fail()
		} else {
			o.finish()
		}
	}
	for _, a := range acks {
		_ = w.try(nil, []ack{a})
	}
}

// gone reports an error that trying again at once cannot mend.
func gone(err error) bool {
	return errors.Is(err, tenant.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// try carries out sends and acks in one transaction, or none of them.
func (w *writer) try(batch []*op, acks []ack) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), w.mailbox.cfg.Timeout)
	defer cancel()
	report := Report{Acks: len(acks)}
	slices.SortFunc(acks, func(a, b ack) int { return cmp.Compare(a.position, b.position) }) // two writers lock rows in one order
	err := w.mailbox.db.InSet(ctx, tenantsOf(batch, acks), func(tx tenant.SetTx) error {
		if err := w.store(ctx, tx, batch); err != nil {
			return err
		}
		return deleteAcked(ctx, tx, acks)
	})
	report.Took, report.Failed = time.Since(began), err != nil
	if err == nil {
		for _, o := range batch {
			report.count(o)
			w.mailbox.depths.add(o)
		}
		for _, a := range acks {
			a.box.forget(a.position)
		}
	}
	w.mailbox.cfg.Report(report)
	return err
}

func (r *Report) count(o *op) {
	if len(o.set) > 0 {
		r.Sends++
		r.Envelopes += len(o.set)
	}
}

// store judges the sends and inserts those that pass.
func (w *writer) store(ctx context.Context, tx tenant.SetTx, batch []*op) error {
	if len(batch) == 0 {
		return nil
	}
	views, err := selectViews(ctx, tx, batch, w.mailbox.cfg.Now())
	if err != nil {
		return err
	}
	stored := make([]*op, 0, len(batch))
	for i, o := range batch {
		o.judge(&views[i])
		if len(o.set) > 0 {
			stored = append(stored, o)
		}
	}
	if stored, err = w.mailbox.depths.refuse(ctx, tx, stored); err != nil || len(stored) == 0 {
		return err
	}
	return insertSends(ctx, tx, stored, w.mailbox)
}

func tenantsOf(batch []*op, acks []ack) (ids []tenant.ID) {
	have := make(map[tenant.ID]bool, 8)
	add := func(id tenant.ID) {
		if !have[id] {
			have[id] = true
			ids = append(ids, id)
		}
	}
	for _, o := range batch {
		add(o.line.from.tenant)
	}
	for _, a := range acks {
		add(a.box.owner.tenant)
	}
	return ids
}
