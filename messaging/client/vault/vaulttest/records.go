package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
)

func testNotFound(t *testing.T, s Store) {
	v := open(t, s)
	put(t, v, vault.KindSession, "here", "")
	view(t, v, func(r vault.Reader) error {
		if b, err := r.Get(vault.KindSession, []byte("here")); err != nil || b == nil || len(b) != 0 {
			t.Errorf("an empty value: %v, %v", b, err)
		}
		for _, kind := range []vault.Kind{vault.KindSession, vault.KindPrekey, vault.KindLog, 255} {
			if _, err := r.Get(kind, []byte("her")); !errors.Is(err, vault.ErrNotFound) {
				t.Errorf("kind %d: %v", kind, err)
			}
		}
		if _, err := r.Get(vault.KindLog, []byte("here")); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("another kind's key: %v", err)
		}
		return nil
	})
}

func testOrder(t *testing.T, s Store) {
	v := open(t, s)
	keys := []string{"", "\x00", "\x00\x00", "\x00\x01", "a", "a\x00", "a\xff", "b", "\x7f", "\x80", "\xff", "\xff\xff"}
	slices.Sort(keys)
	var b vault.Batch
	for _, k := range []int{7, 2, 11, 0, 5, 9, 1, 10, 4, 8, 3, 6} {
		for _, kind := range []vault.Kind{1, 2, 255} {
			b.Put(kind, []byte(keys[k]), []byte{byte(kind)})
		}
	}
	commit(t, v, &b)
	view(t, v, func(r vault.Reader) error {
		for _, kind := range []vault.Kind{1, 2, 255} {
			for _, reverse := range []bool{false, true} {
				var got []string
				for record, err := range r.Scan(kind, vault.Range{Reverse: reverse}) {
					if err != nil || !bytes.Equal(record.Value, []byte{byte(kind)}) {
						t.Fatalf("kind %d: %v %v", kind, record, err)
					}
					got = append(got, string(record.Key))
				}
				if reverse {
					slices.Reverse(got)
				}
				if !slices.Equal(got, keys) {
					t.Errorf("kind %d reverse %v: %q", kind, reverse, got)
				}
			}
		}
		return nil
	})
}

func testRanges(t *testing.T, s Store) {
	rng, m, v := seeded(t, 1), model{}, open(t, s)
	for range 30 {
		var b vault.Batch
		m.change(rng, &b, 1+rng.IntN(8))
		commit(t, v, &b)
		view(t, v, func(r vault.Reader) error {
			m.check(t, rng, r)
			return nil
		})
	}
}

// testCopies changes every slice that went in or came out.
func testCopies(t *testing.T, s Store) {
	v := open(t, s)
	key, value := []byte("key"), []byte("value")
	var b vault.Batch
	b.Put(vault.KindChat, key, value)
	key[0], value[0] = 'X', 'X'
	commit(t, v, &b)
	for range 2 {
		view(t, v, func(r vault.Reader) error {
			got, err := r.Get(vault.KindChat, []byte("key"))
			if err != nil || string(got) != "value" {
				t.Errorf("got %q, %v", got, err)
			}
			got[0] = 'X'
			for record, err := range r.Scan(vault.KindChat, vault.Range{}) {
				if err != nil || string(record.Key) != "key" || string(record.Value) != "value" {
					t.Errorf("scan: %q %v", record, err)
				}
				record.Key[0], record.Value[0] = 'X', 'X'
			}
			return nil
		})
	}
}

var errStop = errors.New("stop")

func testAtomic(t *testing.T, s Store) {
	v := open(t, s)
	put(t, v, vault.KindChat, "a", "1")
	before := stateHash(t, v)
	err := vault.Update(t.Context(), v, func(tx *vault.Tx) error {
		tx.Put(vault.KindChat, []byte("a"), []byte("2"))
		tx.Delete(vault.KindChat, []byte("a"))
		tx.Put(vault.KindChat, []byte("b"), []byte("2"))
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Errorf("update: %v", err)
	}
	var b vault.Batch
	b.Put(vault.KindChat, []byte("c"), nil)
	if err := b.Put(0, []byte("d"), nil); !errors.Is(err, vault.ErrLimit) {
		t.Errorf("kind 0: %v", err)
	}
	if err := v.Commit(t.Context(), &b); !errors.Is(err, vault.ErrLimit) {
		t.Errorf("commit of a bad batch: %v", err)
	}
	if stateHash(t, v) != before {
		t.Error("a failed update left something")
	}
	if v = reopen(t, s, v); stateHash(t, v) != before {
		t.Error("a failed update left something on the disk")
	}
}

func testLimits(t *testing.T, s Store) {
	v := open(t, s)
	key := bytes.Repeat([]byte{0xff}, vault.MaxKey)
	value := bytes.Repeat([]byte{7}, vault.MaxValue)
	var b vault.Batch
	if err := errors.Join(b.Put(255, key, value), b.Put(1, nil, value)); err != nil {
		t.Fatal(err)
	}
	commit(t, v, &b)
	for _, err := range []error{
		new(vault.Batch).Put(1, append(key, 0), nil),
		new(vault.Batch).Delete(1, append(key, 0)),
		new(vault.Batch).Put(1, nil, append(value, 0)),
	} {
		if !errors.Is(err, vault.ErrLimit) {
			t.Errorf("over a ceiling: %v", err)
		}
	}
	var full vault.Batch
	n := 0
	for full.Put(1, []byte{byte(n)}, value) == nil {
		n++
	}
	if n != vault.MaxBatch/vault.MaxValue-1 || !errors.Is(v.Commit(t.Context(), &full), vault.ErrLimit) {
		t.Errorf("the batch took %d values", n)
	}
	// The most that fits, at the byte.
	var most vault.Batch
	for i := range n {
		most.Put(1, []byte{byte(i)}, value)
	}
	const perRecord = 2 + 24 // name of two bytes and what the frame adds
	rest := vault.MaxBatch - n*(vault.MaxValue+perRecord) - perRecord
	if err := most.Put(1, []byte{byte(n)}, value[:rest]); err != nil {
		t.Errorf("the last byte: %v", err)
	}
	commit(t, v, &most)
	v = reopen(t, s, v)
	view(t, v, func(r vault.Reader) error {
		if got, err := r.Get(255, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("largest value: %d bytes, %v", len(got), err)
		}
		if got, err := r.Get(1, []byte{byte(n)}); err != nil || len(got) != rest {
			t.Errorf("last value: %d bytes, %v", len(got), err)
		}
		return nil
	})
}

func testUpdate(t *testing.T, s Store) {
	v := open(t, s)
	put(t, v, 1, "old", "1")
	err := vault.Update(t.Context(), v, func(tx *vault.Tx) error {
		tx.Delete(1, []byte("old"))
		if _, err := tx.Get(1, []byte("old")); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		tx.Put(1, []byte("new"), []byte("2"))
		got, err := tx.Get(1, []byte("new"))
		if string(got) != "2" {
			t.Errorf("written: %q, %v", got, err)
		}
		got[0] = 'X'
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if value, _ := get(t, v, 1, "new"); value != "2" {
		t.Errorf("got %q", value)
	}
	if _, ok := get(t, v, 1, "old"); ok {
		t.Error("a deleted record is there")
	}
}

func testMerge(t *testing.T, s Store) {
	rng, m, v := seeded(t, 2), model{}, open(t, s)
	for range 20 {
		next := m.clone()
		err := vault.Update(t.Context(), v, func(tx *vault.Tx) error {
			for range 3 {
				next.change(rng, tx, rng.IntN(6))
				next.check(t, rng, tx)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		m = next
	}
	view(t, v, func(r vault.Reader) error {
		m.check(t, rng, r)
		return nil
	})
}

// testScanDelete deletes and adds while it scans, and stops a scan half way.
func testScanDelete(t *testing.T, s Store) {
	v := open(t, s)
	var b vault.Batch
	for _, k := range strings.Split("abcdefgh", "") {
		b.Put(1, []byte(k), []byte(k))
	}
	commit(t, v, &b)
	err := vault.Update(t.Context(), v, func(tx *vault.Tx) error {
		tx.Put(1, []byte("bb"), nil)
		var seen []string
		for record, err := range tx.Scan(1, vault.Range{}) {
			if err != nil {
				return err
			}
			seen = append(seen, string(record.Key))
			tx.Delete(1, record.Key)
			tx.Put(1, append(record.Key, '!'), nil)
			if string(record.Key) == "g" {
				break
			}
		}
		if got := strings.Join(seen, " "); got != "a b bb c d e f g" {
			t.Errorf("scanned %s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	view(t, v, func(r vault.Reader) error {
		for record := range r.Scan(1, vault.Range{KeysOnly: true}) {
			left = append(left, string(record.Key))
		}
		return nil
	})
	if got := strings.Join(left, " "); got != "a! b! bb! c! d! e! f! g! h" {
		t.Errorf("left %s", got)
	}
}

func testCancelled(t *testing.T, s Store) {
	v := open(t, s)
	before := stateHash(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b vault.Batch
	b.Put(1, nil, nil)
	if err := v.Commit(ctx, &b); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	err := v.View(ctx, func(vault.Reader) error { t.Error("a view began"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	if stateHash(t, v) != before {
		t.Error("a cancelled commit left something")
	}
}
