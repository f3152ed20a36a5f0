package media

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"github.com/sottochat/sotto/messaging"
)

var (
	// ErrIndex reports a chunk that the file does not have.
	ErrIndex = errors.New("media: no such chunk")
	// ErrPlaintext reports a plaintext of another length than the chunk holds.
	ErrPlaintext = errors.New("media: chunk plaintext has the wrong length")
	// ErrChunk reports a chunk that is not authentic at its place.
	ErrChunk = errors.New("media: chunk is not authentic")
	// ErrZeros reports an authentic chunk whose padding is not zeros.
	ErrZeros = errors.New("media: padding is not zeros")
)

// File seals and opens single chunks of one file, in any order: what ranged
// download and resumed upload are made of. It is safe for concurrent use.
type File struct {
	aead cipher.AEAD
	size uint64
	aad  []byte
}

// NewFile returns the chunks of a file of size bytes under key; ErrKey or
// ErrSize otherwise.
func NewFile(key Key, size uint64) (*File, error) {
	if key.IsZero() {
		return nil, ErrKey
	}
	if size > MaxSize {
		return nil, ErrSize
	}
	block, err := aes.NewCipher((*key.b)[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &File{aead: aead, size: size, aad: AAD()}, nil
}

// Size returns the true size in bytes.
func (f *File) Size() uint64 { return f.size }

// Seal appends the ciphertext of chunk index to dst, which must not overlap
// plain. plain is what the chunk holds of the file, ChunkSpan's File bytes;
// Seal adds the zeros.
func (f *File) Seal(dst []byte, index uint32, plain []byte) ([]byte, error) {
	if index >= Chunks(f.size) {
		return nil, ErrIndex
	}
	span := ChunkSpan(f.size, index)
	if len(plain) != span.File {
		return nil, ErrPlaintext
	}
	nonce := Nonce(index, span.Last)
	if len(plain) == span.Length-Overhead {
		return f.aead.Seal(dst, nonce[:], plain, f.aad), nil
	}
	// Padded inside dst, so that the caller's bytes stay as they are.
	start := len(dst)
	dst = append(dst, plain...)
	dst = append(dst, make([]byte, span.Length-Overhead-len(plain))...)
	return f.aead.Seal(dst[:start], nonce[:], dst[start:], f.aad), nil
}

// Open appends what chunk index holds of the file to dst. dst may be
// sealed[:0]. A chunk that is not authentic at this place of this file gives
// messaging.ErrInvalid and no byte.
func (f *File) Open(dst []byte, index uint32, sealed []byte) ([]byte, error) {
	if index >= Chunks(f.size) {
		return nil, ErrIndex
	}
	span := ChunkSpan(f.size, index)
	if len(sealed) != span.Length {
		return nil, messaging.Invalid(ErrChunk)
	}
	nonce := Nonce(index, span.Last)
	start := len(dst)
	dst, err := f.aead.Open(dst, nonce[:], sealed, f.aad)
	if err != nil {
		return nil, messaging.Invalid(ErrChunk)
	}
	if !zeros(dst[start+span.File:]) {
		return nil, messaging.Invalid(ErrZeros)
	}
	return dst[:start+span.File], nil
}

func zeros(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}
