package spqr

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// Labels of the derivations, docs/protocol.md section 11. The two spaces in the
// first are the protocol's.
const (
	labelStart    = "Signal PQ Ratchet V1 Chain  Start"
	labelAddEpoch = "Signal PQ Ratchet V1 Chain Add Epoch"
	labelNext     = "Signal PQ Ratchet V1 Chain Next"
)

const (
	keySize = 32
	macSize = 32

	hmacBlock   = 64
	hmacLongest = keySize + 4 + len(labelNext) + 1 // T(1) ‖ info ‖ 0x02
)

// derive is HKDF-SHA-256 (RFC 5869) for the rare steps.
func derive(out []byte, salt *[keySize]byte, ikm []byte, info string) {
	// The only error is a length beyond 255 blocks; the longest here is three.
	okm, err := hkdf.Key(sha256.New, ikm, salt[:], info, len(out))
	if err != nil {
		panic("spqr: HKDF refused a constant length")
	}
	copy(out, okm)
	clear(okm)
}

// mac is HMAC-SHA-256 for short inputs, without allocation: it runs three times
// in each message and in each skipped one.
func mac(key *[keySize]byte, message []byte) [sha256.Size]byte {
	var inner [hmacBlock + hmacLongest]byte
	var outer [hmacBlock + sha256.Size]byte
	for i := range hmacBlock {
		inner[i], outer[i] = 0x36, 0x5C
	}
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	n := copy(inner[hmacBlock:], message)
	digest := sha256.Sum256(inner[:hmacBlock+n])
	copy(outer[hmacBlock:], digest[:])
	return sha256.Sum256(outer[:])
}

// nextKey is one step of a chain: HKDF(zeros, chain, counter ‖ label, 64) cut
// into the next chain key and the message key.
func nextKey(chain *[keySize]byte, counter uint32) (next, key [keySize]byte) {
	const infoSize = 4 + len(labelNext)
	var zero [keySize]byte
	var input [hmacLongest]byte
	info := input[keySize : keySize+infoSize]
	binary.BigEndian.PutUint32(info, counter)
	copy(info[4:], labelNext)

	prk := mac(&zero, chain[:])
	input[keySize+infoSize] = 1
	next = mac(&prk, input[keySize:])
	copy(input[:], next[:])
	input[keySize+infoSize] = 2
	return next, mac(&prk, input[:])
}
