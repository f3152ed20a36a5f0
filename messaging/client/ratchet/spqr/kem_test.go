package spqr

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha3"
	"testing"
)

// rehash makes the header of a vector, with its true hash.
func rehash(header [headerSize]byte, vector []byte) [headerSize]byte {
	hash := sha3.Sum256(append(bytes.Clone(vector), header[:rhoSize]...))
	copy(header[rhoSize:], hash[:])
	return header
}

// TestPiecesAreMLKEM: the two steps together are an ML-KEM-768 encapsulation as
// the standard library decapsulates it, and ct1 does not depend on the vector.
func TestPiecesAreMLKEM(t *testing.T) {
	t.Parallel()
	r := draws(8)
	for range 20 {
		var seed [seedSize]byte
		var m [entropySize]byte
		_, _ = r.Read(seed[:])
		_, _ = r.Read(m[:])
		keys, err := expandKey(&seed)
		if err != nil {
			t.Fatal(err)
		}
		shared, ct1 := encapsulateFirst(&keys.header, &m)
		ciphertext, err := encapsulateSecond(&keys.header, &m, keys.vector)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ct1, ciphertext[:ct1Size]) {
			t.Fatal("ct1 changes with the vector")
		}
		dk, err := mlkem.NewDecapsulationKey768(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dk.Decapsulate(ciphertext); err != nil || !bytes.Equal(got, shared[:]) {
			t.Fatalf("shared secrets differ (%v)", err)
		}
	}
}
