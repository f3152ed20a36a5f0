package media_test

import (
	"bytes"
	"net/http/httptest"
	"testing"
	"time"

	blobs "github.com/sottochat/sotto/messaging/server/media"
)

// deadlines is a response that notes what is asked of its connection.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = append(d.read, t); return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = append(d.write, t); return nil }

// The server's own times are for forms. A transfer replaces both before the
// first byte, by what it needs.
func TestTransfersReplaceTheServersTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{idle: time.Minute})
	ciphertext := content(1000)
	up := b.create(ciphertext)
	near := func(got time.Time, want time.Duration) bool { return time.Until(got.Add(-want)).Abs() < 30*time.Second }

	put := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.handler.Handler.ServeHTTP(put, serverSide(b, "PATCH", up, header{"Upload-Offset": "0"}, ciphertext))
	if put.Code != 204 || len(put.read) == 0 || !near(put.read[0], time.Minute) || len(put.write) == 0 || !near(put.write[0], blobs.MaxChunkTime+time.Minute) {
		t.Errorf("upload: %d, read %v, write %v", put.Code, put.read, put.write)
	}
	get := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.handler.Handler.ServeHTTP(get, serverSide(b, "GET", blobOf(up), nil, nil))
	if get.Code != 200 || len(get.read) != 1 || !get.read[0].IsZero() || len(get.write) == 0 || !near(get.write[0], time.Minute) || !bytes.Equal(get.Body.Bytes(), ciphertext) {
		t.Errorf("download: %d, read %v, write %v", get.Code, get.read, get.write)
	}
}
