package media_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
)

// cut gives n bytes of b, then an error as a broken connection does.
func cut(b []byte, n int, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(b[:n]), failing{err})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// MED-02: an upload that breaks off goes on where it was, and the whole is
// what was meant.
func TestResume(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(media.PieceSize + 300_000)
	u := b.create(b.alice, ciphertext)
	for _, stop := range []int{1, 1000, media.PieceSize + 5, media.PieceSize + 100_000} {
		at := int(u.Received)
		got, err := b.service.Append(t.Context(), b.tenant, b.alice, u.ID,
			media.Chunk{Offset: u.Received, Length: int64(len(ciphertext) - at), Body: cut(ciphertext[at:], stop-at, io.ErrUnexpectedEOF)})
		if !errors.Is(err, media.ErrCut) || got.Received != int64(stop) {
			t.Fatalf("cut at %d: %+v, %v", stop, got, err)
		}
		if u, err = b.service.Find(t.Context(), b.tenant, b.alice, u.ID); err != nil || u.Received != int64(stop) || u.Finished {
			t.Fatalf("found: %+v, %v", u, err)
		}
	}
	if got, err := b.append(b.alice, u.ID, u.Received, ciphertext[u.Received:]); err != nil || !got.Finished {
		t.Fatalf("finished: %+v, %v", got, err)
	}
	if got, err := b.fetch(b.bob, u.ID); err != nil || !bytes.Equal(got, ciphertext) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// The last request, sent again because its answer was lost.
	if got, err := b.append(b.alice, u.ID, int64(len(ciphertext)), nil); err != nil || !got.Finished {
		t.Errorf("again: %+v, %v", got, err)
	}
}

func TestHowABodyEnds(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(1000)
	for _, c := range []struct {
		end, want error
	}{{os.ErrDeadlineExceeded, media.ErrSlow}, {io.ErrUnexpectedEOF, media.ErrCut}, {errors.New("read tcp 203.0.113.7:80"), media.ErrCut}} {
		u := b.create(b.alice, ciphertext)
		got, err := b.service.Append(t.Context(), b.tenant, b.alice, u.ID, media.Chunk{Length: -1, Body: cut(ciphertext, 300, c.end)})
		if !errors.Is(err, c.want) || bytes.Contains([]byte(err.Error()), []byte("203.0.113.7")) || got.Received != 300 {
			t.Errorf("%v: %+v, %v", c.end, got, err)
		}
	}
}

// MED-01: a body that goes on and on is not taken, said or not, and its
// beginning does not finish the upload.
func TestTooLong(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(1000)
	u := b.create(b.alice, ciphertext)
	if _, err := b.append(b.alice, u.ID, 0, append(ciphertext, 0)); !errors.Is(err, media.ErrTooLong) {
		t.Errorf("said: %v", err)
	}
	endless := io.MultiReader(bytes.NewReader(ciphertext), zeros{})
	got, err := b.service.Append(t.Context(), b.tenant, b.alice, u.ID, media.Chunk{Length: -1, Body: endless})
	if !errors.Is(err, media.ErrTooLong) || got.Received != 0 || got.Finished {
		t.Errorf("endless: %+v, %v", got, err)
	}
	if n := b.files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if _, err := b.append(b.alice, u.ID, 0, ciphertext); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestOffset(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(1000)
	u := b.create(b.alice, ciphertext)
	for _, at := range []int64{-1, 1, 1000, math.MaxInt64} {
		if _, err := b.append(b.alice, u.ID, at, ciphertext[:10]); !errors.Is(err, media.ErrOffset) {
			t.Errorf("at %d: %v", at, err)
		}
	}
	// Of eight at once, one is taken.
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		wg.Go(func() {
			_, err := b.append(b.alice, u.ID, 0, ciphertext[:500])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken++
			} else if !errors.Is(err, media.ErrOffset) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if taken != 1 || b.files() != 1 {
		t.Errorf("%d were taken, %d files", taken, b.files())
	}
	if got, err := b.append(b.alice, u.ID, 500, ciphertext[500:]); err != nil || !got.Finished {
		t.Errorf("the rest: %+v, %v", got, err)
	}
}

// A chunk with a checksum is taken whole or not at all.
func TestChecksum(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(2*media.PieceSize + 1000)
	u := b.create(b.alice, ciphertext)
	sum := sha256.Sum256(ciphertext)
	wrong := sum
	wrong[0]++
	send := func(body io.Reader, sum [32]byte) (media.Upload, error) {
		return b.service.Append(t.Context(), b.tenant, b.alice, u.ID, media.Chunk{Length: -1, Body: body, Checksum: sha256.New(), Sum: sum[:]})
	}
	if got, err := send(bytes.NewReader(ciphertext), wrong); !errors.Is(err, media.ErrChecksum) || got.Received != 0 {
		t.Errorf("wrong: %+v, %v", got, err)
	}
	if got, err := send(cut(ciphertext, media.PieceSize+10, io.ErrUnexpectedEOF), sum); !errors.Is(err, media.ErrCut) || got.Received != 0 {
		t.Errorf("cut: %+v, %v", got, err)
	}
	if n := b.files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if got, err := send(bytes.NewReader(ciphertext), sum); err != nil || !got.Finished {
		t.Errorf("right: %+v, %v", got, err)
	}
}

func TestDigest(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(1000)
	u := b.create(b.alice, ciphertext)
	other := append([]byte{}, ciphertext...)
	other[999]++
	if _, err := b.append(b.alice, u.ID, 0, other); !errors.Is(err, media.ErrDigest) {
		t.Errorf("another ciphertext: %v", err)
	}
	b.nothingIsLeft()

	// Told at the end, in an empty chunk.
	late, err := b.service.Create(t.Context(), b.tenant, b.alice, media.Intent{Chat: b.chat, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.append(b.alice, late.ID, 0, ciphertext); err != nil || got.Finished || got.Received != 1000 {
		t.Fatalf("without a digest: %+v, %v", got, err)
	}
	if _, err := b.fetch(b.bob, late.ID); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("fetched unverified: %v", err)
	}
	end := media.Chunk{Offset: 1000, Body: bytes.NewReader(nil), Digest: digestOf(ciphertext)}
	if got, err := b.service.Append(t.Context(), b.tenant, b.alice, late.ID, end); err != nil || !got.Finished {
		t.Errorf("told: %+v, %v", got, err)
	}

	two := b.create(b.alice, ciphertext)
	if _, err := b.service.Append(t.Context(), b.tenant, b.alice, two.ID, media.Chunk{Body: bytes.NewReader(ciphertext), Digest: digestOf(other)}); !errors.Is(err, media.ErrDigestChanged) {
		t.Errorf("another digest: %v", err)
	}
}

func TestPiecesAreBounded(t *testing.T) {
	b := newBench(t, media.Config{})
	u := b.create(b.alice, content(5000))
	b.exec(`update media_blob set pieces = 999 where tenant_id = $1`)
	if _, err := b.append(b.alice, u.ID, 0, []byte("x")); err != nil {
		t.Fatalf("the thousandth: %v", err)
	}
	if _, err := b.append(b.alice, u.ID, 1, []byte("x")); !errors.Is(err, media.ErrPieces) {
		t.Errorf("one more: %v", err)
	}
	if n := b.files(); n != 1 {
		t.Errorf("%d files", n)
	}
}

// MED-10: a full store refuses the chunk, keeps what was taken, leaves the
// database working, and takes the rest once there is room.
func TestFullStore(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(1000)
	u := b.create(b.alice, ciphertext)
	if _, err := b.append(b.alice, u.ID, 0, ciphertext[:100]); err != nil {
		t.Fatal(err)
	}
	full, err := disk.New(disk.Config{Dir: b.dir, Reserve: math.MaxUint64})
	if err != nil {
		t.Fatal(err)
	}
	service := media.New(b.db, full, nil, media.Config{})
	got, err := service.Append(t.Context(), b.tenant, b.alice, u.ID, media.Chunk{Offset: 100, Length: 900, Body: bytes.NewReader(ciphertext[100:])})
	if !errors.Is(err, media.ErrFull) || got.Received != 100 {
		t.Errorf("full: %+v, %v", got, err)
	}
	if got, err := b.append(b.alice, u.ID, 100, ciphertext[100:]); err != nil || !got.Finished {
		t.Errorf("with room: %+v, %v", got, err)
	}
}
