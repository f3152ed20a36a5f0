package key

import (
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"io"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"

	"github.com/sottochat/sotto/messaging"
)

// SignatureSize is the length in bytes of an XEdDSA or Ed25519 signature.
const SignatureSize = 64

// Signature is an XEdDSA or Ed25519 signature. XEdDSA signatures are malleable:
// never use one as an identifier.
type Signature [SignatureSize]byte

// ParseSignature reads 64 bytes.
func ParseSignature(b []byte) (Signature, error) {
	if len(b) != SignatureSize {
		return Signature{}, messaging.Invalid(ErrLength)
	}
	return Signature(b), nil
}

// noncePrefix separates the nonce hash from every other use of SHA-512: no
// compressed point starts so (XEdDSA section 2.1, hash_1).
var noncePrefix = [32]byte{
	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// sign makes an XEdDSA signature over message as libsignal does: the key is not
// negated, the sign of its Edwards form travels in the top bit of s
// (docs/protocol.md section 8.2). It draws 64 bytes from rand.
func sign(k *IdentityPrivate, message []byte, rand io.Reader) (Signature, error) {
	var random [64]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return Signature{}, fmt.Errorf("sign: %w", err)
	}
	private := k.Bytes()
	defer clear(private)
	a, err := edwards25519.NewScalar().SetBytesWithClamping(private)
	if err != nil {
		return Signature{}, messaging.Invalid(ErrLength)
	}
	public := new(edwards25519.Point).ScalarBaseMult(a).Bytes()

	r := hashToScalar(noncePrefix[:], private, message, random[:])
	commitment := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	h := hashToScalar(commitment, public, message)
	s := edwards25519.NewScalar().MultiplyAdd(h, a, r)

	var out Signature
	copy(out[:32], commitment)
	copy(out[32:], s.Bytes())
	out[63] |= public[31] & 0x80
	return out, nil
}

// verify checks an XEdDSA signature by the rules of docs/protocol.md section 8.2,
// which are libsignal's, malleability included.
func verify(p IdentityPublic, message []byte, sig Signature) error {
	s, ok := scalarOf(sig)
	if !ok {
		return messaging.Invalid(ErrSignature)
	}
	point, ok := edwardsOf(p.u, sig[63]&0x80)
	if !ok {
		return messaging.Invalid(ErrSignature)
	}
	h := hashToScalar(sig[:32], point.Bytes(), message)
	minus := new(edwards25519.Point).Negate(point)
	want := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(h, minus, s).Bytes()
	if subtle.ConstantTimeCompare(want, sig[:32]) != 1 {
		return messaging.Invalid(ErrSignature)
	}
	return nil
}

// scalarOf reads s without its sign bit. Values from the group order up to
// 2^253 are accepted and reduced, as libsignal does.
func scalarOf(sig Signature) (*edwards25519.Scalar, bool) {
	var wide [64]byte
	copy(wide[:], sig[32:])
	wide[31] &= 0x7f
	if wide[31]&0xe0 != 0 {
		return nil, false
	}
	s, err := edwards25519.NewScalar().SetUniformBytes(wide[:])
	return s, err == nil
}

// edwardsOf maps a Montgomery u-coordinate to the Edwards point with the given
// sign bit (0 or 0x80): y = (u-1)/(u+1). Bit 255 of u is ignored; u = -1 and
// values off the curve have no such point.
func edwardsOf(u [curveSize]byte, sign byte) (*edwards25519.Point, bool) {
	x, err := new(field.Element).SetBytes(u[:])
	if err != nil {
		return nil, false
	}
	one := new(field.Element).One()
	denominator := new(field.Element).Add(x, one)
	if denominator.Equal(new(field.Element).Zero()) == 1 {
		return nil, false
	}
	y := new(field.Element).Subtract(x, one)
	y.Multiply(y, new(field.Element).Invert(denominator))
	encoded := y.Bytes()
	encoded[31] |= sign
	point, err := new(edwards25519.Point).SetBytes(encoded)
	return point, err == nil
}

func hashToScalar(parts ...[]byte) *edwards25519.Scalar {
	h := sha512.New()
	for _, part := range parts {
		h.Write(part)
	}
	var digest [sha512.Size]byte
	s, err := edwards25519.NewScalar().SetUniformBytes(h.Sum(digest[:0]))
	if err != nil {
		panic("key: SHA-512 gave other than 64 bytes")
	}
	return s
}

// inverseOfCofactor is 1/8 modulo the group order, little-endian:
// (5 * order + 1) / 8.
var inverseOfCofactor = [32]byte{
	0x79, 0x2f, 0xdc, 0xe2, 0x29, 0xe5, 0x06, 0x61, 0xd0, 0xda, 0x1c, 0x7d, 0xb3, 0x9d, 0xd3, 0x07,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
}

// CheckBase refuses an initiator's base key that is not canonical or not in the
// prime-order subgroup (docs/protocol.md section 9.3): a component of small order would
// let one handshake arrive under several byte forms of its base key.
func CheckBase(p BasePublic) error { return checkPoint(p.u) }

// CheckIdentity applies the same rule to an identity key before a device log
// lists it: one of small order verifies what nobody signed, and a second form of
// a key would pass as another device's (docs/protocol.md section 2.3).
func CheckIdentity(p IdentityPublic) error { return checkPoint(p.u) }

// CheckLog is CheckIdentity for a log key. Only 19 values of y have a second form,
// and no point with one of them passes, so the form needs no look of its own.
func CheckLog(p LogPublic) error {
	point, err := new(edwards25519.Point).SetBytes(p[:])
	if err != nil || !torsionFree(point) || point.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return messaging.Invalid(ErrPoint)
	}
	return nil
}

func checkPoint(u [curveSize]byte) error {
	canonical, err := new(field.Element).SetBytes(u[:])
	if err != nil || [curveSize]byte(canonical.Bytes()) != u {
		return messaging.Invalid(ErrPoint)
	}
	point, ok := edwardsOf(u, 0)
	if !ok || !torsionFree(point) {
		return messaging.Invalid(ErrPoint)
	}
	return nil
}

// torsionFree multiplies by 8 and then by 1/8: the first step removes any
// component of small order, so only a point without one comes back.
func torsionFree(p *edwards25519.Point) bool {
	eighth, err := edwards25519.NewScalar().SetCanonicalBytes(inverseOfCofactor[:])
	if err != nil {
		panic("key: 1/8 is not a canonical scalar")
	}
	cleared := new(edwards25519.Point).MultByCofactor(p)
	back := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(eighth, cleared, edwards25519.NewScalar())
	return back.Equal(p) == 1
}
