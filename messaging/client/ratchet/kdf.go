package ratchet

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

const keySize = 32

// Signal's labels (docs/protocol.md section 10.1).
const (
	labelRoot     = "WhisperRatchet"
	labelMessages = "WhisperMessageKeys"
)

// stepRoot is KDF_RK of the Double Ratchet: the next root key and a new chain.
func stepRoot(root, shared *[keySize]byte) (next, chain [keySize]byte) {
	okm := derive(shared[:], root[:], labelRoot, 2*keySize)
	defer clear(okm)
	return [keySize]byte(okm), [keySize]byte(okm[keySize:])
}

// stepChain is KDF_CK with the input 2: the chain's next key.
func stepChain(chain *[keySize]byte) [keySize]byte { return chainOutput(chain, 2) }

// seedOf is KDF_CK with the input 1: what a message's keys come from.
func seedOf(chain *[keySize]byte) [keySize]byte { return chainOutput(chain, 1) }

func chainOutput(chain *[keySize]byte, input byte) (out [keySize]byte) {
	h := hmac.New(sha256.New, chain[:])
	h.Write([]byte{input})
	h.Sum(out[:0])
	return out
}

// messageKeys encrypt and authenticate one message.
type messageKeys struct {
	cipher, mac [keySize]byte
	iv          [16]byte
}

// keysOf derives the keys of one message from its seed; salt is the key of the
// post-quantum ratchet, nil without one.
func keysOf(seed *[keySize]byte, salt []byte) (k messageKeys) {
	okm := derive(seed[:], salt, labelMessages, 2*keySize+len(k.iv))
	defer clear(okm)
	copy(k.cipher[:], okm)
	copy(k.mac[:], okm[keySize:])
	copy(k.iv[:], okm[2*keySize:])
	return k
}

// derive is HKDF-SHA-256 (RFC 5869), which fails only for lengths that none of
// our labels asks for.
func derive(secret, salt []byte, label string, size int) []byte {
	okm, err := hkdf.Key(sha256.New, secret, salt, label, size)
	if err != nil {
		panic("ratchet: HKDF refuses a constant length")
	}
	return okm
}
