package spqr

import (
	"crypto/mlkem"
	"crypto/sha3"
	"crypto/subtle"

	"github.com/cloudflare/circl/pke/kyber/kyber768"
)

// ML-KEM-768 (FIPS 203) in pieces, docs/protocol.md section 11: an encapsulation
// key is t ‖ rho and travels as a header rho ‖ SHA3-256(key) and the vector t; a
// ciphertext is ct1, which depends on the header alone, and ct2.
const (
	seedSize    = 64 // d ‖ z
	entropySize = 32 // m
	rhoSize     = 32
	headerSize  = rhoSize + 32
	vectorSize  = mlkem.EncapsulationKeySize768 - rhoSize
	ct1Size     = 960
	ct2Size     = mlkem.CiphertextSize768 - ct1Size
)

// keyPair is what the seed expands to.
type keyPair struct {
	secret *mlkem.DecapsulationKey768
	header [headerSize]byte
	vector []byte
}

func expandKey(seed *[seedSize]byte) (*keyPair, error) {
	secret, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		return nil, err
	}
	ek := secret.EncapsulationKey().Bytes()
	k := &keyPair{secret: secret, vector: ek[:vectorSize:vectorSize]}
	hash := sha3.Sum256(ek)
	copy(k.header[:], ek[vectorSize:])
	copy(k.header[rhoSize:], hash[:])
	return k, nil
}

// sharedSecret is K of FIPS 203 section 6.2, which the header alone determines;
// the second half is r, the randomness of the encryption.
func sharedSecret(header *[headerSize]byte, m *[entropySize]byte) (k, r [32]byte) {
	var input [entropySize + 32]byte
	copy(input[:], m[:])
	copy(input[entropySize:], header[rhoSize:])
	g := sha3.Sum512(input[:])
	copy(k[:], g[:32])
	copy(r[:], g[32:])
	clear(input[:])
	clear(g[:])
	return k, r
}

// encapsulateFirst returns the shared secret and ct1. The vector has no part in
// ct1, so zeros stand in for it.
func encapsulateFirst(header *[headerSize]byte, m *[entropySize]byte) (k [32]byte, ct1 []byte) {
	k, r := sharedSecret(header, m)
	var ek [mlkem.EncapsulationKeySize768]byte
	copy(ek[vectorSize:], header[:rhoSize])
	var pk kyber768.PublicKey
	pk.Unpack(ek[:])
	return k, encrypt(&pk, m, &r)[:ct1Size:ct1Size]
}

// encapsulateSecond returns the whole ciphertext ct1 ‖ ct2 for the vector.
func encapsulateSecond(header *[headerSize]byte, m *[entropySize]byte, vector []byte) ([]byte, error) {
	pk, err := announcedKey(header, vector)
	if err != nil {
		return nil, err
	}
	_, r := sharedSecret(header, m)
	return encrypt(pk, m, &r), nil
}

// announcedKey returns the key of the header's rho and the vector if its hash
// is the header's and it passes the checks of FIPS 203 section 7.2.
func announcedKey(header *[headerSize]byte, vector []byte) (*kyber768.PublicKey, error) {
	var ek [mlkem.EncapsulationKeySize768]byte
	copy(ek[:], vector)
	copy(ek[vectorSize:], header[:rhoSize])
	hash := sha3.Sum256(ek[:])
	if subtle.ConstantTimeCompare(hash[:], header[rhoSize:]) != 1 {
		return nil, ErrEncapsulationKey
	}
	var pk kyber768.PublicKey
	if pk.UnpackMLKEM(ek[:]) != nil {
		return nil, ErrEncapsulationKey
	}
	return &pk, nil
}

func encrypt(pk *kyber768.PublicKey, m, r *[32]byte) []byte {
	ct := make([]byte, mlkem.CiphertextSize768)
	pk.EncryptTo(ct, m[:], r[:])
	clear(r[:])
	return ct
}
