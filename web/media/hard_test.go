package media_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	blobs "github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
	"github.com/sottochat/sotto/tenant"
)

// answerOf reads the answer that a raw client gets.
func answerOf(t testing.TB, conn net.Conn) *http.Response {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	answer.Body.Close()
	return answer
}

// MED-01: a body that is shorter than said, that stops coming, or that never
// ends. What came stays where that can be; nothing half-written does.
func TestBodiesThatLie(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{idle: 100 * time.Millisecond})
	ciphertext := content(10_000)
	type lie struct {
		length string
		send   func(net.Conn)
		want   int
		offset int
	}
	for name, c := range map[string]lie{
		"shorter than said": {"Content-Length: 10000", func(c net.Conn) { c.Write(ciphertext[:300]); c.(*net.TCPConn).CloseWrite() }, 400, 300},
		"stops":             {"Content-Length: 10000", func(c net.Conn) { c.Write(ciphertext[:300]) }, 408, 300},
		"stops at once":     {"Content-Length: 10000", func(net.Conn) {}, 408, 0},
		"chunked, stops":    {"Transfer-Encoding: chunked", func(c net.Conn) { fmt.Fprintf(c, "12c\r\n%s\r\n", ciphertext[:300]) }, 408, 300},
		"chunked, broken":   {"Transfer-Encoding: chunked", func(c net.Conn) { fmt.Fprintf(c, "12c\r\n%s\r\nzz\r\n", ciphertext[:300]) }, 400, 300},
		"endless": {"Transfer-Encoding: chunked", func(c net.Conn) {
			for range 1000 { // until the server has had enough
				if _, err := fmt.Fprintf(c, "4000\r\n%s\r\n", make([]byte, 0x4000)); err != nil {
					return
				}
			}
		}, 413, 0},
		"two lengths":      {"Content-Length: 10\r\nContent-Length: 20", func(net.Conn) {}, 400, 0},
		"length too large": {"Content-Length: 9223372036854775807", func(net.Conn) {}, 413, 0},
		"no number":        {"Content-Length: 0x10", func(net.Conn) {}, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			up := b.create(ciphertext)
			conn := b.raw(up, 0, c.length)
			defer conn.Close()
			done := make(chan struct{})
			go func() { defer close(done); c.send(conn) }()
			if answer := answerOf(t, conn); answer.StatusCode != c.want {
				t.Errorf("expected %d, got %d", c.want, answer.StatusCode)
			}
			conn.Close()
			<-done
			if n := b.offset(up); n != c.offset {
				t.Errorf("the upload is at %d, expected %d", n, c.offset)
			}
			for _, file := range b.files() {
				if strings.HasSuffix(file, ".incoming") {
					t.Errorf("%s is left", file)
				}
			}
		})
	}
}

// MED-10: a full store refuses with 507; signing in, and with it the database
// that mailboxes live in, goes on.
func TestFullStore(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{reserve: math.MaxUint64})
	up := b.create(content(100))
	b.expect(507, b.alice, "PATCH", up, header{"Upload-Offset": "0"}, bytes.NewReader(make([]byte, 100)))
	if b.join("somebody"); b.offset(up) != 0 || len(b.files()) != 0 {
		t.Errorf("at %d with %v", b.offset(up), b.files())
	}
}

// process starts a node of its own over the bench's directory and database.
func (b *bench) process() *exec.Cmd {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+b.dir, childDatabase+"="+database.URL("app_web"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	must(b, err)
	b.url = strings.TrimSpace(line)
	return cmd
}

// MED-02: the node dies by kill -9 in the middle of a chunk. Another goes on
// where the last complete piece ends, the whole has its hash, and what was left
// of the piece is swept when it is old.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	ciphertext := content(blobs.PieceSize + 3<<20)
	up := b.create(ciphertext)
	first := b.process()
	conn := b.raw(up, 0, fmt.Sprintf("Content-Length: %d", len(ciphertext)))
	defer conn.Close()
	_, err := conn.Write(ciphertext[:blobs.PieceSize+2<<20])
	must(t, err)
	incoming := func() (n int) {
		for _, name := range b.files() {
			if strings.HasSuffix(name, ".incoming") {
				n++
			}
		}
		return n
	}
	for b.offset(up) < blobs.PieceSize || incoming() == 0 {
		runtime.Gosched() // until the second piece is being written
	}
	must(t, first.Process.Kill())
	first.Wait()

	b.process()
	if n := b.offset(up); n != blobs.PieceSize {
		t.Fatalf("the upload is at %d", n)
	}
	b.patch(up, blobs.PieceSize, ciphertext[blobs.PieceSize:]) // 204 only if the SHA-256 is right
	if _, got := b.do(b.bob, "GET", blobOf(up), nil, nil); !bytes.Equal(got, ciphertext) {
		t.Errorf("%d bytes come back", len(got))
	}

	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	must(t, err)
	defer worker.Close()
	objects, err := disk.New(disk.Config{Dir: b.dir})
	must(t, err)
	b.advance(3 * time.Hour)
	if n, err := blobs.NewSweeper(worker, objects, b.now).SweepObjects(t.Context()); n != 1 || err != nil || incoming() != 0 {
		t.Errorf("swept %d, %d are left, %v", n, incoming(), err)
	}
	if _, got := b.do(b.bob, "GET", blobOf(up), nil, nil); !bytes.Equal(got, ciphertext) {
		t.Errorf("after the sweep %d bytes come back", len(got))
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	t.Skip("this system does not list open files")
	return 0
}

// MED-14: a thousand uploads that stand still hold little memory, the next is
// refused, and when they leave, their files are closed. Not parallel: it counts
// what the whole process holds.
func TestThousandSlowUploads(t *testing.T) {
	const uploads = 1000
	b := newBench(t, setup{Config: blobs.Config{Transfers: uploads, TenantTransfers: uploads, AccountTransfers: uploads + 1}, idle: 5 * time.Minute})
	paths := make([]string, uploads)
	for i := range paths {
		paths[i] = b.create(make([]byte, 1000))
	}
	extra := b.create(make([]byte, 1000))
	http.DefaultClient.CloseIdleConnections()
	filesBefore, before := openFiles(t), memory()
	conns := make([]net.Conn, uploads)
	for i := range conns {
		conns[i] = b.raw(paths[i], 0, "Content-Length: 1000")
		_, err := conns[i].Write([]byte{0})
		must(t, err)
	}
	for len(b.files()) < uploads { // each has its file once its byte was read
		runtime.Gosched()
	}
	b.expect(503, b.alice, "PATCH", extra, header{"Upload-Offset": "0"}, bytes.NewReader(make([]byte, 1000)))
	each := (memory() - before) / uploads
	t.Logf("%d bytes each, both ends; %d files open", each, openFiles(t)-filesBefore)
	if each > 128<<10 {
		t.Errorf("an upload that stands still holds %d bytes", each)
	}
	for _, conn := range conns {
		conn.(*net.TCPConn).CloseWrite()
		if answer := answerOf(t, conn); answer.StatusCode != 400 {
			t.Fatalf("it ended with %d", answer.StatusCode)
		}
		conn.Close()
	}
	b.expect(204, b.alice, "PATCH", extra, header{"Upload-Offset": "0"}, io.LimitReader(zeros{}, 1000))
	b.http.Close() // waits for what still runs
	http.DefaultClient.CloseIdleConnections()
	const pool = 16 // connections to the database that were opened meanwhile
	if n := openFiles(t); n > filesBefore+pool {
		t.Errorf("%d files are open, %d were", n, filesBefore)
	}
	if n := len(b.files()); n != uploads+1 {
		t.Errorf("%d pieces were kept of %d", n, uploads+1)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
