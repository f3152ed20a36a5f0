//go:build !js

package vault_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
)

// receive is what one received message changes: the session, the message, the
// prekey that was used.
func receive(v vault.Vault, n int, session, message []byte) error {
	key := binary.BigEndian.AppendUint64(nil, uint64(n))
	var b vault.Batch
	b.Put(vault.KindSession, []byte("peer account, device"), session)
	b.Put(vault.KindMessage, append([]byte("16 bytes of chat"), key...), message)
	b.Delete(vault.KindPrekey, key)
	return v.Commit(context.Background(), &b)
}

func BenchmarkReceive(b *testing.B) {
	session, message := make([]byte, 4<<10), make([]byte, 1<<10)
	b.Run("file", func(b *testing.B) {
		f, err := vault.Create(b.Context(), filepath.Join(b.TempDir(), "vault"), key(1))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		benchReceive(b, f, session, message)
	})
	b.Run("memory", func(b *testing.B) {
		benchReceive(b, new(vault.Memory).Open(), session, message)
	})
}

func benchReceive(b *testing.B, v vault.Vault, session, message []byte) {
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := receive(v, n, session, message); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReceiveAllocations holds the number for one received message: 46 when
// this was written, most of them of one HKDF and one AES-GCM key.
func TestReceiveAllocations(t *testing.T) {
	f, _ := newFile(t)
	session, message, n := make([]byte, 4<<10), make([]byte, 1<<10), 0
	spent := testing.AllocsPerRun(100, func() {
		if err := receive(f, n, session, message); err != nil {
			t.Fatal(err)
		}
		n++
	})
	if spent > 55 {
		t.Errorf("%v allocations", spent)
	}
}

// filled is a file of n messages of 1 KiB, in commits of the given size.
func filled(b *testing.B, n, each int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "vault")
	f, err := vault.Create(b.Context(), path, key(1))
	if err != nil {
		b.Fatal(err)
	}
	value := bytes.Repeat([]byte("m"), 1<<10)
	for i := 0; i < n; i += each {
		var batch vault.Batch
		for j := range each {
			batch.Put(vault.KindMessage, fmt.Appendf(nil, "sixteen for chat%08d", i+j), value)
		}
		if err := f.Commit(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

func BenchmarkGet(b *testing.B) {
	f, err := vault.Open(b.Context(), filled(b, 10_000, 100), key(1))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	_ = f.View(b.Context(), func(r vault.Reader) error {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := r.Get(vault.KindMessage, fmt.Appendf(nil, "sixteen for chat%08d", n*7919%10_000)); err != nil {
				b.Fatal(err)
			}
		}
		return nil
	})
}

// BenchmarkScan50 reads the last 50 messages, as a chat that is opened does.
func BenchmarkScan50(b *testing.B) {
	f, err := vault.Open(b.Context(), filled(b, 10_000, 1), key(1))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	_ = f.View(b.Context(), func(r vault.Reader) error {
		b.ReportAllocs()
		for b.Loop() {
			left := 50
			for _, err := range r.Scan(vault.KindMessage, vault.Range{Reverse: true}) {
				if left--; err != nil || left == 0 {
					break
				}
			}
		}
		return nil
	})
}

// BenchmarkOpen opens 100,000 records of 1 KiB, once in as many commits, once
// compacted, and says what each record takes on disk beyond its value.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	path := filled(b, n, 100)
	b.Run("commits of 100", func(b *testing.B) { benchOpen(b, path, n) })
	f, err := vault.Open(b.Context(), path, key(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("compact", func(b *testing.B) {
		for b.Loop() {
			if err := f.Compact(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	f.Close()
	b.Run("compacted", func(b *testing.B) { benchOpen(b, path, n) })
	single := filled(b, 10_000, 1)
	b.Run("10000 single commits", func(b *testing.B) { benchOpen(b, single, 10_000) })
}

func benchOpen(b *testing.B, path string, n int) {
	b.ReportAllocs()
	for b.Loop() {
		f, err := vault.Open(b.Context(), path, key(1))
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	if info, err := os.Stat(path); err == nil {
		b.ReportMetric(float64(info.Size())/float64(n)-1024, "overhead-B/record")
	}
}
