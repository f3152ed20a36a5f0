package key

import (
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging"
)

// LogPublicSize is the length in bytes of a device's log key.
const LogPublicSize = ed25519.PublicKeySize

// LogPublic is the Ed25519 key (FIPS 186-5) with which a device signs entries
// of its account's device log. Its signatures are unique for a message, unlike
// those of identity keys.
type LogPublic [LogPublicSize]byte

// LogPrivate signs entries of the device log. It prints nothing and cannot be
// compared with ==.
type LogPrivate struct {
	k func() *[ed25519.PrivateKeySize]byte // see hide
}

// LogSeedSize is the length in bytes of the seed that a log key is made of.
const LogSeedSize = ed25519.SeedSize

// GenerateLog draws 32 bytes from rand and makes a log key of them.
func GenerateLog(rand io.Reader) (*LogPrivate, error) {
	var seed [LogSeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("generate a log key: %w", err)
	}
	return NewLog(seed[:])
}

// NewLog makes a log key of a 32-byte seed.
func NewLog(seed []byte) (*LogPrivate, error) {
	if len(seed) != LogSeedSize {
		return nil, messaging.Invalid(ErrLength)
	}
	k := ed25519.NewKeyFromSeed(seed)
	return &LogPrivate{hide((*[ed25519.PrivateKeySize]byte)(k))}, nil
}

// ParseLogPublic reads 32 bytes. The result is not checked to be a point; see
// CheckLog.
func ParseLogPublic(b []byte) (LogPublic, error) {
	if len(b) != LogPublicSize {
		return LogPublic{}, messaging.Invalid(ErrLength)
	}
	return LogPublic(b), nil
}

// Seed returns the 32-byte seed, for the vault only.
func (p *LogPrivate) Seed() []byte { return p.private().Seed() }

// Public returns the public half.
func (p *LogPrivate) Public() LogPublic { return LogPublic(p.private()[LogSeedSize:]) }

func (p *LogPrivate) private() ed25519.PrivateKey { return p.k()[:] }

// Domain separates the kinds of text that a log key signs; each kind has its
// own, so that no signature can serve for another kind.
type Domain string

// Sign signs message under a domain. There is no way to sign bytes without one.
func (p *LogPrivate) Sign(domain Domain, message []byte) Signature {
	return Signature(ed25519.Sign(p.private(), tagged(domain, message)))
}

// Verify checks a signature over message under a domain.
func (p LogPublic) Verify(domain Domain, message []byte, sig Signature) error {
	if !ed25519.Verify(p[:], tagged(domain, message), sig[:]) {
		return messaging.Invalid(ErrSignature)
	}
	return nil
}

// tagged prefixes the domain with its length: no domain can be the start of
// another one's text.
func tagged(domain Domain, message []byte) []byte {
	if len(domain) == 0 || len(domain) > 255 {
		panic("key: a domain has 1 to 255 bytes")
	}
	out := make([]byte, 0, 1+len(domain)+len(message))
	out = append(out, byte(len(domain)))
	out = append(out, domain...)
	return append(out, message...)
}
