package media_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
)

// MED-04: what is served is bytes to be saved, whatever they hold.
func TestDownloadHeaders(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	page := []byte("<!doctype html><script>alert(1)</script>")
	blob := b.upload(page)
	for _, method := range []string{"GET", "HEAD"} {
		h := b.expect(200, b.bob, method, blob, nil, nil).Header
		for name, want := range map[string]string{
			"Content-Type": "application/octet-stream", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "Accept-Ranges": "bytes", "Content-Length": fmt.Sprint(len(page)),
		} {
			if got := strings.Join(h.Values(name), " | "); got != want {
				t.Errorf("%s: %s is %q, expected %q", method, name, got, want)
			}
		}
	}
}

// MED-05: whoever may not know of a blob gets the same answer, byte for byte
// but for the request's own number, whatever is asked and how.
func TestNotFoundIsOneAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	blob, half := b.upload([]byte("ciphertext")), b.create(content(100))
	old := b.upload([]byte("expires"))
	stranger := b.join("stranger")
	ownTenant := b.tenant
	b.tenant = database.Tenant(t)
	foreignHost := b.addHost(b.tenant)
	foreign := b.join("alice")
	b.tenant = ownTenant

	guessed := "/media/v1/blobs/" + messaging.NewBlobID().String()
	type try struct {
		by   member
		h    header
		path string
	}
	tries := map[string]try{
		"stranger":        {stranger, nil, blob},
		"another tenant":  {foreign, header{"Host": foreignHost}, blob},
		"guessed":         {b.bob, nil, guessed},
		"no identifier":   {b.bob, nil, "/media/v1/blobs/blob_x"},
		"unfinished":      {b.bob, nil, blobOf(half)},
		"own, unfinished": {b.alice, nil, blobOf(half)},
	}
	answers := map[string]string{}
	check := func(name string, r *http.Request) {
		t.Helper()
		answer, text := b.send(r)
		if answer.StatusCode != 404 {
			t.Errorf("%s %s: %d %s", r.Method, name, answer.StatusCode, text)
		}
		var p map[string]any
		if r.Method != "HEAD" {
			must(t, json.Unmarshal(text, &p))
			delete(p, "request_id")
		}
		for _, own := range []string{"Date", "X-Request-Id", "Tus-Resumable", "Connection"} {
			answer.Header.Del(own)
		}
		if r.Method != "HEAD" {
			answer.Header.Del("Content-Length")
		}
		key, got := fmt.Sprint(r.Method == "HEAD"), fmt.Sprint(p, answer.Header)
		if want, seen := answers[key]; seen && got != want {
			t.Errorf("%s %s differs:\n%s\n%s", r.Method, name, got, want)
		}
		answers[key] = got
	}
	for name, c := range tries {
		upload := strings.Replace(c.path, "/blobs/", "/uploads/", 1)
		check(name, b.request(c.by, "GET", c.path, c.h, nil))
		check(name, b.request(c.by, "HEAD", c.path, c.h, nil))
		ranged := header{"Range": "bytes=0-0", "If-None-Match": "*"}
		for k, v := range c.h {
			ranged[k] = v
		}
		check(name+" ranged", b.request(c.by, "GET", c.path, ranged, nil))
		check(name+" delivered", b.request(c.by, "POST", c.path+"/delivered", c.h, nil))
		if name == "own, unfinished" {
			continue
		}
		check(name+" upload", b.request(c.by, "HEAD", upload, c.h, nil))
		check(name+" terminate", b.request(c.by, "DELETE", upload, c.h, nil))
		patch := header{"Upload-Offset": "0"}
		for k, v := range c.h {
			patch[k] = v
		}
		check(name+" patch", b.request(c.by, "PATCH", upload, patch, strings.NewReader("x")))
	}
	b.expect(200, b.bob, "GET", blob, nil, nil)
	b.advance(31 * 24 * time.Hour)
	check("expired", b.request(b.bob, "GET", old, nil, nil))
	check("expired", b.request(b.bob, "HEAD", old, nil, nil))
}

// asked is a Range header and what it has to get of n bytes: a status, and the
// part for 206.
type asked struct {
	text     string
	want     int
	from, to int // to is exclusive
}

func randomRange(r *mathrand.Rand, n int) asked {
	a, b := r.IntN(n+10), r.IntN(n+10)
	if r.IntN(4) == 0 { // near the edges of pieces and of the blob
		a, b = n-r.IntN(5), n+r.IntN(5)-2
	}
	switch r.IntN(8) {
	case 0:
		return bounded(asked{fmt.Sprintf("bytes=%d-", a), 206, a, n}, n)
	case 1:
		return bounded(asked{fmt.Sprintf("bytes=-%d", a), 206, max(0, n-a), n}, n)
	case 2:
		return asked{fmt.Sprintf("bytes=%d-%d,%d-%d", a, a, b, b+1), 200, 0, n} // several: the whole
	case 3:
		return bounded(asked{fmt.Sprintf("bytes=%d-%d", a, uint64(math.MaxInt64)), 206, a, n}, n)
	case 4:
		return asked{fmt.Sprintf("bytes=%d-%d9", a, uint64(math.MaxInt64)), 416, 0, 0}
	case 5:
		return asked{"bytes=" + [...]string{"-", "a-b", "1-0x5", "--5", "9223372036854775808-", "5-4"}[r.IntN(6)], 416, 0, 0}
	}
	if a > b {
		return asked{fmt.Sprintf("bytes=%d-%d", a, b), 416, 0, 0}
	}
	return bounded(asked{fmt.Sprintf("bytes=%d-%d", a, b), 206, a, min(b+1, n)}, n)
}

func bounded(a asked, n int) asked {
	if a.from >= n || a.from == a.to {
		a.want = 416
	}
	return a
}

// MED-03: ten thousand ranges, over pieces, ends and overflows.
func TestRanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	ciphertext := content(5000)
	up := b.create(ciphertext)
	for at := 0; at < len(ciphertext); at += 700 { // eight pieces
		b.patch(up, at, ciphertext[at:min(at+700, len(ciphertext))])
	}
	seed := mathrand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	})
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		wg.Go(func() {
			r := mathrand.New(mathrand.NewPCG(seed, worker))
			for range 10_000 / 8 {
				b.checkRange(randomRange(r, len(ciphertext)), blobOf(up), ciphertext)
			}
		})
	}
	wg.Wait()
	for _, none := range []string{"bytes=-0", "bytes=-000", "bytes= -0"} {
		b.checkRange(asked{none, 416, 0, 0}, blobOf(up), ciphertext)
	}
	if answer, _ := b.do(b.bob, "GET", blobOf(up), header{"Range": "bytes=0-0" + strings.Repeat(",0-0", 3000)}, nil); answer.StatusCode != 200 || answer.ContentLength != 5000 {
		t.Errorf("3,000 ranges in one: %d with %d bytes", answer.StatusCode, answer.ContentLength)
	}
}

func (b *bench) checkRange(a asked, blob string, ciphertext []byte) {
	answer, err := http.DefaultClient.Do(b.request(b.bob, "GET", blob, header{"Range": a.text}, nil))
	if err != nil {
		b.Error(err)
		return
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		b.Error(a.text, err)
	case answer.StatusCode == 429: // eight workers may meet the account's bound; ask again
		b.checkRange(a, blob, ciphertext)
	case answer.StatusCode != a.want:
		b.Errorf("%q: expected %d, got %d", a.text, a.want, answer.StatusCode)
	case a.want == 206 && (!bytes.Equal(got, ciphertext[a.from:a.to]) ||
		answer.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", a.from, a.to-1, len(ciphertext))):
		b.Errorf("%q: %d bytes, %s", a.text, len(got), answer.Header.Get("Content-Range"))
	case a.want == 200 && !bytes.Equal(got, ciphertext):
		b.Errorf("%q: %d bytes of the whole", a.text, len(got))
	case a.want == 416 && bytes.Contains(got, ciphertext[:4]):
		b.Errorf("%q: the refusal holds the blob", a.text)
	}
}

// MED-03: memory does not grow with the blob, up or down. Not parallel: it
// counts what the whole process allocates.
func TestFlatMemory(t *testing.T) {
	b := newBench(t, setup{})
	const size = 64 << 20
	up := b.expect(201, b.alice, "POST", "/media/v1/uploads", header{"Upload-Length": fmt.Sprint(size),
		"Upload-Metadata": "chat " + encode([]byte(b.chat.String()))}, nil).Header.Get("Location")
	allocated := func(work func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		work()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	const ceiling = 4 << 20 // both ends and a dozen transactions; the blob is 16 times that
	if n := allocated(func() {
		b.expect(204, b.alice, "PATCH", up, header{"Upload-Offset": "0"}, io.LimitReader(rand.Reader, size))
	}); n > ceiling {
		t.Errorf("an upload of %d bytes allocates %d", size, n)
	}
	b.exec(`update media_blob set finished = true where tenant_id = $1`)
	if n := allocated(func() {
		answer, err := http.DefaultClient.Do(b.request(b.bob, "GET", blobOf(up), nil, nil))
		must(t, err)
		defer answer.Body.Close()
		if n, err := io.Copy(io.Discard, answer.Body); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}); n > ceiling {
		t.Errorf("a download of %d bytes allocates %d", size, n)
	}
}

// A blob that lost a piece breaks the answer off; it does not end it.
func TestLostPieceIsNoShortBlob(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	ciphertext := content(100_000)
	up := b.create(ciphertext)
	b.patch(up, 0, ciphertext[:90_000])
	b.patch(up, 90_000, ciphertext[90_000:])
	for _, name := range b.files() {
		if info, err := os.Stat(name); err == nil && info.Size() == 10_000 {
			must(t, os.Remove(name))
		}
	}
	answer, err := http.DefaultClient.Do(b.request(b.bob, "GET", blobOf(up), nil, nil))
	must(t, err)
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%d bytes end as if that were all", len(got))
	}
}
