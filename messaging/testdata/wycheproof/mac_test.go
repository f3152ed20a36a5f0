package wycheproof_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

// The calls of ratchet.(*messageKeys).sum and spqr's authenticator.
func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

func TestHMACSHA256(t *testing.T) {
	t.Parallel()
	type group struct {
		TagSize int `json:"tagSize"` // bits
		Tests   []struct {
			verdict
			Key, Msg, Tag octets
		}
	}
	f := load[group](t, "hmac_sha256_test.json")
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			full := mac(v.Key, v.Msg)
			if equal := hmac.Equal(full[:g.TagSize/8], v.Tag); equal != v.valid() {
				t.Errorf("%d %s: equal = %v", v.ID, v.Comment, equal)
			}
		}
	}
	c.check(t, "hmac", f.NumberOfTests)
}

// RFC 4231 sections 4.2 to 4.8; 4.6 is cut to 128 bits.
func TestHMACRFC4231(t *testing.T) {
	t.Parallel()
	repeat := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	for _, v := range []struct {
		name         string
		key, message []byte
		tag          string
	}{
		{"4.2", repeat(0x0b, 20), []byte("Hi There"),
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"4.3", []byte("Jefe"), []byte("what do ya want for nothing?"),
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"4.4", repeat(0xaa, 20), repeat(0xdd, 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"4.5", unhex(t, "0102030405060708090a0b0c0d0e0f10111213141516171819"), repeat(0xcd, 50),
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{"4.6", repeat(0x0c, 20), []byte("Test With Truncation"),
			"a3b6167473100ee06e0c796c2955552b"},
		{"4.7", repeat(0xaa, 131), []byte("Test Using Larger Than Block-Size Key - Hash Key First"),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"4.8", repeat(0xaa, 131), []byte("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."),
			"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	} {
		want := unhex(t, v.tag)
		if got := mac(v.key, v.message)[:len(want)]; !bytes.Equal(got, want) {
			t.Errorf("section %s: %x", v.name, got)
		}
	}
}

// The call of the handshake's, the ratchet's and spqr's kdf.go.
func TestHKDFSHA256(t *testing.T) {
	t.Parallel()
	type group struct {
		Tests []struct {
			verdict
			IKM, Salt, Info, OKM octets
			Size                 int
		}
	}
	f := load[group](t, "hkdf_sha256_test.json")
	var c tally
	for _, g := range f.TestGroups {
		for _, v := range g.Tests {
			c.count(v.verdict)
			okm, err := hkdf.Key(sha256.New, v.IKM, v.Salt, string(v.Info), v.Size)
			if equal := err == nil && bytes.Equal(okm, v.OKM); equal != v.valid() {
				t.Errorf("%d %s: %x, %v", v.ID, v.Comment, okm, err)
			}
		}
	}
	c.check(t, "hkdf", f.NumberOfTests)
}

// RFC 5869 appendix A.1 to A.3.
func TestHKDFRFC5869(t *testing.T) {
	t.Parallel()
	span := func(from, to int) []byte {
		var b []byte
		for i := from; i <= to; i++ {
			b = append(b, byte(i))
		}
		return b
	}
	for _, v := range []struct {
		name            string
		ikm, salt, info []byte
		okm             string
	}{
		{"A.1", bytes.Repeat([]byte{0x0b}, 22), span(0, 0x0c), span(0xf0, 0xf9),
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{"A.2", span(0, 0x4f), span(0x60, 0xaf), span(0xb0, 0xff),
			"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
		{"A.3", bytes.Repeat([]byte{0x0b}, 22), nil, nil,
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
	} {
		want := unhex(t, v.okm)
		got, err := hkdf.Key(sha256.New, v.ikm, v.salt, string(v.info), len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("appendix %s: %x, %v", v.name, got, err)
		}
	}
}
