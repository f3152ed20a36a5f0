package vaulttest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
)

func testSnapshot(t *testing.T, s Store) {
	v := open(t, s)
	put(t, v, 1, "a", "1")
	inView, committed := make(chan bool), make(chan error)
	go func() {
		<-inView
		var b vault.Batch
		b.Put(1, []byte("a"), []byte("2"))
		b.Put(1, []byte("b"), []byte("2"))
		committed <- v.Commit(t.Context(), &b)
	}()
	var waited error
	view(t, v, func(r vault.Reader) error {
		before, _ := vault.StateHash(r)
		close(inView)
		// A store with old versions commits now, another one after the view; the
		// reader must not see a difference.
		for range 100 {
			if after, err := vault.StateHash(r); err != nil || after != before {
				t.Fatalf("the snapshot changed: %v", err)
			}
		}
		return nil
	})
	if waited = <-committed; waited != nil {
		t.Fatal(waited)
	}
	if value, _ := get(t, v, 1, "b"); value != "2" {
		t.Errorf("got %q", value)
	}
}

func testConflict(t *testing.T, s Store) {
	v := open(t, s)
	var read uint64
	view(t, v, func(r vault.Reader) error { read = r.Commits(); return nil })
	put(t, v, 1, "a", "1")
	before := stateHash(t, v)
	var b vault.Batch
	b.Expect(read)
	b.Put(1, []byte("a"), []byte("2"))
	if err := v.Commit(t.Context(), &b); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("a batch from an older state: %v", err)
	}
	b.Expect(read + 2)
	if err := v.Commit(t.Context(), &b); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("a batch from a newer state: %v", err)
	}
	if stateHash(t, v) != before {
		t.Error("a conflict left something")
	}
	b.Expect(read + 1)
	commit(t, v, &b)
}

// A meddler lets somebody else commit just before the first commit.
type meddler struct {
	vault.Vault
	meddle func()
}

func (m *meddler) Commit(ctx context.Context, b *vault.Batch) error {
	if m.meddle != nil {
		m.meddle()
		m.meddle = nil
	}
	return m.Vault.Commit(ctx, b)
}

// testRepeated: an Update that somebody came between is done again, on what
// they left, and its first try leaves nothing.
func testRepeated(t *testing.T, s Store) {
	v := open(t, s)
	calls := 0
	m := &meddler{v, func() { put(t, v, 1, "between", "1") }}
	err := vault.Update(t.Context(), m, func(tx *vault.Tx) error {
		calls++
		seen, _ := tx.Get(1, []byte("between"))
		return tx.Put(1, fmt.Appendf(nil, "call %d", calls), seen)
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if _, ok := get(t, v, 1, "call 1"); ok {
		t.Error("the first try left a record")
	}
	if seen, _ := get(t, v, 1, "call 2"); seen != "1" {
		t.Errorf("the second try saw %q", seen)
	}
}

func testCommits(t *testing.T, s Store) {
	v := open(t, s)
	commits := func() (n uint64) {
		view(t, v, func(r vault.Reader) error { n = r.Commits(); return nil })
		return n
	}
	start := commits()
	commit(t, v, &vault.Batch{})
	if commits() != start {
		t.Error("an empty batch counted")
	}
	for i := range uint64(5) {
		put(t, v, 1, "a", "same")
		if got := commits(); got != start+i+1 {
			t.Errorf("after %d commits: %d", i+1, got)
		}
		if v = reopen(t, s, v); commits() != start+i+1 {
			t.Errorf("reopened after %d commits: %d", i+1, commits())
		}
	}
}

func testReopen(t *testing.T, s Store) {
	rng, m, v := seeded(t, 3), model{}, open(t, s)
	for range 12 {
		for range rng.IntN(4) {
			var b vault.Batch
			m.change(rng, &b, rng.IntN(9))
			commit(t, v, &b)
		}
		before := stateHash(t, v)
		v = reopen(t, s, v)
		if stateHash(t, v) != before {
			t.Fatal("reopening changed the state")
		}
		view(t, v, func(r vault.Reader) error {
			m.check(t, rng, r)
			return nil
		})
	}
}

// testOwners opens a vault that has an owner: either the second is refused, or
// the first can do nothing any more.
func testOwners(t *testing.T, s Store) {
	first := open(t, s)
	put(t, first, 1, "a", "1")
	second, err := s.Open(t.Context())
	if errors.Is(err, vault.ErrLocked) {
		put(t, first, 1, "a", "2")
		first.Close()
		if value, _ := get(t, open(t, s), 1, "a"); value != "2" {
			t.Errorf("the next owner sees %q", value)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	var b vault.Batch
	b.Put(1, []byte("a"), []byte("lost"))
	if err := first.Commit(t.Context(), &b); !errors.Is(err, vault.ErrFenced) {
		t.Errorf("commit of a former owner: %v", err)
	}
	err = first.View(t.Context(), func(vault.Reader) error { return nil })
	if !errors.Is(err, vault.ErrFenced) {
		t.Errorf("view of a former owner: %v", err)
	}
	first.Close()
	put(t, second, 1, "b", "2")
	if value, _ := get(t, second, 1, "a"); value != "1" {
		t.Errorf("the second owner sees %q", value)
	}
}

func testClosed(t *testing.T, s Store) {
	v := open(t, s)
	put(t, v, 1, "a", "1")
	var kept vault.Reader
	view(t, v, func(r vault.Reader) error { kept = r; return nil })
	if err := errors.Join(v.Close(), v.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	var b vault.Batch
	b.Put(1, []byte("b"), nil)
	if err := v.Commit(t.Context(), &b); !errors.Is(err, vault.ErrClosed) {
		t.Errorf("commit: %v", err)
	}
	err := v.View(t.Context(), func(vault.Reader) error { t.Error("a view began"); return nil })
	if !errors.Is(err, vault.ErrClosed) {
		t.Errorf("view: %v", err)
	}
	if got, err := kept.Get(1, []byte("a")); err == nil && string(got) != "1" {
		t.Errorf("a dead reader said %q", got)
	}
}

// testConcurrent counts on several goroutines: no count is lost, and every
// reader sees two records that are always written together.
func testConcurrent(t *testing.T, s Store) {
	const writers, each = 4, 15
	v := open(t, s)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := vault.Update(t.Context(), v, count); err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range each {
				err := v.View(t.Context(), func(r vault.Reader) error {
					if a, b := counter(r, "a"), counter(r, "b"); a != b {
						t.Errorf("saw %d and %d", a, b)
					}
					return nil
				})
				if err != nil {
					t.Errorf("view: %v", err)
				}
			}
		})
	}
	all.Wait()
	view(t, v, func(r vault.Reader) error {
		if n := counter(r, "a"); n != writers*each {
			t.Errorf("counted %d", n)
		}
		return nil
	})
}

func count(tx *vault.Tx) error {
	next := binary.BigEndian.AppendUint64(nil, counter(tx, "a")+1)
	return errors.Join(tx.Put(1, []byte("a"), next), tx.Put(1, []byte("b"), next))
}

func counter(r vault.Reader, key string) uint64 {
	b, err := r.Get(1, []byte(key))
	if err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
