package wycheproof_test

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha3"
	"errors"
	"testing"

	"github.com/cloudflare/circl/pke/kyber/kyber768"

	"github.com/sottochat/sotto/messaging/key"
)

var errRefused = errors.New("refused")

// kem is one parameter set as the product calls it.
type kem struct {
	public      func(seed []byte) ([]byte, error)
	encapsulate func(public, coins []byte) (ciphertext, secret []byte, err error)
	decapsulate func(seed, ciphertext []byte) (secret []byte, err error)
}

// handshakeKEM is key.MLKEM, the handshake's ML-KEM-1024.
func handshakeKEM() kem {
	sized := func(seed []byte) (*[key.KEMSeedSize]byte, error) {
		if len(seed) != key.KEMSeedSize {
			return nil, errRefused
		}
		return (*[key.KEMSeedSize]byte)(seed), nil
	}
	return kem{
		public: func(seed []byte) ([]byte, error) {
			s, err := sized(seed)
			if err != nil {
				return nil, err
			}
			return key.MLKEM{}.Public(s)
		},
		encapsulate: func(public, coins []byte) (ciphertext, secret []byte, err error) {
			// As a bundle's key comes in: checked first.
			if _, err := (key.KEMs{}).ParsePublic(append([]byte{key.MLKEM{}.Type()}, public...)); err != nil {
				return nil, nil, err
			}
			ct, k, err := key.MLKEM{}.Encapsulate(public, (*[32]byte)(coins))
			return ct, k[:], err
		},
		decapsulate: func(seed, ciphertext []byte) ([]byte, error) {
			s, err := sized(seed)
			if err != nil {
				return nil, err
			}
			k, err := key.MLKEM{}.Decapsulate(s, ciphertext)
			return k[:], err
		},
	}
}

// ratchetKEM makes the calls of spqr's kem.go, which splits ML-KEM-768 over
// circl's public-key encryption and the standard library's key generation.
func ratchetKEM() kem {
	return kem{
		public: func(seed []byte) ([]byte, error) {
			k, err := mlkem.NewDecapsulationKey768(seed)
			if err != nil {
				return nil, err
			}
			return k.EncapsulationKey().Bytes(), nil
		},
		encapsulate: func(public, coins []byte) (ciphertext, secret []byte, err error) {
			if len(public) != mlkem.EncapsulationKeySize768 {
				return nil, nil, errRefused
			}
			var pk kyber768.PublicKey
			if err := pk.UnpackMLKEM(public); err != nil {
				return nil, nil, err
			}
			hash := sha3.Sum256(public)
			g := sha3.Sum512(append(bytes.Clone(coins), hash[:]...))
			ct := make([]byte, mlkem.CiphertextSize768)
			pk.EncryptTo(ct, coins, g[32:])
			return ct, g[:32], nil
		},
		decapsulate: func(seed, ciphertext []byte) ([]byte, error) {
			k, err := mlkem.NewDecapsulationKey768(seed)
			if err != nil {
				return nil, err
			}
			return k.Decapsulate(ciphertext)
		},
	}
}

func TestMLKEM1024(t *testing.T) {
	t.Parallel()
	testKEM(t, "mlkem_1024", handshakeKEM())
}

func TestMLKEM768(t *testing.T) {
	t.Parallel()
	testKEM(t, "mlkem_768", ratchetKEM())
}

func testKEM(t *testing.T, name string, k kem) {
	t.Run("generate", func(t *testing.T) { testGenerate(t, name+"_keygen_seed_test.json", k) })
	t.Run("encapsulate", func(t *testing.T) { testEncapsulate(t, name+"_encaps_test.json", k) })
	t.Run("decapsulate", func(t *testing.T) { testDecapsulate(t, name+"_test.json", k) })
}

func testGenerate(t *testing.T, name string, k kem) {
	type group struct {
		Tests []struct {
			verdict
			Seed, EK octets
		}
	}
	f := load[group](t, name)
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			public, err := k.public(v.Seed)
			if equal := err == nil && bytes.Equal(public, v.EK); equal != v.valid() {
				t.Errorf("%d %s: equal = %v, %v", v.ID, v.Comment, equal, err)
			}
		}
	}
	c.check(t, name, f.NumberOfTests)
}

func testEncapsulate(t *testing.T, name string, k kem) {
	type group struct {
		Tests []struct {
			verdict
			M, EK, C octets
			K        octets `json:"K"`
		}
	}
	f := load[group](t, name)
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			ct, secret, err := k.encapsulate(v.EK, v.M)
			right := err == nil && bytes.Equal(ct, v.C) && bytes.Equal(secret, v.K)
			if right != v.valid() {
				t.Errorf("%d %s %v: right = %v, %v", v.ID, v.Comment, v.Flags, right, err)
			}
			if !v.valid() && err == nil {
				t.Errorf("%d %s %v: an invalid key was taken", v.ID, v.Comment, v.Flags)
			}
		}
	}
	c.check(t, name, f.NumberOfTests)
}

func testDecapsulate(t *testing.T, name string, k kem) {
	type group struct {
		Tests []struct {
			verdict
			Seed, C octets
			K       octets `json:"K"`
		}
	}
	f := load[group](t, name)
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			secret, err := k.decapsulate(v.Seed, v.C)
			if right := err == nil && bytes.Equal(secret, v.K); right != v.valid() {
				t.Errorf("%d %s %v: right = %v, %v", v.ID, v.Comment, v.Flags, right, err)
			}
		}
	}
	c.check(t, name, f.NumberOfTests)
}
