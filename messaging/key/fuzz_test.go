package key

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

func FuzzParsePublic(f *testing.F) {
	f.Add(generate[identity](f).Public().Bytes())
	f.Add(append([]byte{5}, make([]byte, 32)...))
	f.Add([]byte{5})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePublic[identity](b)
		if err != nil {
			refused(t, err)
			return
		}
		if !bytes.Equal(p.Bytes(), b) {
			t.Error("parse then print differs")
		}
		if err := CheckIdentity(p); err != nil {
			refused(t, err)
		}
	})
}

func FuzzPublicText(f *testing.F) {
	f.Add(generate[identity](f).Public().String())
	f.Add("identity:BQ")
	f.Add("ratchet:")
	f.Fuzz(func(t *testing.T, s string) {
		var p IdentityPublic
		if err := p.UnmarshalText([]byte(s)); err != nil {
			refused(t, err)
			return
		}
		if p.String() != s {
			t.Errorf("%q parses, and prints as %q", s, p)
		}
	})
}

func FuzzKEMPublic(f *testing.F) {
	private, err := KEMs{}.Generate(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(public.Bytes())
	f.Add(bytes.Repeat([]byte{10}, KEMPublicSize))
	f.Add([]byte{8})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := KEMs{}.ParsePublic(b)
		if err != nil {
			refused(t, err)
			return
		}
		if !bytes.Equal(p.Bytes(), b) {
			t.Error("parse then print differs")
		}
		if _, _, err := p.Encapsulate(newReader(make([]byte, 32))); err != nil {
			t.Errorf("an accepted key does not encapsulate: %v", err)
		}
	})
}

func FuzzKEMCiphertext(f *testing.F) {
	private, err := KEMs{}.ParsePrivate(append([]byte{0x0a}, make([]byte, KEMSeedSize)...))
	if err != nil {
		f.Fatal(err)
	}
	public, err := private.Public()
	if err != nil {
		f.Fatal(err)
	}
	ciphertext, _, err := public.Encapsulate(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ciphertext)
	f.Add(ciphertext[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := private.Decapsulate(b); err != nil {
			refused(t, err)
		} else if len(b) != KEMCiphertextSize {
			t.Errorf("opened %d bytes", len(b))
		}
	})
}

func FuzzVerify(f *testing.F) {
	private := generate[identity](f)
	sig, err := sign(private, []byte("message"), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private.Public().Bytes(), []byte("message"), sig[:])
	f.Add(append([]byte{5}, make([]byte, 32)...), []byte{}, make([]byte, 64))
	f.Fuzz(func(t *testing.T, public, message, signature []byte) {
		p, err := ParsePublic[identity](public)
		if err != nil {
			return
		}
		s, err := ParseSignature(signature)
		if err != nil {
			refused(t, err)
			return
		}
		if err := verify(p, message, s); err != nil {
			refused(t, err)
		}
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("error %v is not of the outside's class", err)
	}
}
