package wycheproof_test

import (
	"bytes"
	"testing"

	"github.com/sottochat/sotto/messaging/key"
)

const curveType = 0x05 // docs/protocol.md section 8

func agree(t *testing.T, private, public []byte) ([]byte, error) {
	t.Helper()
	a, err := key.NewPrivate[key.RoleBase](private)
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.ParsePublic[key.RoleIdentity](append([]byte{curveType}, public...))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := key.Agree(a, b)
	return shared[:], err
}

// "Acceptable" are twists, small orders and non-canonical coordinates: RFC 7748
// section 6.1 lets the caller refuse the all-zero result, and key.Agree does.
func TestX25519(t *testing.T) {
	t.Parallel()
	type group struct {
		Tests []struct {
			verdict
			Public, Private, Shared octets
		}
	}
	f, zeros := load[group](t, "x25519_test.json"), 0
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			got, err := agree(t, v.Private, v.Public)
			if bytes.Equal(v.Shared, make([]byte, len(v.Shared))) {
				zeros++
				if err == nil {
					t.Errorf("%d %s: the all-zero secret was accepted", v.ID, v.Comment)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, v.Shared) {
				t.Errorf("%d %s: another secret (err %v)", v.ID, v.Comment, err)
			}
		}
	}
	if zeros == 0 {
		t.Error("no vector with an all-zero secret was met")
	}
	c.check(t, "x25519", f.NumberOfTests)
}

// RFC 7748 sections 5.2 (the two single vectors) and 6.1.
func TestX25519RFC7748(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ private, public, shared string }{
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	} {
		got, err := agree(t, unhex(t, v.private), unhex(t, v.public))
		if err != nil || !bytes.Equal(got, unhex(t, v.shared)) {
			t.Errorf("scalar %s: %x, %v", v.private, got, err)
		}
	}
}

// RFC 7748 section 5.2, the iterated vector: 1,000 rounds from the base point.
func TestX25519RFC7748Iterated(t *testing.T) {
	t.Parallel()
	k := append([]byte{9}, make([]byte, 31)...)
	u := bytes.Clone(k)
	want := map[int]string{
		1:    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
		1000: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
	}
	for i := 1; i <= 1000; i++ {
		next, err := agree(t, k, u)
		if err != nil {
			t.Fatal(err)
		}
		k, u = next, k
		if w, ok := want[i]; ok && !bytes.Equal(k, unhex(t, w)) {
			t.Fatalf("after %d: %x", i, k)
		}
	}
}
