// Package vaulttest is the suite that every implementation of vault.Vault
// passes: file, memory, and a browser's IndexedDB. It is no test of what only
// one of them has; crashes of the file are tested beside the file.
package vaulttest

import (
	"context"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
)

// A Store is where vaults are kept between one owner and the next.
type Store interface {
	// Open makes the caller the owner; the first call creates the vault. While
	// another owner lives it may return vault.ErrLocked, or fence that owner.
	Open(ctx context.Context) (vault.Vault, error)
}

// A Sealed store lets the suite play the thief and the failing disk.
type Sealed interface {
	Store
	// OpenWrong is Open with another key.
	OpenWrong(ctx context.Context) (vault.Vault, error)
	// Load returns all that is stored, Store replaces it. No owner lives.
	Load() ([]byte, error)
	Save(stored []byte) error
}

// Run tests the implementation. make returns an empty store, also when called
// by several tests at once.
func Run(t *testing.T, make func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"not found", testNotFound},
		{"order", testOrder},
		{"ranges", testRanges},
		{"copies", testCopies},
		{"all or nothing", testAtomic},
		{"limits", testLimits},
		{"snapshot", testSnapshot},
		{"conflict", testConflict},
		{"update is repeated", testRepeated},
		{"update sees its writes", testUpdate},
		{"update merges scans", testMerge},
		{"scan with deletes", testScanDelete},
		{"commits", testCommits},
		{"reopen", testReopen},
		{"owners", testOwners},
		{"closed", testClosed},
		{"cancelled", testCancelled},
		{"concurrent", testConcurrent},
		{"wrong key", sealed(testWrongKey)},
		{"nothing readable", sealed(testNothingReadable)},
		{"every byte flipped", sealed(testFlips)},
		{"every byte flipped, some replaced", sealed(testFlipsReplaced)},
		{"every length", sealed(testLengths)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, make(t))
		})
	}
}

// sealed runs a test on stores that have bytes to look at.
func sealed(test func(*testing.T, Sealed)) func(*testing.T, Store) {
	return func(t *testing.T, s Store) {
		b, ok := s.(Sealed)
		if !ok {
			t.Skip("this store keeps no sealed bytes")
		}
		test(t, b)
	}
}

func open(t *testing.T, s Store) vault.Vault {
	t.Helper()
	v, err := s.Open(t.Context())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func reopen(t *testing.T, s Store, v vault.Vault) vault.Vault {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return open(t, s)
}

func commit(t *testing.T, v vault.Vault, b *vault.Batch) {
	t.Helper()
	if err := v.Commit(t.Context(), b); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// put commits one record.
func put(t *testing.T, v vault.Vault, kind vault.Kind, key, value string) {
	t.Helper()
	var b vault.Batch
	b.Put(kind, []byte(key), []byte(value))
	commit(t, v, &b)
}

func view(t *testing.T, v vault.Vault, read func(vault.Reader) error) {
	t.Helper()
	if err := v.View(t.Context(), read); err != nil {
		t.Fatalf("view: %v", err)
	}
}

// get returns a value and whether it is there.
func get(t *testing.T, v vault.Vault, kind vault.Kind, key string) (value string, ok bool) {
	t.Helper()
	view(t, v, func(r vault.Reader) error {
		b, err := r.Get(kind, []byte(key))
		value, ok = string(b), err == nil
		return nil
	})
	return value, ok
}

func stateHash(t *testing.T, v vault.Vault) (sum [32]byte) {
	t.Helper()
	view(t, v, func(r vault.Reader) (err error) {
		sum, err = vault.StateHash(r)
		return err
	})
	return sum
}
