package handshake

import (
	"crypto/hkdf"
	"crypto/sha256"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

// label is the info of PQXDH's HKDF. Signal's library has this one for each of
// its KEMs, ML-KEM-1024 included, and so have we (docs/divergences.md): the type
// byte, which the identity key signs with the prekey, is what tells them apart.
const label = "WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024"

const secretSize = 32

// Sent is the initiator's handshake: what its session starts from and what its
// messages carry until the peer answers.
type Sent struct {
	Secrets    ratchet.Secrets
	Base       key.BasePublic
	Signed     key.PreKeyID
	OneTime    *key.PreKeyID // nil when the bundle had none
	KEM        key.PreKeyID
	Ciphertext []byte // of the KEM, with its type byte
}

// Initiate makes the handshake with the owner of a bundle. It draws 32 bytes for
// the base key, then 32 for the encapsulation.
func Initiate(rand io.Reader, identity *key.IdentityPrivate, verified *key.Verified) (*Sent, error) {
	bundle := verified.Bundle()
	base, err := key.Generate[key.RoleBase](rand)
	if err != nil {
		return nil, err
	}
	ciphertext, secret, err := bundle.KEM.Public.Encapsulate(rand)
	if err != nil {
		return nil, err
	}
	sent := &Sent{Base: base.Public(), Signed: bundle.Signed.ID, KEM: bundle.KEM.ID, Ciphertext: ciphertext}
	m := newMaterial()
	m.add(key.Agree(identity, bundle.Signed.Public))
	m.add(key.Agree(base, bundle.Identity))
	m.add(key.Agree(base, bundle.Signed.Public))
	if one := bundle.OneTime; one != nil {
		m.add(key.Agree(base, one.Public))
		sent.OneTime = &one.ID
	}
	sent.Secrets, err = m.finish(&secret)
	return sent, err
}

// Keys are the responder's private keys that a handshake names; OneTime is nil
// when it names none.
type Keys struct {
	Identity *key.IdentityPrivate
	Signed   *key.SignedPreKeyPrivate
	OneTime  *key.OneTimePreKeyPrivate
	KEM      *key.KEMPrivate
}

// Respond derives the secrets that the sender of m has, if it made an honest
// handshake: only the first message's MAC shows that.
func Respond(keys Keys, m *PreKeyMessage) (ratchet.Secrets, error) {
	if (keys.OneTime != nil) != (m.OneTime != nil) {
		return ratchet.Secrets{}, messaging.Invalid(ErrMalformed)
	}
	if err := key.CheckBase(m.Base); err != nil {
		return ratchet.Secrets{}, err
	}
	secret, err := keys.KEM.Decapsulate(m.Ciphertext)
	if err != nil {
		return ratchet.Secrets{}, err
	}
	mat := newMaterial()
	mat.add(key.Agree(keys.Signed, m.Identity))
	mat.add(key.Agree(keys.Identity, m.Base))
	mat.add(key.Agree(keys.Signed, m.Base))
	if keys.OneTime != nil {
		mat.add(key.Agree(keys.OneTime, m.Base))
	}
	return mat.finish(&secret)
}

// material gathers what the secrets are derived from. The first fault stays.
type material struct {
	bytes []byte
	err   error
}

// newMaterial begins with 32 bytes 0xFF, which no X25519 result is: the hash of
// the handshake stays apart from those of XEdDSA (PQXDH section 2.2).
func newMaterial() *material {
	m := &material{bytes: make([]byte, secretSize, 6*secretSize)}
	for i := range m.bytes {
		m.bytes[i] = 0xff
	}
	return m
}

// add takes the result of one key agreement.
func (m *material) add(shared [secretSize]byte, err error) {
	if m.err == nil {
		m.err = err
	}
	m.bytes = append(m.bytes, shared[:]...)
}

// finish adds the KEM's secret, derives, and erases what it derived from.
func (m *material) finish(secret *[secretSize]byte) (out ratchet.Secrets, err error) {
	defer func() { clear(m.bytes); clear(secret[:]) }()
	if m.err != nil {
		return out, m.err
	}
	m.bytes = append(m.bytes, secret[:]...)
	okm, err := hkdf.Key(sha256.New, m.bytes, nil, label, 3*secretSize)
	if err != nil {
		return out, err
	}
	defer clear(okm)
	copy(out.Root[:], okm)
	copy(out.Chain[:], okm[secretSize:])
	copy(out.Auth[:], okm[2*secretSize:])
	return out, nil
}
