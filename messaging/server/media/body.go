package media

import (
	"errors"
	"io"
	"os"
)

// body reads what an uploader sends, up to what the upload lacks. It always
// ends in io.EOF, so that a store keeps what has come; err says afterwards how
// it really ended.
type body struct {
	src   io.Reader
	left  int64 // what the upload lacks
	ahead []byte
	buf   [1]byte
	err   error
	done  bool
}

func newBody(src io.Reader, left int64) *body { return &body{src: src, left: left} }

// more reports whether another byte comes, waiting for it; it may be one too
// many.
func (b *body) more() bool {
	if len(b.ahead) > 0 {
		return true
	}
	if b.done {
		return false
	}
	if _, err := io.ReadFull(b.src, b.buf[:]); err != nil {
		b.end(err)
		return false
	}
	b.ahead = b.buf[:]
	return true
}

// Read implements io.Reader. It waits for no byte beyond the upload's end.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 || b.done && len(b.ahead) == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	var n int
	if len(b.ahead) > 0 {
		n = copy(p, b.ahead)
		b.ahead = b.ahead[n:]
	} else {
		var err error
		n, err = b.src.Read(p)
		if err != nil {
			b.end(err)
		}
	}
	b.left -= int64(n)
	if n == 0 && b.done {
		return 0, io.EOF
	}
	return n, nil
}

func (b *body) end(err error) {
	b.done = true
	if err != io.EOF {
		b.err = cause(err)
	}
}

// cause drops the reader's words: they hold addresses.
func cause(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSlow
	case errors.Is(err, ErrTooLong), errors.Is(err, ErrSlow):
		return err
	}
	return ErrCut
}
