package vault

import "github.com/tidwall/btree"

// A Batch collects changes for one Commit. The zero value is ready; the last
// change of a key counts. A Batch is not for use by several goroutines.
type Batch struct {
	changes btree.Map[string, change]
	size    int
	expect  uint64
	expects bool
	err     error
}

// A change puts a value or, without one, deletes the record.
type change struct {
	value  []byte
	delete bool
}

// Put sets the record. Key and value are copied. A key or value out of bounds
// (MaxKey, MaxValue, MaxBatch) is ErrLimit, and the batch cannot be committed.
func (b *Batch) Put(kind Kind, key, value []byte) error {
	return b.set(kind, key, change{value: append(make([]byte, 0, len(value)), value...)})
}

// Delete removes the record if it is there.
func (b *Batch) Delete(kind Kind, key []byte) error {
	return b.set(kind, key, change{delete: true})
}

// Expect makes Commit fail with ErrConflict unless the vault is at this commit.
func (b *Batch) Expect(commits uint64) { b.expect, b.expects = commits, true }

// Len is the number of records that the batch changes.
func (b *Batch) Len() int { return b.changes.Len() }

func (b *Batch) set(kind Kind, key []byte, c change) error {
	if kind == 0 || len(key) > MaxKey || len(c.value) > MaxValue {
		b.err = ErrLimit
		return b.err
	}
	n := name(kind, key)
	old, replaced := b.changes.Set(n, c)
	if replaced {
		b.size -= cost(n, len(old.value))
	}
	b.size += cost(n, len(c.value))
	if b.size > MaxBatch {
		b.err = ErrLimit
	}
	return b.err
}

// check says whether the batch may follow the given commit.
func (b *Batch) check(commits uint64) error {
	if b.err != nil {
		return b.err
	}
	if b.expects && b.expect != commits {
		return ErrConflict
	}
	return nil
}

// cost is what a record adds to a frame, in bytes.
func cost(name string, value int) int { return len(name) + value + recordCost }
