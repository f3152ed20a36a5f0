package key

import (
	"crypto/mlkem"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"

	"github.com/sottochat/sotto/messaging"
)

const (
	// KEMSeedSize is the length in bytes of a stored KEM private key: d, then z.
	KEMSeedSize = 64
	// KEMPublicSize is the length in bytes of a serialized encapsulation key:
	// the type byte and 1568 bytes.
	KEMPublicSize = 1 + kemSize
	// KEMCiphertextSize is the length in bytes of a serialized ciphertext: the
	// type byte and 1568 bytes.
	KEMCiphertextSize = 1 + kemSize

	kemSize = mlkem1024.PublicKeySize
	// mlkemType is the type byte of ML-KEM-1024 (docs/protocol.md section 8.1).
	mlkemType = 0x0a
)

// KEM is a key encapsulation mechanism of the handshake. The product has one,
// MLKEM; the round 3 Kyber of Signal's own builds lives in package kyber1024 and
// is linked by interop tests only. Public keys and ciphertexts are 1568 bytes
// here, without their type byte; seeds are 64 bytes, coins and secrets 32.
type KEM interface {
	Type() byte
	Public(seed *[KEMSeedSize]byte) ([]byte, error)
	Check(public []byte) error
	Encapsulate(public []byte, coins *[32]byte) (ciphertext []byte, secret [32]byte, err error)
	Decapsulate(seed *[KEMSeedSize]byte, ciphertext []byte) (secret [32]byte, err error)
}

// KEMs lists what a party makes (the first) and accepts (all). The zero value
// is the product's: MLKEM alone.
type KEMs struct{ list []KEM }

// AcceptKEMs is for interop tests: a party that speaks the given mechanisms.
func AcceptKEMs(list ...KEM) KEMs { return KEMs{list} }

func (k KEMs) preferred() KEM {
	if len(k.list) == 0 {
		return MLKEM{}
	}
	return k.list[0]
}

func (k KEMs) byType(t byte) (KEM, error) {
	if len(k.list) == 0 && t == mlkemType {
		return MLKEM{}, nil
	}
	for _, kem := range k.list {
		if kem.Type() == t {
			return kem, nil
		}
	}
	return nil, messaging.Invalid(ErrType)
}

// KEMPublic is an encapsulation key that a bundle offers.
type KEMPublic struct {
	kem KEM
	raw [kemSize]byte
}

// KEMPrivate is a decapsulation key. It prints nothing and cannot be compared
// with ==.
type KEMPrivate struct {
	kem  KEM
	seed func() *[KEMSeedSize]byte // see hide
}

// ParsePublic reads a type byte and 1568 bytes, and checks them as the
// mechanism demands (FIPS 203 section 7.2).
func (k KEMs) ParsePublic(b []byte) (KEMPublic, error) {
	if len(b) != KEMPublicSize {
		return KEMPublic{}, messaging.Invalid(ErrLength)
	}
	kem, err := k.byType(b[0])
	if err != nil {
		return KEMPublic{}, err
	}
	if err := kem.Check(b[1:]); err != nil {
		return KEMPublic{}, err
	}
	return KEMPublic{kem, [kemSize]byte(b[1:])}, nil
}

// Bytes returns the 1569-byte form.
func (p KEMPublic) Bytes() []byte {
	if p.kem == nil {
		return nil
	}
	return append([]byte{p.kem.Type()}, p.raw[:]...)
}

// Encapsulate draws 32 bytes from rand and returns the 1569-byte ciphertext and
// the 32-byte shared secret.
func (p KEMPublic) Encapsulate(rand io.Reader) (ciphertext []byte, secret [32]byte, err error) {
	if p.kem == nil {
		return nil, secret, messaging.Invalid(ErrEncapsulated)
	}
	var coins [32]byte
	if _, err := io.ReadFull(rand, coins[:]); err != nil {
		return nil, secret, fmt.Errorf("encapsulate: %w", err)
	}
	raw, secret, err := p.kem.Encapsulate(p.raw[:], &coins)
	if err != nil {
		return nil, secret, err
	}
	return append([]byte{p.kem.Type()}, raw...), secret, nil
}

// Generate draws 64 bytes from rand and makes a decapsulation key of them.
func (k KEMs) Generate(rand io.Reader) (*KEMPrivate, error) {
	seed := new([KEMSeedSize]byte)
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("generate a KEM key: %w", err)
	}
	return &KEMPrivate{k.preferred(), hide(seed)}, nil
}

// ParsePrivate reads what KEMPrivate.Bytes returned.
func (k KEMs) ParsePrivate(b []byte) (*KEMPrivate, error) {
	if len(b) != 1+KEMSeedSize {
		return nil, messaging.Invalid(ErrLength)
	}
	kem, err := k.byType(b[0])
	if err != nil {
		return nil, err
	}
	seed := [KEMSeedSize]byte(b[1:])
	return &KEMPrivate{kem, hide(&seed)}, nil
}

// Bytes returns the type byte and the 64-byte seed, for the vault only.
func (p *KEMPrivate) Bytes() []byte { return append([]byte{p.kem.Type()}, p.seed()[:]...) }

// Public returns the public half.
func (p *KEMPrivate) Public() (KEMPublic, error) {
	raw, err := p.kem.Public(p.seed())
	if err != nil {
		return KEMPublic{}, err
	}
	return KEMPublic{p.kem, [kemSize]byte(raw)}, nil
}

// Decapsulate opens a 1569-byte ciphertext of the key's own type. A ciphertext
// that was tampered with gives another secret, not an error (FIPS 203 section 6.3).
func (p *KEMPrivate) Decapsulate(ciphertext []byte) ([32]byte, error) {
	if len(ciphertext) != KEMCiphertextSize {
		return [32]byte{}, messaging.Invalid(ErrLength)
	}
	if subtle.ConstantTimeByteEq(ciphertext[0], p.kem.Type()) != 1 {
		return [32]byte{}, messaging.Invalid(ErrType)
	}
	return p.kem.Decapsulate(p.seed(), ciphertext[1:])
}

// MLKEM is ML-KEM-1024 (FIPS 203). The standard library generates, checks and
// decapsulates; circl encapsulates, because only it takes the coins from the
// caller, which keeps this core a function of its inputs.
type MLKEM struct{}

// Type returns 0x0A.
func (MLKEM) Type() byte { return mlkemType }

// Public derives the encapsulation key from a seed.
func (MLKEM) Public(seed *[KEMSeedSize]byte) ([]byte, error) {
	k, err := mlkem.NewDecapsulationKey1024(seed[:])
	if err != nil {
		return nil, messaging.Invalid(ErrEncapsulated)
	}
	return k.EncapsulationKey().Bytes(), nil
}

// Check refuses a key whose coefficients are not reduced.
func (MLKEM) Check(public []byte) error {
	if _, err := mlkem.NewEncapsulationKey1024(public); err != nil {
		return messaging.Invalid(ErrEncapsulated)
	}
	return nil
}

// Encapsulate is ML-KEM.Encaps_internal with m = coins.
func (MLKEM) Encapsulate(public []byte, coins *[32]byte) (ciphertext []byte, secret [32]byte, err error) {
	var pk mlkem1024.PublicKey
	if err := pk.Unpack(public); err != nil {
		return nil, secret, messaging.Invalid(ErrEncapsulated)
	}
	ciphertext = make([]byte, mlkem1024.CiphertextSize)
	pk.EncapsulateTo(ciphertext, secret[:], coins[:])
	return ciphertext, secret, nil
}

// Decapsulate is ML-KEM.Decaps.
func (MLKEM) Decapsulate(seed *[KEMSeedSize]byte, ciphertext []byte) (secret [32]byte, err error) {
	k, err := mlkem.NewDecapsulationKey1024(seed[:])
	if err != nil {
		return secret, messaging.Invalid(ErrEncapsulated)
	}
	shared, err := k.Decapsulate(ciphertext)
	if err != nil {
		return secret, messaging.Invalid(ErrEncapsulated)
	}
	return [32]byte(shared), nil
}
