// Package media encrypts files for the blob store and opens them again, in
// chunks and with flat memory, on every platform. It is not an uploader, knows
// no file formats (package picture does) and keeps nothing. docs/protocol.md
// section 5 rules it.
//
// A ciphertext is the file, followed by zeros up to Bucket(size), cut into
// chunks of 64 KiB (the last one may be shorter), each sealed with AES-256-GCM
// under the file's own key:
//
//	chunk i = GCM(key, Nonce(i, i is the last), plaintext, AAD())
//
// This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár
// (Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance,
// CRYPTO 2015, section 7) with an empty prefix: counter and last mark in the
// nonce leave no chunk to drop, repeat, exchange, or add. The reference that
// travels inside an envelope holds the key, the true size and the SHA-256 of
// the whole ciphertext. GCM binds a ciphertext to no single key, so the hash is
// what makes every device of both sides open the same bytes.
//
// The functions in this file are all that another implementation of the bulk
// work (crypto.subtle in a browser) has to share.
package media

import (
	"encoding/binary"
	"errors"
)

const (
	// ChunkSize is the plaintext of a chunk in bytes: large enough that 16
	// bytes of tag and a call are nothing, small enough for a phone to hold
	// several (docs/protocol.md section 5).
	ChunkSize = 64 << 10
	// Overhead is the GCM tag of a chunk in bytes.
	Overhead = 16
	// NonceSize is the nonce of AES-GCM in bytes.
	NonceSize = 12
	// MinBucket is the smallest padded size in bytes: what is smaller is an
	// icon or a note, and they shall all look alike.
	MinBucket = 1 << 10
	// MaxSize is the largest file in bytes, 4 GiB. It keeps sizes inside 53
	// bits for JavaScript and counters far inside 32, and is twenty times the
	// largest video that docs/protocol.md section 5 plans for.
	MaxSize = 4 << 30
)

// ErrSize reports a file of more than MaxSize bytes.
var ErrSize = errors.New("media: file larger than 4 GiB")

// Bucket returns the padded plaintext size in bytes for a file of size bytes.
// Buckets are b(0) = MinBucket and b(n+1) = b(n) + b(n)/20 in integers, so that
// a file larger than MinBucket grows by less than 5 %, every implementation
// finds the same figure, and up to MaxSize there are 314 of them. size must be
// at most MaxSize.
func Bucket(size uint64) uint64 {
	b := uint64(MinBucket)
	for b < size {
		b += b / 20
	}
	return b
}

// Chunks returns the number of chunks of a file of size bytes, at least 1.
func Chunks(size uint64) uint32 { return chunks(Bucket(size)) }

func chunks(bucket uint64) uint32 {
	return uint32((bucket + ChunkSize - 1) / ChunkSize)
}

// CiphertextSize returns the length in bytes of the ciphertext of a file of
// size bytes.
func CiphertextSize(size uint64) uint64 {
	bucket := Bucket(size)
	return bucket + uint64(chunks(bucket))*Overhead
}

// Span is where a chunk lies.
type Span struct {
	Offset uint64 // of its first byte in the ciphertext
	Length int    // of its ciphertext, tag included
	File   int    // bytes of the file that it holds; padding zeros follow
	Last   bool   // whether it is the last one
}

// ChunkSpan returns where chunk index of a file of size bytes lies. index must
// be below Chunks(size).
func ChunkSpan(size uint64, index uint32) Span {
	bucket := Bucket(size)
	start := uint64(index) * ChunkSize
	padded := min(ChunkSize, bucket-start)
	file := uint64(0)
	if start < size {
		file = min(padded, size-start)
	}
	return Span{
		Offset: uint64(index) * (ChunkSize + Overhead),
		Length: int(padded) + Overhead,
		File:   int(file),
		Last:   index+1 == chunks(bucket),
	}
}

// Nonce returns the nonce of chunk index: seven zero bytes, the index as four
// bytes big-endian, and 1 for the last chunk or else 0.
//
// A fixed prefix is safe because a Key is drawn for one file: GCM needs a nonce
// to be fresh under its key only, and here (index, last) differs for any two
// chunks of the file, as there are fewer than 2^32 and one of them is the last.
// Sealing the same chunk again, for an upload that resumes, gives the same
// bytes and so tells nothing; sealing another plaintext in its place would tell
// the XOR of both and is what Resume refuses.
func Nonce(index uint32, last bool) [NonceSize]byte {
	var n [NonceSize]byte
	binary.BigEndian.PutUint32(n[7:11], index)
	if last {
		n[11] = 1
	}
	return n
}

// AAD returns the additional data of every chunk: it names the format, so that
// a later one cannot be taken for this one.
func AAD() []byte { return []byte("Sotto media 1") }
