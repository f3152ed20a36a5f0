package key

import (
	"io"
)

// PreKeyID numbers a prekey within its device and kind. Ids are random, so they
// tell nobody how many keys were made.
type PreKeyID uint32

// SignedPreKey is the public side of a signed prekey.
type SignedPreKey struct {
	ID        PreKeyID
	Public    SignedPreKeyPublic
	Signature Signature
}

// OneTimePreKey is the public side of a one-time curve prekey. It is not
// signed; the handshake that uses it proves it.
type OneTimePreKey struct {
	ID     PreKeyID
	Public OneTimePreKeyPublic
}

// KEMPreKey is the public side of a one-time or last-resort KEM prekey. Nothing
// here tells the two apart: only the owner's own record decides whether a
// prekey is deleted after use or guarded against replay, so a server that
// mislabels one gains nothing.
type KEMPreKey struct {
	ID        PreKeyID
	Public    KEMPublic
	Signature Signature
}

// NewSignedPreKey draws 32 bytes for the key, then 64 for the signature.
func NewSignedPreKey(rand io.Reader, id PreKeyID, owner *IdentityPrivate) (*SignedPreKeyPrivate, SignedPreKey, error) {
	private, err := Generate[signedPreKey](rand)
	if err != nil {
		return nil, SignedPreKey{}, err
	}
	public, err := SignPreKey(rand, id, private, owner)
	return private, public, err
}

// SignPreKey signs an existing key: the identity key signs its 33-byte form. It
// draws 64 bytes.
func SignPreKey(rand io.Reader, id PreKeyID, private *SignedPreKeyPrivate, owner *IdentityPrivate) (SignedPreKey, error) {
	sig, err := sign(owner, private.Public().Bytes(), rand)
	return SignedPreKey{id, private.Public(), sig}, err
}

// NewOneTimePreKey draws 32 bytes.
func NewOneTimePreKey(rand io.Reader, id PreKeyID) (*OneTimePreKeyPrivate, OneTimePreKey, error) {
	private, err := Generate[oneTime](rand)
	if err != nil {
		return nil, OneTimePreKey{}, err
	}
	return private, OneTimePreKey{id, private.Public()}, nil
}

// NewPreKey draws 64 bytes for the key, then 64 for the signature.
func (k KEMs) NewPreKey(rand io.Reader, id PreKeyID, owner *IdentityPrivate) (*KEMPrivate, KEMPreKey, error) {
	private, err := k.Generate(rand)
	if err != nil {
		return nil, KEMPreKey{}, err
	}
	public, err := SignKEMPreKey(rand, id, private, owner)
	return private, public, err
}

// SignKEMPreKey signs an existing key: the identity key signs its 1569-byte
// form. It draws 64 bytes.
func SignKEMPreKey(rand io.Reader, id PreKeyID, private *KEMPrivate, owner *IdentityPrivate) (KEMPreKey, error) {
	public, err := private.Public()
	if err != nil {
		return KEMPreKey{}, err
	}
	sig, err := sign(owner, public.Bytes(), rand)
	return KEMPreKey{id, public, sig}, err
}
