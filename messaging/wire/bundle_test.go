package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

func TestBundleRoundTrip(t *testing.T) {
	t.Parallel()
	without := sampleBundle(127)
	without.OneTimeEC = ECPreKey{}
	for _, bundle := range []Bundle{sampleBundle(1), without} {
		b := AppendBundle([]byte("before"), &bundle)
		got, err := ParseBundle(b[len("before"):])
		if err != nil || !reflect.DeepEqual(got, bundle) {
			t.Errorf("device %d: %v", bundle.Device, reason(err))
		}
	}
}

// TestBundleCross compares bundles that stand alone with the contract's reading.
func TestBundleCross(t *testing.T) {
	t.Parallel()
	md := messageType(t, "Bundle")
	for seed := range uint64(60) {
		for _, f := range []fill{sparse, random, full} {
			want := newMaker(t, seed, f).message(md).Interface()
			b := print(t, want)
			bundle, err := ParseBundle(b)
			if err != nil {
				t.Fatalf("seed %d: refused: %v", seed, reason(err))
			}
			if !bytes.Equal(AppendBundle(nil, &bundle), b) {
				t.Fatalf("seed %d: printed otherwise", seed)
			}
			if got := mirror(t, reflect.ValueOf(&bundle), md).Interface(); !proto.Equal(got, want) {
				t.Fatalf("seed %d: read %v, expected %v", seed, got, want)
			}
			back := dynamicpb.NewMessage(md)
			if err := proto.Unmarshal(AppendBundle(nil, &bundle), back); err != nil || !proto.Equal(back, want) {
				t.Fatalf("seed %d: the reference reads %v, %v", seed, back, err)
			}
		}
	}
}

func TestBundleRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		change func(*Bundle)
		want   error
	}{
		{"no registration id", func(m *Bundle) { m.RegistrationID = 0 }, ErrMissing},
		{"registration id of 15 bits", func(m *Bundle) { m.RegistrationID = MaxRegistrationID + 1 }, ErrRange},
		{"no device", func(m *Bundle) { m.Device = 0 }, ErrMissing},
		{"device 128", func(m *Bundle) { m.Device = messaging.MaxDeviceID + 1 }, ErrRange},
		{"no identity key", func(m *Bundle) { m.IdentityKey = nil }, ErrMissing},
		{"identity key without its type byte", func(m *Bundle) { m.IdentityKey = m.IdentityKey[1:] }, ErrLength},
		{"no signed prekey", func(m *Bundle) { m.SignedPrekey = SignedPreKey{} }, ErrMissing},
		{"signed prekey of 34 bytes", func(m *Bundle) { m.SignedPrekey.PublicKey = make([]byte, 34) }, ErrLength},
		{"no signature", func(m *Bundle) { m.SignedPrekey.Signature = nil }, ErrMissing},
		{"signature of 63 bytes", func(m *Bundle) { m.SignedPrekey.Signature = make([]byte, 63) }, ErrLength},
		{"one-time key of 32 bytes", func(m *Bundle) { m.OneTimeEC.PublicKey = make([]byte, 32) }, ErrLength},
		{"no KEM key", func(m *Bundle) { m.KEMPrekey = KEMPreKey{} }, ErrMissing},
		{"KEM key without its type byte", func(m *Bundle) { m.KEMPrekey.PublicKey = make([]byte, 1568) }, ErrLength},
		{"an EC key as KEM key", func(m *Bundle) { m.KEMPrekey.PublicKey = make([]byte, ECKeySize) }, ErrLength},
		{"a KEM key as EC key", func(m *Bundle) { m.OneTimeEC.PublicKey = make([]byte, KEMKeySize) }, ErrLength},
		{"KEM signature of 65 bytes", func(m *Bundle) { m.KEMPrekey.Signature = make([]byte, 65) }, ErrLength},
	} {
		bundle := sampleBundle(1)
		c.change(&bundle)
		got, err := ParseBundle(AppendBundle(nil, &bundle))
		if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", c.what, reason(err), c.want)
		}
		if !reflect.DeepEqual(got, Bundle{}) {
			t.Errorf("%s: something was returned beside the error", c.what)
		}
	}
}

func TestBundleTruncated(t *testing.T) {
	t.Parallel()
	bundle := sampleBundle(1)
	b := AppendBundle(nil, &bundle)
	for n := range b {
		if _, err := ParseBundle(b[:n]); !errors.Is(err, messaging.ErrInvalid) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := ParseBundle(append(b, 0)); !errors.Is(err, ErrField) {
		t.Errorf("a byte more: %v", reason(err))
	}
}
