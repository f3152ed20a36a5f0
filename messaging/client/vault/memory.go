package vault

import (
	"context"
	"iter"
	"sync"

	"github.com/tidwall/btree"
)

// Memory is a store for tests and for devices that leave nothing behind. It
// outlives its owners as a disk would: Open makes a new owner and fences the
// one before. Records are not sealed. The zero value is an empty store.
type Memory struct {
	mu    sync.Mutex
	state state
	epoch uint64
}

// state is what a commit leaves.
type state struct {
	records btree.Map[string, []byte]
	commits uint64
}

func (s *state) copy() *state {
	return &state{records: *s.records.Copy(), commits: s.commits}
}

// Open makes the caller the owner.
func (m *Memory) Open() Vault {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	return &memoryOwner{store: m, epoch: m.epoch}
}

// A Snapshot is a copy of a Memory at one moment, for tests of rollback.
type Snapshot struct{ state *state }

// Snapshot copies the store; the copy shares unchanged records.
func (m *Memory) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Snapshot{m.state.copy()}
}

// Restore puts the store back, as a restored disk image would, and fences its
// owner. The same snapshot may be restored again.
func (m *Memory) Restore(s Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	m.state = state{}
	if s.state != nil {
		m.state = *s.state.copy()
	}
}

type memoryOwner struct {
	store  *Memory
	epoch  uint64
	closed bool // guarded by store.mu
}

// owns says whether this owner is still the one; store.mu is held.
func (o *memoryOwner) owns() error {
	switch {
	case o.closed:
		return ErrClosed
	case o.epoch != o.store.epoch:
		return ErrFenced
	}
	return nil
}

func (o *memoryOwner) View(ctx context.Context, read func(Reader) error) error {
	snapshot, err := o.snapshot(ctx)
	if err != nil {
		return err
	}
	return read(&memoryReader{state: snapshot})
}

func (o *memoryOwner) snapshot(ctx context.Context) (*state, error) {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	if err := o.owns(); err != nil {
		return nil, err
	}
	return o.store.state.copy(), ctx.Err()
}

func (o *memoryOwner) Commit(ctx context.Context, b *Batch) error {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	s := &o.store.state
	for _, err := range []error{ctx.Err(), o.owns(), b.check(s.commits)} {
		if err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	b.changes.Scan(func(n string, c change) bool {
		if c.delete {
			s.records.Delete(n)
		} else {
			s.records.Set(n, c.value)
		}
		return true
	})
	s.commits++
	return nil
}

func (o *memoryOwner) Close() error {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	o.closed = true
	return nil
}

type memoryReader struct{ state *state }

func (r *memoryReader) Commits() uint64 { return r.state.commits }

func (r *memoryReader) Get(kind Kind, key []byte) ([]byte, error) {
	value, ok := r.state.records.Get(name(kind, key))
	if !ok {
		return nil, ErrNotFound
	}
	return clone(value), nil
}

func (r *memoryReader) Scan(kind Kind, within Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for n, value := range ordered(&r.state.records, kind, within) {
			record := Record{Key: []byte(n[1:])}
			if !within.KeysOnly {
				record.Value = clone(value)
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// ordered walks the names of a kind within a range in the range's direction.
func ordered[V any](tree *btree.Map[string, V], kind Kind, within Range) iter.Seq2[string, V] {
	from, to := within.bounds(kind)
	return func(yield func(string, V) bool) {
		if !within.Reverse {
			tree.Ascend(from, func(n string, v V) bool {
				return (to == "" || n < to) && yield(n, v)
			})
			return
		}
		visit := func(n string, v V) bool {
			return n >= from && (n == to && to != "" || yield(n, v))
		}
		if to == "" {
			tree.Reverse(visit)
		} else {
			tree.Descend(to, visit)
		}
	}
}
