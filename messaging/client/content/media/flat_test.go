package media

import (
	"crypto/sha256"
	"io"
	"runtime"
	"testing"
)

// counting gives n bytes without holding them.
type counting struct{ n, at int64 }

func (c *counting) Read(p []byte) (int, error) {
	if c.at == c.n {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.n-c.at))
	for i := range n {
		p[i] = byte((c.at + int64(i)) >> 9)
	}
	c.at += int64(n)
	return n, nil
}

// flat is what encrypting and decrypting together may allocate in bytes,
// whatever the size of the file: a chunk in and out on both sides, the pipe and
// what the runtime needs beside.
const flat = 1 << 20

// TestFlatMemory: a video goes through both directions at once, and the bytes
// allocated on the way do not grow with it.
func TestFlatMemory(t *testing.T) {
	size := int64(200 << 20)
	if testing.Short() {
		size = 20 << 20
	}
	key := testKey(t, 1)
	sum, err := Encrypt(io.Discard, &counting{n: size}, key, uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	through(t, key, sum, size)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > flat {
		t.Errorf("%d bytes allocated for a file of %d", used, size)
	} else {
		t.Logf("%d bytes allocated for a file of %d", used, size)
	}
}

func through(t *testing.T, key Key, sum [sha256.Size]byte, size int64) {
	t.Helper()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := Encrypt(w, &counting{n: size}, key, uint64(size))
		done <- w.CloseWithError(err)
	}()
	d, err := NewDecrypter(r, key, sum, uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	want, got := make([]byte, 32<<10), make([]byte, 32<<10)
	src := &counting{n: size}
	for {
		n, err := io.ReadFull(d, got)
		if _, werr := io.ReadFull(src, want[:n]); werr != nil || string(got[:n]) != string(want[:n]) {
			t.Fatalf("other bytes before %d", src.at)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if src.at != size {
		t.Errorf("%d bytes of %d came through", src.at, size)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestChunkAllocations: sealing and opening a chunk into the caller's buffer
// allocates nothing.
func TestChunkAllocations(t *testing.T) {
	f, err := NewFile(testKey(t, 1), 3*ChunkSize)
	if err != nil {
		t.Fatal(err)
	}
	plain, sealed := make([]byte, ChunkSize), make([]byte, 0, ChunkSize+Overhead)
	opened := make([]byte, 0, ChunkSize)
	n := testing.AllocsPerRun(20, func() {
		out, err := f.Seal(sealed, 1, plain)
		if err == nil {
			_, err = f.Open(opened, 1, out)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 { // a nonce each: it escapes through the interface of the standard library
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	const size = 8 << 20
	key := testKey(b, 1)
	file := pattern(size)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encrypt(io.Discard, &slice{b: file}, key, size); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	const size = 8 << 20
	key := testKey(b, 1)
	sealed, sum := encrypted(b, key, pattern(size))
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := Decrypt(discard{}, &slice{b: sealed}, key, sum, size); err != nil {
			b.Fatal(err)
		}
	}
}

// slice reads without the shortcuts of bytes.Reader.
type slice struct{ b []byte }

func (s *slice) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b)
	s.b = s.b[n:]
	return n, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Commit() error               { return nil }
func (discard) Abort() error                { return nil }
