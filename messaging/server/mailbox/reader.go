package mailbox

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// maxReads bounds the mailboxes that one transaction reads: their batches are
// in memory together until their connections take them.
const maxReads = 32

// read is one call of Box.Next on its way through a reader.
type read struct {
	box    *Box
	ctx    context.Context
	limit  int
	budget int
	count  bool
	passed []int64

	batch Batch
	err   error
	rows  []row
	done  chan struct{}
}

// reader reads the mailboxes of many devices in one transaction, as writers
// store for many.
type reader struct {
	mailbox *Mailbox
	batch   []*read
}

func newReader(m *Mailbox) *reader { return &reader{mailbox: m} }

// run is the reader's goroutine.
func (r *reader) run() {
	for {
		select {
		case first := <-r.mailbox.reads:
			r.collect(first)
			r.serve()
		case <-r.mailbox.stop:
			r.refuse()
			return
		}
	}
}

func (r *reader) collect(first *read) {
	r.batch = append(r.batch[:0], first)
	for len(r.batch) < maxReads {
		select {
		case next := <-r.mailbox.reads:
			r.batch = append(r.batch, next)
		default:
			return
		}
	}
}

// refuse answers what was queued when the mailbox stopped.
func (r *reader) refuse() {
	for {
		select {
		case queued := <-r.mailbox.reads:
			queued.err = ErrClosed
			close(queued.done)
		default:
			return
		}
	}
}

// serve reads a batch; as with writers one tenant's trouble is not another's.
func (r *reader) serve() {
	err := r.try(r.batch)
	for _, q := range r.batch {
		if q.err = err; err != nil && !gone(err) && len(r.batch) > 1 {
			q.err = r.try([]*read{q})
		}
		if q.err == nil && q.ctx.Err() == nil {
			q.batch.Items = q.box.give(q.rows)
		}
		close(q.done)
	}
	clear(r.batch)
}

func (r *reader) try(batch []*read) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), r.mailbox.cfg.Timeout)
	defer cancel()
	for _, q := range batch {
		q.rows, q.batch = q.rows[:0], Batch{}
		q.passed = q.box.passedList()
	}
	err := r.mailbox.db.InSet(ctx, tenantsOfReads(batch), func(tx tenant.SetTx) error { return selectMail(ctx, tx, batch, r.mailbox.cfg.Now()) })
	report := Report{Reads: len(batch), Took: time.Since(began), Failed: err != nil}
	for _, q := range batch {
		report.Items += len(q.rows)
	}
	r.mailbox.cfg.Report(report)
	return err
}

func tenantsOfReads(batch []*read) (ids []tenant.ID) {
	have := make(map[tenant.ID]bool, 8)
	for _, q := range batch {
		if id := q.box.owner.tenant; !have[id] {
			have[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
