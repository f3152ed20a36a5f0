package media

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

var (
	// ErrSource reports a source that is shorter or longer than it was said to be.
	ErrSource = errors.New("media: source differs from its size")
	// ErrChanged reports a source that is no longer what the first attempt sent.
	ErrChanged = errors.New("media: source changed since the upload began")
)

// Checkpoint is how far an upload has come: how many chunks were handed out and
// the SHA-256 of their ciphertext.
type Checkpoint struct {
	Chunks uint32
	Hash   [sha256.Size]byte
}

// Encrypter turns a source into chunks of ciphertext, one at a time; it holds
// one chunk of each. It is not safe for concurrent use.
type Encrypter struct {
	file   *File
	src    io.Reader
	hash   hash.Hash
	next   uint32
	plain  []byte
	sealed []byte
	err    error
}

// NewEncrypter returns an Encrypter of the size bytes that src gives.
func NewEncrypter(src io.Reader, key Key, size uint64) (*Encrypter, error) {
	file, err := NewFile(key, size)
	if err != nil {
		return nil, err
	}
	return &Encrypter{
		file:   file,
		src:    src,
		hash:   sha256.New(),
		plain:  make([]byte, min(ChunkSize, Bucket(size))),
		sealed: make([]byte, 0, min(ChunkSize, Bucket(size))+Overhead),
	}, nil
}

// Resume returns an Encrypter that continues after the chunks of done. src
// starts at the file's first byte: the chunks handed out before are sealed
// again into the hash, and nothing is handed out when they differ (ErrChanged),
// because sealing other bytes under a used nonce would give both away. The
// caller then starts anew with a new key. This holds when each Checkpoint is
// saved before its last chunk leaves the device.
func Resume(src io.Reader, key Key, size uint64, done Checkpoint) (*Encrypter, error) {
	if done.Chunks > Chunks(min(size, MaxSize)) {
		return nil, ErrIndex
	}
	e, err := NewEncrypter(src, key, size)
	if err != nil {
		return nil, err
	}
	for e.next < done.Chunks {
		if _, err := e.Next(); err != nil {
			return nil, err
		}
	}
	if e.Checkpoint() != done {
		return nil, ErrChanged
	}
	return e, nil
}

// Next returns the next chunk of ciphertext, valid until the next call, or
// io.EOF after the last. An error stays.
func (e *Encrypter) Next() ([]byte, error) {
	if e.err == nil {
		e.err = e.seal()
	}
	if e.err != nil {
		return nil, e.err
	}
	return e.sealed, nil
}

func (e *Encrypter) seal() error {
	if e.next == Chunks(e.file.size) {
		return io.EOF
	}
	span := ChunkSpan(e.file.size, e.next)
	plain := e.plain[:span.File]
	if _, err := io.ReadFull(e.src, plain); err != nil {
		return sourceError(err)
	}
	if span.Last {
		if err := ended(e.src, ErrSource); err != nil {
			return err
		}
	}
	sealed, err := e.file.Seal(e.sealed[:0], e.next, plain)
	if err != nil {
		return err
	}
	e.sealed = sealed
	e.hash.Write(sealed)
	e.next++
	return nil
}

// Checkpoint returns how far the Encrypter has come, the chunk that Next
// returned last included.
func (e *Encrypter) Checkpoint() Checkpoint {
	return Checkpoint{Chunks: e.next, Hash: [sha256.Size]byte(e.hash.Sum(nil))}
}

// Encrypt writes the ciphertext of the size bytes of src to dst and returns its
// SHA-256.
func Encrypt(dst io.Writer, src io.Reader, key Key, size uint64) ([sha256.Size]byte, error) {
	e, err := NewEncrypter(src, key, size)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	for {
		chunk, err := e.Next()
		if err == io.EOF {
			return e.Checkpoint().Hash, nil
		}
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		if _, err := dst.Write(chunk); err != nil {
			return [sha256.Size]byte{}, err
		}
	}
}

func sourceError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrSource
	}
	return err
}

// ended reports more when r has another byte.
func ended(r io.Reader, more error) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return more
	default:
		return err
	}
}
