// Package kyber1024 is the round 3 Kyber-1024 of Signal's published builds,
// type byte 0x08. The product neither makes nor accepts it (docs/divergences.md);
// interop tests pass it to key.AcceptKEMs so that every other byte is proven
// against Signal's own library. No shipped package imports it.
package kyber1024

import (
	"github.com/cloudflare/circl/kem/kyber/kyber1024"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Scheme implements key.KEM.
type Scheme struct{}

// Type returns 0x08.
func (Scheme) Type() byte { return 0x08 }

// Public derives the public key from a seed.
func (Scheme) Public(seed *[key.KEMSeedSize]byte) ([]byte, error) {
	public, _ := kyber1024.NewKeyFromSeed(seed[:])
	return public.MarshalBinary()
}

// Check accepts any 1568 bytes, as Signal's library does: the identity key's
// signature is what vouches for them (docs/protocol.md section 8.1).
func (Scheme) Check(public []byte) error {
	if len(public) != kyber1024.PublicKeySize {
		return messaging.Invalid(key.ErrLength)
	}
	return nil
}

// Encapsulate hashes the coins first, as round 3 does.
func (Scheme) Encapsulate(public []byte, coins *[32]byte) (ciphertext []byte, secret [32]byte, err error) {
	if len(public) != kyber1024.PublicKeySize {
		return nil, secret, messaging.Invalid(key.ErrLength)
	}
	var pk kyber1024.PublicKey
	pk.Unpack(public)
	ciphertext = make([]byte, kyber1024.CiphertextSize)
	pk.EncapsulateTo(ciphertext, secret[:], coins[:])
	return ciphertext, secret, nil
}

// Decapsulate rejects implicitly: a bad ciphertext gives another secret.
func (Scheme) Decapsulate(seed *[key.KEMSeedSize]byte, ciphertext []byte) (secret [32]byte, err error) {
	if len(ciphertext) != kyber1024.CiphertextSize {
		return secret, messaging.Invalid(key.ErrLength)
	}
	_, private := kyber1024.NewKeyFromSeed(seed[:])
	private.DecapsulateTo(secret[:], ciphertext)
	return secret, nil
}
