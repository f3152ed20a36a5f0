package media

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/sottochat/sotto/messaging"
)

var (
	// ErrTruncated reports a ciphertext that ends early.
	ErrTruncated = errors.New("media: ciphertext is truncated")
	// ErrExtended reports a ciphertext that goes on after its end.
	ErrExtended = errors.New("media: ciphertext is extended")
	// ErrHash reports a ciphertext with another SHA-256 than its reference says.
	ErrHash = errors.New("media: ciphertext has another hash")
)

// Decrypter reads the file out of a ciphertext. Each byte that it gives is
// authentic and at its place; the last chunk is given only after the hash of
// the whole ciphertext was right and nothing followed it. So a reader that
// shows nothing before io.EOF shows nothing that was tampered with; Decrypt and
// Verify are for that. Errors about the ciphertext are messaging.ErrInvalid.
type Decrypter struct {
	file   *File
	src    io.Reader
	want   [sha256.Size]byte
	hash   hash.Hash
	next   uint32
	sealed []byte
	plain  []byte // opened, not yet given
	err    error
}

// NewDecrypter returns a reader of the size bytes of the file whose ciphertext
// src gives and has the SHA-256 sum.
func NewDecrypter(src io.Reader, key Key, sum [sha256.Size]byte, size uint64) (*Decrypter, error) {
	file, err := NewFile(key, size)
	if err != nil {
		return nil, err
	}
	return &Decrypter{
		file:   file,
		src:    src,
		want:   sum,
		hash:   sha256.New(),
		sealed: make([]byte, min(ChunkSize, Bucket(size))+Overhead),
	}, nil
}

// Read implements io.Reader. An error stays.
func (d *Decrypter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.plain) == 0 && d.err == nil {
		d.plain, d.err = d.open()
	}
	if len(d.plain) == 0 {
		return 0, d.err
	}
	n := copy(p, d.plain)
	d.plain = d.plain[n:]
	return n, nil
}

func (d *Decrypter) open() ([]byte, error) {
	if d.next == Chunks(d.file.size) {
		return nil, io.EOF
	}
	span := ChunkSpan(d.file.size, d.next)
	sealed := d.sealed[:span.Length]
	if _, err := io.ReadFull(d.src, sealed); err != nil {
		return nil, cipherError(err)
	}
	d.hash.Write(sealed)
	if span.Last {
		if err := finish(d.src, d.hash, d.want); err != nil {
			return nil, err
		}
	}
	plain, err := d.file.Open(sealed[:0], d.next, sealed)
	if err != nil {
		return nil, err
	}
	d.next++
	return plain, nil
}

// Verify reads the ciphertext of a file of size bytes from src and reports
// whether it is as long as it must be and has the SHA-256 sum; it needs no key.
// It gives messaging.ErrInvalid otherwise, and reads at most one byte more than
// the ciphertext.
func Verify(src io.Reader, sum [sha256.Size]byte, size uint64) error {
	if size > MaxSize {
		return messaging.Invalid(ErrSize)
	}
	h := sha256.New()
	want := int64(CiphertextSize(size))
	n, err := io.CopyBuffer(h, onlyReader{io.LimitReader(src, want)}, make([]byte, 32<<10))
	if err != nil {
		return err
	}
	if n != want {
		return messaging.Invalid(ErrTruncated)
	}
	return finish(src, h, sum)
}

// onlyReader hides WriteTo, so that CopyBuffer keeps to its buffer.
type onlyReader struct{ io.Reader }

// Target is a place that shows nothing of what was written to it before Commit
// and forgets it on Abort: a temporary file that is renamed, or an entry that a
// vault makes visible.
type Target interface {
	io.Writer
	Commit() error
	Abort() error
}

// Decrypt writes the file to dst and commits it when everything was authentic;
// otherwise it aborts, and dst has shown nothing.
func Decrypt(dst Target, src io.Reader, key Key, sum [sha256.Size]byte, size uint64) error {
	d, err := NewDecrypter(src, key, sum, size)
	if err != nil {
		return errors.Join(err, dst.Abort())
	}
	for {
		d.plain, d.err = d.open()
		if d.err == io.EOF {
			return dst.Commit()
		}
		if d.err == nil {
			_, d.err = dst.Write(d.plain)
		}
		if d.err != nil {
			return aborted(dst, d.err)
		}
	}
}

// aborted keeps an error of the invalid class as it is: its text stays that of
// messaging.ErrInvalid whatever Abort says.
func aborted(dst Target, err error) error {
	if abort := dst.Abort(); abort != nil && !errors.Is(err, messaging.ErrInvalid) {
		return errors.Join(err, abort)
	}
	return err
}

func finish(src io.Reader, h hash.Hash, want [sha256.Size]byte) error {
	if err := ended(src, ErrExtended); err != nil {
		if err == ErrExtended {
			return messaging.Invalid(err)
		}
		return err
	}
	// Not secret, so compared as it is: the reference's hash is what the peer said.
	if [sha256.Size]byte(h.Sum(nil)) != want {
		return messaging.Invalid(ErrHash)
	}
	return nil
}

func cipherError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return messaging.Invalid(ErrTruncated)
	}
	return err
}
