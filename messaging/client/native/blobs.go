//go:build !js

package native

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/sottochat/sotto/messaging"
)

const (
	// chunkBytes is what one request of an upload carries and what is kept to send
	// again: half of the server's largest piece.
	chunkBytes = 4 << 20
	// transferTries is how often in a row a transfer that broke goes on, after
	// transferPause doubled each time: about a minute in all.
	transferTries = 6
	transferPause = time.Second
	// chunkTime bounds one request of an upload: less than the server allows.
	chunkTime = 9 * time.Minute
)

// Blobs are the media ciphertexts of one chat, or with the zero ChatID those
// between the account's own devices. It is a client.BlobStore over tus 1.0.0
// (https://tus.io/protocols/resumable-upload) and ranges of HTTP.
type Blobs struct {
	site *Site
	chat messaging.ChatID
}

// Blobs returns the blobs of a chat.
func (s *Site) Blobs(chat messaging.ChatID) *Blobs { return &Blobs{s, chat} }

// Put implements client.BlobStore.
func (b *Blobs) Put(ctx context.Context, src io.Reader, size uint64) (id messaging.BlobID, err error) {
	if id, err = b.create(ctx, size); err != nil {
		return id, fmt.Errorf("begin the upload: %w", err)
	}
	sum := sha256.New()
	chunk := make([]byte, min(size, chunkBytes))
	for at := uint64(0); at < size; {
		n, err := io.ReadFull(src, chunk[:min(size-at, chunkBytes)])
		if err != nil {
			return id, err
		}
		sum.Write(chunk[:n])
		var digest []byte
		if at+uint64(n) == size {
			digest = sum.Sum(nil)
		}
		if err := b.send(ctx, id, at, chunk[:n], digest); err != nil {
			return id, fmt.Errorf("upload: %w", err)
		}
		at += uint64(n)
	}
	return id, nil
}

func (b *Blobs) create(ctx context.Context, size uint64) (id messaging.BlobID, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := b.request(ctx, http.MethodPost, "/media/v1/uploads", nil)
	if err != nil {
		return id, err
	}
	r.Header.Set("Upload-Length", strconv.FormatUint(size, 10))
	if b.chat != (messaging.ChatID{}) {
		r.Header.Set("Upload-Metadata", "chat "+base64.StdEncoding.EncodeToString([]byte(b.chat.String())))
	}
	answer, err := b.do(r)
	if err != nil {
		return id, err
	}
	if err := id.UnmarshalText([]byte(path.Base(answer.Get("Location")))); err != nil {
		return id, fmt.Errorf("%w: an upload without a place", ErrServer)
	}
	return id, nil
}

func (b *Blobs) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := b.site.request(ctx, method, path, body)
	if err == nil {
		r.Header.Set("Tus-Resumable", "1.0.0")
	}
	return r, err
}

// do runs a request whose answer is in its headers.
func (b *Blobs) do(r *http.Request) (http.Header, error) {
	answer, err := b.site.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return nil, refused(answer)
	}
	return answer.Header, nil
}

// send brings one chunk to the server, whole, asking where to go on after each
// break.
func (b *Blobs) send(ctx context.Context, id messaging.BlobID, at uint64, chunk, digest []byte) error {
	var last error
	for try := range transferTries {
		offset := at
		if try > 0 {
			if err := pause(ctx, try); err != nil {
				return err
			}
			var err error
			if offset, err = b.offset(ctx, id); err != nil {
				if last = err; lasting(err) {
					return err
				}
				continue
			}
			if offset < at || offset > at+uint64(len(chunk)) {
				return fmt.Errorf("%w: the upload stands elsewhere", ErrServer)
			}
		}
		if last = b.patch(ctx, id, offset, chunk[offset-at:], digest); last == nil {
			return nil
		}
		if lasting(last) {
			return last
		}
	}
	return last
}

func (b *Blobs) offset(ctx context.Context, id messaging.BlobID) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := b.request(ctx, http.MethodHead, "/media/v1/uploads/"+id.String(), nil)
	if err != nil {
		return 0, err
	}
	h, err := b.do(r)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(h.Get("Upload-Offset"), 10, 64)
}

func (b *Blobs) patch(ctx context.Context, id messaging.BlobID, at uint64, chunk, digest []byte) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTime)
	defer cancel()
	r, err := b.request(ctx, http.MethodPatch, "/media/v1/uploads/"+id.String(), bytes.NewReader(chunk))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	r.Header.Set("Upload-Offset", strconv.FormatUint(at, 10))
	if digest != nil {
		r.Header.Set("Upload-Metadata", "sha256 "+base64.StdEncoding.EncodeToString(digest))
	}
	_, err = b.do(r)
	return err
}

// lasting reports whether an error would come again: a refusal that is no matter
// of time or of where the upload stands.
func lasting(err error) bool {
	var r Refused
	if errors.Is(err, ErrSignedOut) || errors.Is(err, context.Canceled) {
		return true
	}
	return errors.As(err, &r) && r.Status < 500 && r.Status != http.StatusConflict && r.Status != http.StatusTooManyRequests &&
		r.Status != http.StatusRequestTimeout
}

func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(transferPause << (try - 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements client.BlobStore. The reader goes on by itself where a
// connection breaks.
func (b *Blobs) Get(ctx context.Context, id messaging.BlobID) (io.ReadCloser, error) {
	d := &download{ctx: ctx, blobs: b, id: id}
	return d, d.open()
}

// Fetched tells the server that this device has the blob.
func (b *Blobs) Fetched(ctx context.Context, id messaging.BlobID) error {
	_, err := b.site.call(ctx, http.MethodPost, "/media/v1/blobs/"+id.String()+"/delivered", nil, nil)
	return err
}

// download reads a blob over as many connections as it takes.
type download struct {
	ctx   context.Context // of the whole transfer
	blobs *Blobs
	id    messaging.BlobID
	at    int64
	body  io.ReadCloser
	tries int // in a row without a byte
}

func (d *download) open() error {
	r, err := d.blobs.site.request(d.ctx, http.MethodGet, "/media/v1/blobs/"+d.id.String(), nil)
	if err != nil {
		return err
	}
	if d.at > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.at))
	}
	answer, err := d.blobs.site.http.Do(r)
	if err != nil {
		return err
	}
	whole := d.at == 0 && answer.StatusCode == http.StatusOK
	rest := d.at > 0 && answer.StatusCode == http.StatusPartialContent
	if !whole && !rest {
		defer answer.Body.Close()
		return refused(answer)
	}
	d.body = answer.Body
	return nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		n, err := d.body.Read(p)
		d.at += int64(n)
		if n > 0 {
			d.tries = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if err == io.EOF || d.ctx.Err() != nil {
			return 0, err
		}
		if again := d.resume(err); again != nil {
			return 0, again
		}
	}
}

// resume opens the rest after a break.
func (d *download) resume(broke error) error {
	d.body.Close()
	for d.tries++; d.tries < transferTries; d.tries++ {
		if err := pause(d.ctx, d.tries); err != nil {
			return err
		}
		if broke = d.open(); broke == nil || lasting(broke) {
			return broke
		}
	}
	return broke
}

// Close implements io.Closer.
func (d *download) Close() error {
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}
