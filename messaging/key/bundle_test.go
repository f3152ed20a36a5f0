package key

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

const bundleDevice messaging.DeviceID = 3

func newBundle(t testing.TB) (*IdentityPrivate, Bundle) {
	t.Helper()
	owner := generate[identity](t)
	_, signed, err := NewSignedPreKey(rand.Reader, 1, owner)
	if err != nil {
		t.Fatal(err)
	}
	_, one, err := NewOneTimePreKey(rand.Reader, 2)
	if err != nil {
		t.Fatal(err)
	}
	_, kem, err := (KEMs{}).NewPreKey(rand.Reader, 3, owner)
	if err != nil {
		t.Fatal(err)
	}
	return owner, Bundle{
		RegistrationID: 77, Device: bundleDevice, Identity: owner.Public(),
		Signed: signed, OneTime: &one, KEM: kem,
	}
}

func TestBundleVerify(t *testing.T) {
	t.Parallel()
	owner, bundle := newBundle(t)
	stranger, other := newBundle(t)
	theirs := func(b []byte) Signature {
		sig, err := sign(stranger, b, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	ours := func(b []byte) Signature {
		sig, err := sign(owner, b, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	tests := []struct {
		name   string
		change func(*Bundle)
		want   error
	}{
		{"untouched", func(*Bundle) {}, nil},
		{"pool empty", func(b *Bundle) { b.OneTime = nil }, nil},
		{"highest registration id", func(b *Bundle) { b.RegistrationID = MaxRegistrationID }, nil},
		{"registration id 0", func(b *Bundle) { b.RegistrationID = 0 }, ErrRegistration},
		{"registration id of 15 bits", func(b *Bundle) { b.RegistrationID = MaxRegistrationID + 1 }, ErrRegistration},
		{"device relabelled", func(b *Bundle) { b.Device++ }, ErrDevice},
		{"device 0", func(b *Bundle) { b.Device = 0 }, ErrDevice},
		{"device 128", func(b *Bundle) { b.Device = 128 }, ErrDevice},
		{"a stranger's identity", func(b *Bundle) { b.Identity = other.Identity }, ErrIdentity},
		{"a stranger's whole bundle", func(b *Bundle) { *b = other }, ErrIdentity},
		{"no identity", func(b *Bundle) { b.Identity = IdentityPublic{} }, ErrIdentity},
		{"a second form of the identity", func(b *Bundle) { b.Identity.u = withTopBit(b.Identity.u) }, ErrIdentity},
		{"no KEM key", func(b *Bundle) { b.KEM = KEMPreKey{} }, ErrEncapsulated},
		{"a stranger's signed prekey", func(b *Bundle) { b.Signed = other.Signed }, ErrSignature},
		{"a stranger's KEM prekey", func(b *Bundle) { b.KEM = other.KEM }, ErrSignature},
		{"key swapped under its signature", func(b *Bundle) { b.Signed.Public = other.Signed.Public }, ErrSignature},
		{"KEM key swapped under its signature", func(b *Bundle) { b.KEM.Public = other.KEM.Public }, ErrSignature},
		{"signatures exchanged", func(b *Bundle) { b.Signed.Signature, b.KEM.Signature = b.KEM.Signature, b.Signed.Signature }, ErrSignature},
		{"signed by a stranger", func(b *Bundle) { b.Signed.Signature = theirs(b.Signed.Public.Bytes()) }, ErrSignature},
		{"KEM key signed by a stranger", func(b *Bundle) { b.KEM.Signature = theirs(b.KEM.Public.Bytes()) }, ErrSignature},
		{"signed without its type byte", func(b *Bundle) { b.Signed.Signature = ours(b.Signed.Public.Bytes()[1:]) }, ErrSignature},
		{"KEM key signed without its type byte", func(b *Bundle) { b.KEM.Signature = ours(b.KEM.Public.Bytes()[1:]) }, ErrSignature},
		{"no signature", func(b *Bundle) { b.Signed.Signature = Signature{} }, ErrSignature},
		{"no KEM signature", func(b *Bundle) { b.KEM.Signature = Signature{} }, ErrSignature},
		{"R flipped", func(b *Bundle) { b.Signed.Signature[0] ^= 1 }, ErrSignature},
		{"s flipped", func(b *Bundle) { b.KEM.Signature[40] ^= 1 }, ErrSignature},
		{"one-time key offered as signed", func(b *Bundle) { b.Signed.Public.u = b.OneTime.Public.u }, ErrSignature},
	}
	for _, tt := range tests {
		b := bundle
		tt.change(&b)
		v, err := b.Verify(bundleDevice, owner.Public())
		if tt.want == nil {
			if err != nil || v.Bundle().Signed != b.Signed || v.Bundle().KEM != b.KEM {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		if v != nil || !errors.Is(err, tt.want) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A last-resort key offered as a one-time key cannot be told by its bytes, and
// need not be: only the owner's record decides. But no key passes for the other
// kind (PQXDH, findings F3 and F5 of its formal analysis).
func TestKindsOfPreKeyAreApart(t *testing.T) {
	t.Parallel()
	owner, bundle := newBundle(t)
	ec, kem := bundle.Signed.Public.Bytes(), bundle.KEM.Public.Bytes()
	if _, err := (KEMs{}).ParsePublic(ec); err == nil {
		t.Error("a curve key parses as KEM key")
	}
	if _, err := ParsePublic[signedPreKey](kem); err == nil {
		t.Error("a KEM key parses as curve key")
	}
	if _, err := ParsePublic[signedPreKey](kem[:PublicSize]); err == nil {
		t.Error("the start of a KEM key parses as curve key")
	}
	if verify(owner.Public(), ec, bundle.KEM.Signature) == nil || verify(owner.Public(), kem, bundle.Signed.Signature) == nil {
		t.Error("a signature serves for the other kind")
	}
	if ec[0] == kem[0] {
		t.Error("both kinds have one type byte")
	}
}

func TestVerifiedDoesNotChange(t *testing.T) {
	t.Parallel()
	owner, bundle := newBundle(t)
	v, err := bundle.Verify(bundleDevice, owner.Public())
	if err != nil {
		t.Fatal(err)
	}
	want := *bundle.OneTime
	bundle.OneTime.ID, v.Bundle().OneTime.ID = 1000, 2000
	if got := *v.Bundle().OneTime; got != want {
		t.Error("what was verified changed through a pointer")
	}
}

func TestSigningNeedsItsRandomness(t *testing.T) {
	t.Parallel()
	owner := generate[identity](t)
	if _, _, err := NewSignedPreKey(bytes.NewReader(make([]byte, 32+63)), 1, owner); err == nil {
		t.Error("signed prekey from 95 bytes")
	}
	if _, _, err := (KEMs{}).NewPreKey(bytes.NewReader(make([]byte, 64+63)), 1, owner); err == nil {
		t.Error("KEM prekey from 127 bytes")
	}
	if _, _, err := NewOneTimePreKey(bytes.NewReader(make([]byte, 31)), 1); err == nil {
		t.Error("one-time prekey from 31 bytes")
	}
}
