package ratchet

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/sottochat/sotto/messaging/client/internal/shortmac"
)

const keySize = 32

// Signal's labels (docs/protocol.md section 10.1).
const (
	labelRoot     = "WhisperRatchet"
	labelMessages = "WhisperMessageKeys"
)

// stepRoot is KDF_RK of the Double Ratchet: the next root key and a new chain.
func stepRoot(root, shared *[keySize]byte) (next, chain [keySize]byte) {
	okm, err := hkdf.Key(sha256.New, shared[:], root[:], labelRoot, 2*keySize)
	if err != nil {
		panic("ratchet: HKDF refuses a constant length")
	}
	defer clear(okm)
	return [keySize]byte(okm), [keySize]byte(okm[keySize:])
}

// stepChain is KDF_CK with the input 2: the chain's next key.
func stepChain(chain *[keySize]byte) [keySize]byte { return chainOutput(chain, 2) }

// seedOf is KDF_CK with the input 1: what a message's keys come from.
func seedOf(chain *[keySize]byte) [keySize]byte { return chainOutput(chain, 1) }

func chainOutput(chain *[keySize]byte, input byte) [keySize]byte {
	message := [1]byte{input}
	return shortmac.Sum(chain, message[:])
}

// messageKeys encrypt and authenticate one message.
type messageKeys struct {
	cipher, mac [keySize]byte
	iv          [16]byte
}

// keysOf derives the keys of one message from its seed by HKDF-SHA-256 with 80
// bytes of output. salt is the key of the post-quantum ratchet; without one it
// is zeros, which RFC 5869 section 2.2 says no salt is.
func keysOf(seed, salt *[keySize]byte) (k messageKeys) {
	var input [keySize + len(labelMessages) + 1]byte
	copy(input[keySize:], labelMessages)
	last := len(input) - 1

	prk := shortmac.Sum(salt, seed[:])
	input[last] = 1
	k.cipher = shortmac.Sum(&prk, input[keySize:])
	copy(input[:], k.cipher[:])
	input[last] = 2
	k.mac = shortmac.Sum(&prk, input[:])
	copy(input[:], k.mac[:])
	input[last] = 3
	third := shortmac.Sum(&prk, input[:])
	copy(k.iv[:], third[:])
	return k
}
