package kyber1024

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloudflare/circl/kem/kyber/kyber1024"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

type octets []byte

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

type vector struct {
	KeygenSeed, Public, Secret, Coins, Ciphertext, SharedSecret octets
}

func vectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "signal", "kyber1024.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 14 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	return file.Vectors
}

// Keys, ciphertexts and secrets of Signal's own builds, byte for byte, through
// the same calls that the handshake makes.
func TestSignalVectors(t *testing.T) {
	t.Parallel()
	kems := key.AcceptKEMs(Scheme{})
	for i, v := range vectors(t) {
		private, err := kems.Generate(bytes.NewReader(v.KeygenSeed))
		if err != nil {
			t.Fatal(err)
		}
		public, err := private.Public()
		if err != nil || !bytes.Equal(public.Bytes(), v.Public) {
			t.Fatalf("vector %d: public key differs (%v)", i, err)
		}
		parsed, err := kems.ParsePublic(v.Public)
		if err != nil {
			t.Fatalf("vector %d: %v", i, err)
		}
		ciphertext, secret, err := parsed.Encapsulate(bytes.NewReader(v.Coins))
		if err != nil || !bytes.Equal(ciphertext, v.Ciphertext) || !bytes.Equal(secret[:], v.SharedSecret) {
			t.Fatalf("vector %d: encapsulation differs (%v)", i, err)
		}
		if got, err := private.Decapsulate(v.Ciphertext); err != nil || !bytes.Equal(got[:], v.SharedSecret) {
			t.Fatalf("vector %d: decapsulation differs (%v)", i, err)
		}
	}
}

// Signal stores the expanded secret key; ours is the seed that it grows from:
// 0x08, s (1536), pk (1568), SHA3-256(pk), z.
func TestSecretLayout(t *testing.T) {
	t.Parallel()
	for i, v := range vectors(t) {
		_, private := kyber1024.NewKeyFromSeed(v.KeygenSeed)
		packed, err := private.MarshalBinary()
		if err != nil || !bytes.Equal(append([]byte{0x08}, packed...), v.Secret) {
			t.Fatalf("vector %d: secret key differs (%v)", i, err)
		}
		const publicAt = 1 + 1536
		hash := sha3.Sum256(v.Public[1:])
		want := append(append(bytes.Clone(v.Public[1:]), hash[:]...), v.KeygenSeed[32:]...)
		if !bytes.Equal(v.Secret[publicAt:], want) {
			t.Fatalf("vector %d: layout differs", i)
		}
	}
}

// The product's own set takes nothing of this mechanism, and both together keep
// the two apart by type byte.
func TestTypesAreKeptApart(t *testing.T) {
	t.Parallel()
	v := vectors(t)[0]
	if _, err := (key.KEMs{}).ParsePublic(v.Public); !errors.Is(err, key.ErrType) || !errors.Is(err, messaging.ErrInvalid) {
		t.Errorf("the product took a round 3 key: %v", err)
	}
	both := key.AcceptKEMs(key.MLKEM{}, Scheme{})
	private, err := both.Generate(bytes.NewReader(v.KeygenSeed))
	if err != nil {
		t.Fatal(err)
	}
	if private.Bytes()[0] != 0x0a {
		t.Error("the first mechanism is not the one that is made")
	}
	if _, err := private.Decapsulate(v.Ciphertext); !errors.Is(err, key.ErrType) {
		t.Errorf("ML-KEM key opened a round 3 ciphertext: %v", err)
	}
	if p, err := both.ParsePublic(v.Public); err != nil || !bytes.Equal(p.Bytes(), v.Public) {
		t.Errorf("round 3 key beside ML-KEM: %v", err)
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	var s Scheme
	for _, n := range []int{0, 1567, 1569} {
		if err := s.Check(make([]byte, n)); !errors.Is(err, key.ErrLength) {
			t.Errorf("Check of %d bytes: %v", n, err)
		}
		if _, _, err := s.Encapsulate(make([]byte, n), new([32]byte)); !errors.Is(err, key.ErrLength) {
			t.Errorf("Encapsulate to %d bytes: %v", n, err)
		}
		if _, err := s.Decapsulate(new([64]byte), make([]byte, n)); !errors.Is(err, key.ErrLength) {
			t.Errorf("Decapsulate %d bytes: %v", n, err)
		}
	}
}
