// Package shortmac is HMAC-SHA-256 (RFC 2104) for the steps of a ratchet: keys of
// 32 bytes, short messages, no allocation. It runs about ten times in each
// message and twice in each skipped one, where crypto/hmac spends more on its
// state than on hashing. Everything else uses crypto/hmac.
package shortmac

import "crypto/sha256"

const (
	// MaxMessage is the longest message in bytes: a digest, a label of Signal's
	// and a counter fit.
	MaxMessage = 96

	blockSize = sha256.BlockSize
	// KeySize is the length of a key in bytes. RFC 2104 pads it with zeros.
	KeySize = 32
)

// Sum returns HMAC-SHA-256 of message, which has at most MaxMessage bytes.
func Sum(key *[KeySize]byte, message []byte) [sha256.Size]byte {
	if len(message) > MaxMessage {
		panic("shortmac: message too long")
	}
	var inner [blockSize + MaxMessage]byte
	var outer [blockSize + sha256.Size]byte
	for i := range blockSize {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, k := range key {
		inner[i] ^= k
		outer[i] ^= k
	}
	n := copy(inner[blockSize:], message)
	digest := sha256.Sum256(inner[:blockSize+n])
	copy(outer[blockSize:], digest[:])
	return sha256.Sum256(outer[:])
}
