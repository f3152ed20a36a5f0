package key

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// circl encapsulates, the standard library decapsulates; and with the same coins
// both encapsulate to the same bytes.
func TestMLKEMAgreesWithStandardLibrary(t *testing.T) {
	t.Parallel()
	for range 8 {
		private, err := KEMs{}.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := private.Public()
		if err != nil {
			t.Fatal(err)
		}
		var coins [32]byte
		rand.Read(coins[:])
		ciphertext, secret, err := public.Encapsulate(newReader(coins[:]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := private.Decapsulate(ciphertext); err != nil || got != secret {
			t.Fatalf("decapsulated another secret (%v)", err)
		}
		standard, err := mlkem.NewEncapsulationKey1024(public.Bytes()[1:])
		if err != nil {
			t.Fatal(err)
		}
		wantSecret, wantCiphertext, err := mlkemtest.Encapsulate1024(standard, coins[:])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(wantCiphertext, ciphertext[1:]) || !bytes.Equal(wantSecret, secret[:]) {
			t.Fatal("circl and the standard library encapsulate differently")
		}
		if ciphertext[0] != 0x0a || public.Bytes()[0] != 0x0a {
			t.Fatal("type byte is not 0x0a")
		}
	}
}

func TestKEMForms(t *testing.T) {
	t.Parallel()
	var kems KEMs
	private, err := kems.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := kems.ParsePublic(public.Bytes()); err != nil || got != public {
		t.Errorf("public: parse then print: %v", err)
	}
	again, err := kems.ParsePrivate(private.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Public(); err != nil || got != public {
		t.Errorf("private: parse then print: %v", err)
	}
	if _, err := kems.Generate(newReader(make([]byte, 63))); err == nil {
		t.Error("generated from 63 bytes")
	}
	if _, _, err := public.Encapsulate(newReader(make([]byte, 31))); err == nil {
		t.Error("encapsulated with 31 bytes")
	}
	if _, _, err := (KEMPublic{}).Encapsulate(rand.Reader); !errors.Is(err, ErrEncapsulated) {
		t.Errorf("no key at all: got %v", err)
	}
	if (KEMPublic{}).Bytes() != nil {
		t.Error("no key at all has bytes")
	}
}

func TestKEMRefuses(t *testing.T) {
	t.Parallel()
	var kems KEMs
	private, err := kems.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		t.Fatal(err)
	}
	good := public.Bytes()
	unreduced := bytes.Clone(good)
	unreduced[1], unreduced[2] = 0xff, 0xff // first coefficient 4095, above 3328
	ec := generate[signedPreKey](t).Public().Bytes()
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"none", nil, ErrLength},
		{"curve key", ec, ErrLength},
		{"curve key with its type, filled up", append(bytes.Clone(ec), make([]byte, KEMPublicSize-len(ec))...), ErrType},
		{"short", good[:len(good)-1], ErrLength},
		{"long", append(bytes.Clone(good), 0), ErrLength},
		{"Kyber round 3", append([]byte{8}, good[1:]...), ErrType},
		{"ML-KEM-768's type", append([]byte{7}, good[1:]...), ErrType},
		{"coefficient not reduced", unreduced, ErrEncapsulated},
	}
	for _, tt := range tests {
		if _, err := kems.ParsePublic(tt.in); !errors.Is(err, tt.want) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("public, %s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := ParsePublic[signedPreKey](good); !errors.Is(err, ErrLength) {
		t.Errorf("KEM key as curve key: got %v", err)
	}
	ciphertext, secret, err := public.Encapsulate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"none": nil, "short": ciphertext[:len(ciphertext)-1], "other type": append([]byte{8}, ciphertext[1:]...),
	} {
		if got, err := private.Decapsulate(bad); !errors.Is(err, messaging.ErrInvalid) || got != [32]byte{} {
			t.Errorf("ciphertext, %s: got %v", name, err)
		}
	}
	ciphertext[100] ^= 1
	if got, err := private.Decapsulate(ciphertext); err != nil || got == secret {
		t.Errorf("tampered ciphertext: error %v, same secret %t; want implicit rejection", err, got == secret)
	}
	for name, bad := range map[string][]byte{
		"none": nil, "seed alone": private.Bytes()[1:], "long": append(private.Bytes(), 0),
		"other type": append([]byte{8}, private.Bytes()[1:]...),
	} {
		if _, err := kems.ParsePrivate(bad); !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("private, %s: got %v", name, err)
		}
	}
}
