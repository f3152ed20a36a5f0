//go:build !js

package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
)

func key(n byte) vault.Sealer { return vault.RawKey([32]byte{n}) }

func newFile(t *testing.T) (*vault.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault")
	f, err := vault.Create(t.Context(), path, key(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, path
}

func put(t *testing.T, v vault.Vault, key string, value []byte) {
	t.Helper()
	var b vault.Batch
	b.Put(vault.KindMessage, []byte(key), value)
	if err := v.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, v vault.Vault) (sum [32]byte, commits uint64) {
	t.Helper()
	err := v.View(t.Context(), func(r vault.Reader) (err error) {
		commits = r.Commits()
		sum, err = vault.StateHash(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum, commits
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestCreateAndOpen(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	if _, err := vault.Open(t.Context(), path, key(1)); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("open of an open vault: %v", err)
	}
	if _, err := vault.Create(t.Context(), path, key(1)); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("create of an open vault: %v", err)
	}
	put(t, f, "a", []byte("1"))
	f.Close()
	if _, err := vault.Create(t.Context(), path, key(1)); !errors.Is(err, vault.ErrExists) {
		t.Errorf("create over a vault: %v", err)
	}
	if _, err := vault.Open(t.Context(), path+"x", key(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if f, err = vault.Open(t.Context(), path, key(1)); err != nil || f.Recovered() != 0 {
		t.Fatal(err)
	}
	f.Close()
}

// TestLockFileGone: who deletes the lock file lets a second owner in; the first
// notices before it writes.
func TestLockFileGone(t *testing.T) {
	t.Parallel()
	first, path := newFile(t)
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	second, err := vault.Open(t.Context(), path, key(1))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	var b vault.Batch
	b.Put(vault.KindMessage, []byte("lost"), nil)
	if err := first.Commit(t.Context(), &b); !errors.Is(err, vault.ErrFenced) {
		t.Errorf("commit: %v", err)
	}
	if err := first.Compact(t.Context()); !errors.Is(err, vault.ErrFenced) {
		t.Errorf("compact: %v", err)
	}
	if err := first.Rekey(t.Context(), key(2)); !errors.Is(err, vault.ErrFenced) {
		t.Errorf("rekey: %v", err)
	}
	put(t, second, "a", nil)
}

func TestRekey(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	put(t, f, "a", []byte("1"))
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, commits := state(t, f)
	if err := f.Rekey(t.Context(), key(2)); err != nil {
		t.Fatal(err)
	}
	put(t, f, "b", []byte("2"))
	if err := f.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := vault.Open(t.Context(), path, key(1)); !errors.Is(err, vault.ErrKey) {
		t.Errorf("the old key: %v", err)
	}
	// Not even with the old header, which the old key opens.
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := 12 + 2 + 16 + 16 + 2 + 81 + 32
	mixed := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(mixed, append(old[:header:header], now[header:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(t.Context(), mixed, key(1)); !errors.Is(err, vault.ErrCorrupt) {
		t.Errorf("the old header: %v", err)
	}
	if f, err = vault.Open(t.Context(), path, key(2)); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b vault.Batch
	b.Delete(vault.KindMessage, []byte("b"))
	if err := f.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if sum, n := state(t, f); sum != want || n != commits+2 {
		t.Errorf("%d commits, the state changed: %v", n, sum != want)
	}
}

// TestRekeyMaster: the wrapped keys before and after hide different masters, so
// that who has the old file and the old key has no key to the new one.
func TestRekeyMaster(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	var masters [][32]byte
	for range 2 {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		master, err := key(1).Unwrap(t.Context(), b[48:48+81])
		if err != nil {
			t.Fatal(err)
		}
		masters = append(masters, *master)
		if err := f.Rekey(t.Context(), key(1)); err != nil {
			t.Fatal(err)
		}
	}
	if masters[0] == masters[1] {
		t.Error("the master key stayed")
	}
}

// TestCompactUnderView: a snapshot outlives the file that it reads, and Close.
func TestCompactUnderView(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	for i := range 50 {
		put(t, f, "same", bytes.Repeat([]byte{byte(i)}, 1000))
	}
	big := size(t, path)
	err := f.View(t.Context(), func(r vault.Reader) error {
		if err := f.Compact(t.Context()); err != nil {
			return err
		}
		put(t, f, "same", []byte("newer"))
		if err := f.Close(); err != nil {
			return err
		}
		got, err := r.Get(vault.KindMessage, []byte("same"))
		if !bytes.Equal(got, bytes.Repeat([]byte{49}, 1000)) {
			t.Errorf("got %d bytes", len(got))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if small := size(t, path); small > 2000 || big < 50_000 {
		t.Errorf("compacted from %d to %d bytes", big, small)
	}
	if f, err = vault.Open(t.Context(), path, key(1)); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, n := state(t, f); n != 51 {
		t.Errorf("%d commits", n)
	}
}

// TestFileStaysInProportion: replacing one record for ever does not fill the
// disk.
func TestFileStaysInProportion(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	var most int64
	for i := range 40 {
		put(t, f, "same", bytes.Repeat([]byte{byte(i)}, 1<<20))
		most = max(most, size(t, path))
	}
	if most > 8<<20 {
		t.Errorf("the file grew to %d bytes for one record of 1 MiB", most)
	}
}

// TestSwappedUnderneath: a file that is cut short under an open vault is
// noticed by the reader.
func TestSwappedUnderneath(t *testing.T) {
	t.Parallel()
	f, path := newFile(t)
	put(t, f, "a", []byte("value"))
	if err := os.Truncate(path, size(t, path)-1); err != nil {
		t.Fatal(err)
	}
	err := f.View(t.Context(), func(r vault.Reader) error {
		_, err := r.Get(vault.KindMessage, []byte("a"))
		return err
	})
	if !errors.Is(err, vault.ErrCorrupt) || !errors.Is(err, messaging.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// childPath is set in the environment of the process that TestSIGKILL kills.
const childPath = "VAULT_TEST_CHILD"

// TestSIGKILL kills a process that commits as fast as it can. The lock is free
// at once, and every commit that the process said was done is there.
func TestSIGKILL(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		commitForEver(path)
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault")
	var commits uint64
	for round := range 3 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSIGKILL$")
		child.Env = append(os.Environ(), childPath+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 20 + 13*round {
			if !lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			if commits, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		if _, err := vault.Open(t.Context(), path, key(1)); !errors.Is(err, vault.ErrLocked) {
			t.Errorf("while the child lives: %v", err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait()
		f, err := vault.Open(t.Context(), path, key(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, n := state(t, f); n < commits {
			t.Errorf("%d commits were done, %d are there", commits, n)
		}
		f.Close()
	}
}

func commitForEver(path string) {
	ctx := context.Background()
	f, err := vault.Create(ctx, path, key(1))
	if errors.Is(err, vault.ErrExists) {
		f, err = vault.Open(ctx, path, key(1))
	}
	for err == nil {
		err = vault.Update(ctx, f, func(tx *vault.Tx) error {
			return tx.Put(vault.KindMessage, []byte("n"), fmt.Append(nil, tx.Commits()))
		})
		if err == nil {
			err = f.View(ctx, func(r vault.Reader) error {
				_, err := fmt.Println(r.Commits())
				return err
			})
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestMemoryRollback(t *testing.T) {
	t.Parallel()
	var m vault.Memory
	v := m.Open()
	put(t, v, "a", []byte("1"))
	before, commits := state(t, v)
	snapshot := m.Snapshot()
	put(t, v, "a", []byte("2"))
	put(t, v, "b", []byte("2"))
	for range 2 {
		m.Restore(snapshot)
		var b vault.Batch
		b.Put(vault.KindMessage, []byte("lost"), nil)
		if err := v.Commit(t.Context(), &b); !errors.Is(err, vault.ErrFenced) {
			t.Errorf("commit after the restore: %v", err)
		}
		v = m.Open()
		if sum, n := state(t, v); sum != before || n != commits {
			t.Errorf("restored to %d commits, same state: %v", n, sum == before)
		}
		put(t, v, "a", []byte("3"))
	}
	m.Restore(vault.Snapshot{})
	if _, n := state(t, m.Open()); n != 0 {
		t.Errorf("%d commits in an empty store", n)
	}
}

// TestStateHash: the hash is of the records, not of how they came there, and
// tells apart what concatenation would not.
func TestStateHash(t *testing.T) {
	t.Parallel()
	sums := map[[32]byte]string{}
	for _, records := range [][][3]string{
		{}, {{"\x01", "a", "b"}}, {{"\x02", "a", "b"}}, {{"\x01", "ab", ""}}, {{"\x01", "", "ab"}},
		{{"\x01", "a", ""}, {"\x01", "b", ""}}, {{"\x01", "a", "b"}, {"\x02", "", ""}},
	} {
		var m vault.Memory
		f, _ := newFile(t)
		for _, v := range []vault.Vault{m.Open(), f} {
			for i := range records {
				if v == vault.Vault(f) { // another order, and an intermediate value
					i = len(records) - 1 - i
					put(t, f, "passing", nil)
				}
				var b vault.Batch
				r := records[i]
				b.Delete(vault.KindMessage, []byte("passing"))
				b.Put(vault.Kind(r[0][0]), []byte(r[1]), []byte(r[2]))
				if err := v.Commit(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
			}
		}
		sum, _ := state(t, m.Open())
		if other, _ := state(t, f); other != sum {
			t.Errorf("%q: file and memory differ", records)
		}
		if first, ok := sums[sum]; ok {
			t.Errorf("%q and %s have one hash", records, first)
		}
		sums[sum] = fmt.Sprintf("%q", records)
	}
}
