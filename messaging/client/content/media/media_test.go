package media

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sottochat/sotto/messaging"
)

func testKey(t testing.TB, b byte) Key {
	t.Helper()
	key, err := ParseKey(bytes.Repeat([]byte{b}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pattern is a file of n bytes that no chunk shares with another.
func pattern(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	block := sha256.Sum256([]byte("pattern"))
	for len(out) < n {
		out = append(out, block[:]...)
		block = sha256.Sum256(block[:])
	}
	return out[:n]
}

func encrypted(t testing.TB, key Key, file []byte) ([]byte, [sha256.Size]byte) {
	t.Helper()
	var out bytes.Buffer
	sum, err := Encrypt(&out, bytes.NewReader(file), key, uint64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if sum != sha256.Sum256(out.Bytes()) {
		t.Fatal("the hash is not that of the ciphertext")
	}
	if uint64(out.Len()) != CiphertextSize(uint64(len(file))) {
		t.Fatalf("%d bytes of ciphertext, said to be %d", out.Len(), CiphertextSize(uint64(len(file))))
	}
	return out.Bytes(), sum
}

// target is a Target in memory.
type target struct {
	bytes.Buffer
	committed, aborted int
}

func (t *target) Commit() error { t.committed++; return nil }
func (t *target) Abort() error  { t.aborted++; return nil }

// sizes around every border: empty, bucket, one chunk, chunks that are half or
// all padding.
var sizes = [...]int{0, 1, 1023, 1024, 1025, 62_000, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize, 1_300_000, 3_000_000}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	key := testKey(t, 1)
	for _, size := range sizes {
		file := pattern(size)
		sealed, sum := encrypted(t, key, file)
		d, err := NewDecrypter(iotest.OneByteReader(bytes.NewReader(sealed)), key, sum, uint64(size))
		if size > 100_000 {
			d, err = NewDecrypter(iotest.HalfReader(bytes.NewReader(sealed)), key, sum, uint64(size))
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(d)
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		var dst target
		if err := Decrypt(&dst, bytes.NewReader(sealed), key, sum, uint64(size)); err != nil || dst.committed != 1 || dst.aborted != 0 || !bytes.Equal(dst.Bytes(), file) {
			t.Errorf("%d bytes: decrypted %d, committed %d, %v", size, dst.Len(), dst.committed, err)
		}
		if err := Verify(bytes.NewReader(sealed), sum, uint64(size)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestRandomAccess: each chunk opens alone, at its place only.
func TestRandomAccess(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(3*ChunkSize+5)
	sealed, _ := encrypted(t, key, file)
	f, err := NewFile(key, uint64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	n := Chunks(f.Size())
	for i := range n {
		span := ChunkSpan(f.Size(), i)
		chunk := sealed[span.Offset:][:span.Length]
		got, err := f.Open(nil, i, chunk)
		start := int(i) * ChunkSize
		if err != nil || !bytes.Equal(got, file[start:start+span.File]) {
			t.Fatalf("chunk %d: %v", i, err)
		}
		again, err := f.Seal([]byte("p"), i, file[start:start+span.File])
		if err != nil || !bytes.Equal(again[1:], chunk) {
			t.Errorf("chunk %d sealed again differs, %v", i, err)
		}
		for j := range n {
			if _, err := f.Open(nil, j, chunk); i != j && !errors.Is(err, ErrChunk) {
				t.Errorf("chunk %d opens as %d: %v", i, j, err)
			}
		}
	}
	if _, err := f.Open(nil, n, sealed); !errors.Is(err, ErrIndex) {
		t.Errorf("opened a chunk beyond the last: %v", err)
	}
	if _, err := f.Seal(nil, n, nil); !errors.Is(err, ErrIndex) {
		t.Errorf("sealed a chunk beyond the last: %v", err)
	}
	if _, err := f.Seal(nil, 0, file[:10]); !errors.Is(err, ErrPlaintext) {
		t.Errorf("sealed a short chunk: %v", err)
	}
}

// tampering lists what a server may do to a ciphertext of several chunks.
func tampering(sealed []byte) map[string][]byte {
	const c = ChunkSize + Overhead
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	last := len(sealed) / c * c
	return map[string][]byte{
		"truncated by a byte":    sealed[:len(sealed)-1],
		"truncated by a chunk":   sealed[:last],
		"truncated in the tag":   sealed[:c-3],
		"nothing":                nil,
		"extended by a byte":     join(sealed, []byte{0}),
		"extended by the last":   join(sealed, sealed[last:]),
		"chunks swapped":         join(sealed[c:2*c], sealed[:c], sealed[2*c:]),
		"chunk repeated":         join(sealed[:c], sealed[:c], sealed[2*c:]),
		"chunk dropped":          join(sealed[:c], sealed[2*c:]),
		"last chunk to front":    join(sealed[last:], sealed[:last]),
		"all zeros":              make([]byte, len(sealed)),
		"first chunk of a later": join(sealed[2*c:3*c], sealed[c:]),
	}
}

// TestTampering (PRO-30): refused before anything is shown, even when the
// reference's hash was made to fit.
func TestTampering(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(4*ChunkSize)
	sealed, sum := encrypted(t, key, file)
	size := uint64(len(file))
	for name, bad := range tampering(sealed) {
		for _, sum := range [][sha256.Size]byte{sum, sha256.Sum256(bad)} {
			var dst target
			err := Decrypt(&dst, bytes.NewReader(bad), key, sum, size)
			if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
				t.Errorf("%s: %v", name, err)
			}
			if dst.committed != 0 || dst.aborted != 1 {
				t.Errorf("%s: committed %d, aborted %d", name, dst.committed, dst.aborted)
			}
		}
		if err := Verify(bytes.NewReader(bad), sum, size); !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: verified, %v", name, err)
		}
	}
}

// TestOtherFile: another file of the same sender, size or key does not pass.
func TestOtherFile(t *testing.T) {
	t.Parallel()
	file := pattern(2 * ChunkSize)
	sealed, sum := encrypted(t, testKey(t, 1), file)
	size := uint64(len(file))
	for name, try := range map[string]struct {
		key  Key
		size uint64
		want error
	}{
		"another key":             {testKey(t, 2), size, ErrChunk},
		"another bucket":          {testKey(t, 1), size * 2, ErrTruncated},
		"smaller bucket":          {testKey(t, 1), size / 2, ErrExtended},
		"smaller in the bucket":   {testKey(t, 1), size - 1, ErrZeros},
		"no size that a file has": {testKey(t, 1), MaxSize + 1, ErrSize},
		"no key":                  {Key{}, size, ErrKey},
	} {
		var dst target
		err := Decrypt(&dst, bytes.NewReader(sealed), try.key, sum, try.size)
		if !errors.Is(err, try.want) || dst.committed != 0 || dst.aborted != 1 {
			t.Errorf("%s: %v, committed %d", name, err, dst.committed)
		}
	}
	sum[0] ^= 1
	if err := Decrypt(new(target), bytes.NewReader(sealed), testKey(t, 1), sum, size); !errors.Is(err, ErrHash) {
		t.Errorf("another hash: %v", err)
	}
}

// TestFlips: each byte of a ciphertext, flipped, is refused by the tag alone.
func TestFlips(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(700)
	sealed, sum := encrypted(t, key, file)
	for i := range sealed {
		sealed[i] ^= 0x10
		if err := Decrypt(new(target), bytes.NewReader(sealed), key, sha256.Sum256(sealed), 700); !errors.Is(err, ErrChunk) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if err := Decrypt(new(target), bytes.NewReader(sealed), key, sum, 700); !errors.Is(err, ErrHash) {
			t.Fatalf("byte %d: %v", i, err)
		}
		sealed[i] ^= 0x10
	}
}

// TestEarlyBytes: a reader that shows what it gets never gets the last chunk of
// a ciphertext with a wrong hash.
func TestEarlyBytes(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(2*ChunkSize)
	sealed, sum := encrypted(t, key, file)
	sum[5] ^= 1
	d, err := NewDecrypter(bytes.NewReader(sealed), key, sum, uint64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(d)
	if !errors.Is(err, ErrHash) || len(got) > 2*ChunkSize {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, again := d.Read(make([]byte, 1)); again != err {
		t.Errorf("the error does not stay: %v", again)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(5*ChunkSize+9)
	size := uint64(len(file))
	sealed, sum := encrypted(t, key, file)
	for done := range Chunks(size) + 1 {
		offset := uint64(len(sealed))
		if done < Chunks(size) {
			offset = ChunkSpan(size, done).Offset
		}
		at := Checkpoint{Chunks: done, Hash: sha256.Sum256(sealed[:offset])}
		e, err := Resume(bytes.NewReader(file), key, size, at)
		if err != nil {
			t.Fatal(err)
		}
		rest := bytes.Clone(sealed[:offset])
		for {
			chunk, err := e.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rest = append(rest, chunk...)
		}
		if !bytes.Equal(rest, sealed) || e.Checkpoint().Hash != sum {
			t.Errorf("resumed after %d chunks: other bytes", done)
		}
	}
}

// TestResumeChanged: a source that changed in what was sent gives nothing; in
// what was not sent it may change, as no nonce of that was used.
func TestResumeChanged(t *testing.T) {
	t.Parallel()
	key, file := testKey(t, 1), pattern(3*ChunkSize)
	size := uint64(len(file))
	sealed, _ := encrypted(t, key, file)
	at := Checkpoint{Chunks: 2, Hash: sha256.Sum256(sealed[:2*(ChunkSize+Overhead)])}
	for _, i := range []int{0, ChunkSize, 2*ChunkSize - 1} {
		file[i] ^= 1
		if _, err := Resume(bytes.NewReader(file), key, size, at); !errors.Is(err, ErrChanged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		file[i] ^= 1
	}
	if _, err := Resume(bytes.NewReader(file), key, size, Checkpoint{Chunks: Chunks(size) + 1}); !errors.Is(err, ErrIndex) {
		t.Errorf("resumed beyond the end: %v", err)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	key, broken := testKey(t, 1), errors.New("broken")
	for name, try := range map[string]struct {
		src  io.Reader
		want error
	}{
		"short":  {bytes.NewReader(pattern(ChunkSize + 4)), ErrSource},
		"long":   {bytes.NewReader(pattern(ChunkSize + 6)), ErrSource},
		"broken": {io.MultiReader(bytes.NewReader(pattern(10)), iotest.ErrReader(broken)), broken},
		"late":   {io.MultiReader(bytes.NewReader(pattern(ChunkSize+5)), iotest.ErrReader(broken)), broken},
	} {
		if _, err := Encrypt(io.Discard, try.src, key, ChunkSize+5); !errors.Is(err, try.want) {
			t.Errorf("%s: %v, want %v", name, err, try.want)
		}
	}
	if _, err := NewEncrypter(nil, key, MaxSize+1); !errors.Is(err, ErrSize) {
		t.Errorf("too large: %v", err)
	}
	if _, err := NewEncrypter(nil, Key{}, 1); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
}

// TestBucket: 5 % and no more, few buckets, never shrinking.
func TestBucket(t *testing.T) {
	t.Parallel()
	buckets, b := 1, Bucket(0)
	if b != MinBucket {
		t.Fatalf("smallest bucket %d", b)
	}
	for b < MaxSize {
		next := Bucket(b + 1)
		if next <= b || (next-(b+1))*20 > b+1 {
			t.Fatalf("a file of %d bytes grows to %d", b+1, next)
		}
		if Bucket(next) != next || Bucket(next-1) != next {
			t.Fatalf("bucket %d does not hold its own size", next)
		}
		b = next
		buckets++
	}
	if buckets != 314 {
		t.Errorf("%d buckets, documented as 314", buckets)
	}
}

// TestSpans: chunks lie one after another and hold the whole file.
func TestSpans(t *testing.T) {
	t.Parallel()
	for _, size := range append(sizes[:], MaxSize) {
		var offset, held uint64
		n := Chunks(uint64(size))
		for i := range n {
			s := ChunkSpan(uint64(size), i)
			if s.Offset != offset || s.Last != (i == n-1) || s.File > s.Length-Overhead || s.Length <= Overhead {
				t.Fatalf("size %d chunk %d: %+v at %d", size, i, s, offset)
			}
			offset += uint64(s.Length)
			held += uint64(s.File)
		}
		if held != uint64(size) || offset != CiphertextSize(uint64(size)) {
			t.Errorf("size %d: chunks hold %d in %d", size, held, offset)
		}
	}
}

func TestKeyPrintsNothing(t *testing.T) {
	t.Parallel()
	key := testKey(t, 0x4b)
	e, err := NewEncrypter(strings.NewReader(""), key, 0)
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ k Key }{key}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, v := range []any{key, &key, hidden, &hidden, []Key{key}, e} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{"4b4b4b", "KKKK", "75 75 75", "0x4b, 0x4b"} {
				if strings.Contains(out, leak) {
					t.Errorf("%s of %T prints the key: %s", verb, v, out)
				}
			}
		}
	}
	if _, err := ParseKey(make([]byte, KeySize)); !errors.Is(err, ErrKey) {
		t.Error("the zero key was taken")
	}
	if _, err := ParseKey(make([]byte, KeySize-1)); !errors.Is(err, ErrKey) {
		t.Error("a short key was taken")
	}
	if bytes.Equal(NewKey().AppendTo(nil), NewKey().AppendTo(nil)) {
		t.Error("two new keys are equal")
	}
}
