package mailbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

const (
	// probeShare: a mailbox is counted again after a sixteenth of its ceiling was
	// added here, so that counting costs a send sixteen rows at most.
	probeShare = 16
	// maxDepths bounds the mailboxes whose growth is remembered.
	maxDepths = 1 << 16
	// fullFor is how long a full mailbox is taken to stay full.
	fullFor = time.Second
)

// depths keeps mailboxes from growing without end. It counts what this node
// added and asks the database now and then.
type depths struct {
	ceiling int
	mu      sync.Mutex
	grown   map[owner]depth
}

type depth struct {
	since int       // envelopes added since the last count
	full  time.Time // until when it is taken to be full
}

func newDepths(ceiling int) depths { return depths{ceiling: ceiling, grown: map[owner]depth{}} }

// add counts what a committed send added.
func (d *depths) add(o *op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.grown) > maxDepths {
		clear(d.grown)
	}
	for _, t := range o.set {
		to := owner{o.line.from.tenant, t.to}
		g := d.grown[to]
		g.since++
		d.grown[to] = g
	}
}

// refuse takes the sends out whose recipients' mailboxes are full.
func (d *depths) refuse(ctx context.Context, tx tenant.SetTx, sends []*op) ([]*op, error) {
	now := time.Now()
	full, due := d.look(sends, now)
	if len(due) > 0 {
		counts, err := selectDepths(ctx, tx, due, d.ceiling)
		if err != nil {
			return nil, err
		}
		d.note(due, counts, full, now)
	}
	if len(full) == 0 {
		return sends, nil
	}
	return slices.DeleteFunc(sends, func(o *op) bool {
		if !slices.ContainsFunc(o.set, func(t target) bool { return full[owner{o.line.from.tenant, t.to}] }) {
			return false
		}
		o.set, o.out = nil, Outcome{Verdict: Full, Detail: wire.DetailMailbox}
		return true
	}), nil
}

func (d *depths) look(sends []*op, now time.Time) (full map[owner]bool, due []owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	full = map[owner]bool{}
	for _, o := range sends {
		for _, t := range o.set {
			to := owner{o.line.from.tenant, t.to}
			switch g := d.grown[to]; {
			case now.Before(g.full):
				full[to] = true
			case (!g.full.IsZero() || g.since >= max(1, d.ceiling/probeShare)) && !slices.Contains(due, to):
				due = append(due, to)
			}
		}
	}
	return full, due
}

func (d *depths) note(due []owner, counts []int, full map[owner]bool, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, to := range due {
		if counts[i] < d.ceiling {
			delete(d.grown, to)
			continue
		}
		full[to] = true
		d.grown[to] = depth{full: now.Add(fullFor)}
	}
}
