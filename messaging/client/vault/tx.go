package vault

import (
	"context"
	"errors"
	"iter"

	"github.com/tidwall/btree"
)

// Update reads and writes as one step: change sees a snapshot with its own
// writes over it, and what it wrote is committed only if nobody else committed
// meanwhile. Otherwise change is called again on the newer state, until it
// fits or ctx ends; so it must have no effect but on the Tx. An error of change
// is returned and nothing is written.
func Update(ctx context.Context, v Vault, change func(*Tx) error) error {
	for {
		err := attempt(ctx, v, change)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func attempt(ctx context.Context, v Vault, change func(*Tx) error) error {
	var tx Tx
	err := v.View(ctx, func(base Reader) error {
		tx.base = base
		tx.batch.Expect(base.Commits())
		return change(&tx)
	})
	if err != nil || tx.batch.Len() == 0 {
		return err
	}
	return v.Commit(ctx, &tx.batch)
}

// A Tx is a Reader that shows its own writes. It is not for use by several
// goroutines.
type Tx struct {
	base  Reader
	batch Batch
}

// Commits is the number of commits before this one.
func (tx *Tx) Commits() uint64 { return tx.base.Commits() }

// Put sets the record when the Tx commits; see Batch.Put.
func (tx *Tx) Put(kind Kind, key, value []byte) error { return tx.batch.Put(kind, key, value) }

// Delete removes the record when the Tx commits, if it is there.
func (tx *Tx) Delete(kind Kind, key []byte) error { return tx.batch.Delete(kind, key) }

// Get returns a copy of the value, or ErrNotFound.
func (tx *Tx) Get(kind Kind, key []byte) ([]byte, error) {
	c, ok := tx.batch.changes.Get(name(kind, key))
	switch {
	case !ok:
		return tx.base.Get(kind, key)
	case c.delete:
		return nil, ErrNotFound
	}
	return clone(c.value), nil
}

// Scan yields the records as they were when the scan began: writes to the Tx
// during a scan are allowed and do not change it.
func (tx *Tx) Scan(kind Kind, within Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m := newMerge(tx.batch.changes.Copy(), kind, within)
		for r, err := range tx.base.Scan(kind, within) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			n := name(kind, r.Key)
			if !m.before(n, yield) {
				return
			}
			if m.covers(n) {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
		m.rest(yield)
	}
}

// A merge walks the changes of a batch beside a scan of the store.
type merge struct {
	within   Range
	from, to string
	at       btree.MapIter[string, change]
	ok       bool
}

func newMerge(changes *btree.Map[string, change], kind Kind, within Range) *merge {
	m := &merge{within: within, at: changes.Iter()}
	m.from, m.to = within.bounds(kind)
	if !within.Reverse {
		m.ok = m.at.Seek(m.from)
		return m
	}
	if m.to == "" || !m.at.Seek(m.to) {
		m.ok = m.at.Last()
	} else {
		m.ok = m.at.Prev()
	}
	return m
}

// inside says whether the walk still stands within the range.
func (m *merge) inside() bool {
	if !m.ok {
		return false
	}
	k := m.at.Key()
	return k >= m.from && (m.to == "" || k < m.to)
}

func (m *merge) step() {
	if m.within.Reverse {
		m.ok = m.at.Prev()
	} else {
		m.ok = m.at.Next()
	}
}

// before yields the changes that come before the name.
func (m *merge) before(n string, yield func(Record, error) bool) bool {
	for m.inside() && m.at.Key() != n && (m.at.Key() < n) != m.within.Reverse {
		if !m.emit(yield) {
			return false
		}
	}
	return true
}

// covers says whether the change at hand replaces or deletes the name. A
// replaced one is then yielded by before or rest, in its place.
func (m *merge) covers(n string) bool { return m.inside() && m.at.Key() == n }

func (m *merge) rest(yield func(Record, error) bool) {
	for m.inside() {
		if !m.emit(yield) {
			return
		}
	}
}

func (m *merge) emit(yield func(Record, error) bool) bool {
	k, c := m.at.Key(), m.at.Value()
	m.step()
	if c.delete {
		return true
	}
	r := Record{Key: []byte(k[1:])}
	if !m.within.KeysOnly {
		r.Value = clone(c.value)
	}
	return yield(r, nil)
}

// clone copies a value; the copy of an empty one is empty, not nil.
func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }
