package media

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/sottochat/sotto/messaging/server/media"
)

// pacedBody reads a request's body as long as something comes: each read gets
// idle, all together end.
type pacedBody struct {
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration
	end     time.Time
	renew   time.Time
}

// Read implements io.Reader.
func (p *pacedBody) Read(b []byte) (int, error) {
	now := time.Now()
	if !now.Before(p.end) {
		return 0, os.ErrDeadlineExceeded
	}
	// Setting a deadline costs a lock and a timer; a tenth of it is near enough.
	if !now.Before(p.renew) {
		deadline := now.Add(p.idle)
		if deadline.After(p.end) {
			deadline = p.end
		}
		if p.control.SetReadDeadline(deadline) != nil {
			return 0, errControl
		}
		p.renew = now.Add(p.idle / 10)
	}
	n, err := p.body.Read(b)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = media.ErrTooLong
	}
	return n, err
}

// pacedWriter writes a response as long as the client takes it. It hides what
// else the writer can do, so that every byte passes Write.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	renew   time.Time
}

// Write implements io.Writer.
func (p *pacedWriter) Write(b []byte) (int, error) {
	if now := time.Now(); !now.Before(p.renew) {
		if p.control.SetWriteDeadline(now.Add(p.idle)) != nil {
			return 0, errControl
		}
		p.renew = now.Add(p.idle / 10)
	}
	return p.ResponseWriter.Write(b)
}
