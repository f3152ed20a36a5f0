package key

import (
	"crypto/ecdh"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging"
)

const (
	curveSize = 32
	// PublicSize is the length in bytes of a serialized curve public key: the
	// type byte and the u-coordinate.
	PublicSize = 1 + curveSize
	// PrivateSize is the length in bytes of a serialized curve private key.
	PrivateSize = curveSize

	// curveType is Signal's type byte for Curve25519 (docs/protocol.md section 8.1).
	curveType = 0x05
)

// role keeps keys of one role from standing in for keys of another: the
// compiler sees Public[identity] and Public[ratchet] as different types.
type role interface{ name() string }

type (
	identity     struct{}
	signedPreKey struct{}
	oneTime      struct{}
	base         struct{}
	ratchet      struct{}
)

func (identity) name() string     { return "identity" }
func (signedPreKey) name() string { return "signed-prekey" }
func (oneTime) name() string      { return "one-time-prekey" }
func (base) name() string         { return "base" }
func (ratchet) name() string      { return "ratchet" }

// Public is the X25519 public key of one role. It is comparable: two keys are
// equal when their 32 bytes are.
type Public[R role] struct{ u [curveSize]byte }

// Private is the X25519 private key of one role. It prints nothing and cannot
// be compared with ==.
type Private[R role] struct {
	k func() *ecdh.PrivateKey // see hide
}

// The keys of each role.
type (
	// IdentityPublic names a device to its peers for its whole life.
	IdentityPublic = Public[identity]
	// IdentityPrivate never leaves its device.
	IdentityPrivate = Private[identity]
	// SignedPreKeyPublic is the medium-term key of a bundle.
	SignedPreKeyPublic = Public[signedPreKey]
	// SignedPreKeyPrivate opens handshakes and then is the responder's first ratchet key.
	SignedPreKeyPrivate = Private[signedPreKey]
	// OneTimePreKeyPublic serves a single handshake.
	OneTimePreKeyPublic = Public[oneTime]
	// OneTimePreKeyPrivate is deleted with the handshake that it opened.
	OneTimePreKeyPrivate = Private[oneTime]
	// BasePublic is the initiator's ephemeral handshake key (EK_A of PQXDH).
	BasePublic = Public[base]
	// BasePrivate is erased when its handshake is sent.
	BasePrivate = Private[base]
	// RatchetPublic travels in each message header.
	RatchetPublic = Public[ratchet]
	// RatchetPrivate lives until the next ratchet step.
	RatchetPrivate = Private[ratchet]
)

// ParsePublic reads the 33-byte form. The result is not checked to lie in the
// prime-order subgroup; see CheckBase.
func ParsePublic[R role](b []byte) (Public[R], error) {
	if len(b) != PublicSize {
		return Public[R]{}, messaging.Invalid(ErrLength)
	}
	if b[0] != curveType {
		return Public[R]{}, messaging.Invalid(ErrType)
	}
	return Public[R]{[curveSize]byte(b[1:])}, nil
}

// Bytes returns the 33-byte form: type byte 0x05, then the u-coordinate.
func (p Public[R]) Bytes() []byte { return p.Append(make([]byte, 0, PublicSize)) }

// Append appends the 33-byte form to b.
func (p Public[R]) Append(b []byte) []byte {
	return append(append(b, curveType), p.u[:]...)
}

// IsZero reports whether p was never set.
func (p Public[R]) IsZero() bool { return p.u == [curveSize]byte{} }

// Equal compares in constant time.
func (p Public[R]) Equal(q Public[R]) bool {
	return subtle.ConstantTimeCompare(p.u[:], q.u[:]) == 1
}

// Generate draws 32 bytes from rand and makes a private key of them.
func Generate[R role](rand io.Reader) (*Private[R], error) {
	var seed [PrivateSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return NewPrivate[R](seed[:])
}

// NewPrivate makes a private key of 32 bytes, clamping them as RFC 7748
// section 5 says.
func NewPrivate[R role](b []byte) (*Private[R], error) {
	if len(b) != PrivateSize {
		return nil, messaging.Invalid(ErrLength)
	}
	k := [PrivateSize]byte(b)
	k[0] &= 248
	k[31] &= 127
	k[31] |= 64
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		return nil, messaging.Invalid(ErrLength)
	}
	return &Private[R]{hide(private)}, nil
}

// Public returns the public half.
func (p *Private[R]) Public() Public[R] {
	return Public[R]{[curveSize]byte(p.k().PublicKey().Bytes())}
}

// Bytes returns the clamped 32 bytes, for the vault only.
func (p *Private[R]) Bytes() []byte { return p.k().Bytes() }

// Agree computes the X25519 shared secret (RFC 7748 section 6.1). An all-zero
// result, which only a peer's key of small order gives, is refused.
func Agree[A, B role](private *Private[A], public Public[B]) ([curveSize]byte, error) {
	peer, err := ecdh.X25519().NewPublicKey(public.u[:])
	if err != nil {
		return [curveSize]byte{}, messaging.Invalid(ErrLength)
	}
	shared, err := private.k().ECDH(peer)
	if err != nil {
		return [curveSize]byte{}, messaging.Invalid(ErrPoint)
	}
	return [curveSize]byte(shared), nil
}

// RatchetKey lets a signed prekey stand as the responder's first ratchet key
// (docs/protocol.md section 9.2).
func RatchetKey(p *SignedPreKeyPrivate) *RatchetPrivate { return &RatchetPrivate{k: p.k} }

// RatchetKeyPublic is the public side of RatchetKey.
func RatchetKeyPublic(p SignedPreKeyPublic) RatchetPublic { return RatchetPublic(p) }
