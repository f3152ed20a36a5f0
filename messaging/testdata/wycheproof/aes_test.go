package wycheproof_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"
)

const aesKeyBits = 256 // the one size that the product uses

// The block mode calls of ratchet.(*messageKeys). Vectors that are invalid are so
// by their padding, which the ratchet's own tests hold; here each decrypts to
// something else than its message with that padding.
func TestAESCBC(t *testing.T) {
	t.Parallel()
	type group struct {
		KeySize int `json:"keySize"` // bits
		Tests   []struct {
			verdict
			Key, IV, Msg, CT octets
		}
	}
	f := load[group](t, "aes_cbc_pkcs5_test.json")
	var c tally
	for _, g := range f.TestGroups {
		if g.KeySize != aesKeyBits {
			c.passed += len(g.Tests)
			continue
		}
		for _, v := range g.Tests {
			c.count(v.verdict)
			block, err := aes.NewCipher(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			pad := aes.BlockSize - len(v.Msg)%aes.BlockSize
			out := append(bytes.Clone(v.Msg), bytes.Repeat([]byte{byte(pad)}, pad)...)
			cipher.NewCBCEncrypter(block, v.IV).CryptBlocks(out, out)
			if equal := bytes.Equal(out, v.CT); equal != v.valid() {
				t.Errorf("%d %s: equal = %v", v.ID, v.Comment, equal)
			}
			if !v.valid() {
				continue
			}
			cipher.NewCBCDecrypter(block, v.IV).CryptBlocks(out, out)
			if !bytes.Equal(out[:len(v.Msg)], v.Msg) {
				t.Errorf("%d %s: decrypts to something else", v.ID, v.Comment)
			}
		}
	}
	c.check(t, "aes-cbc-pkcs5", f.NumberOfTests)
}

// The calls of content/media and of the vault: 96-bit nonces, 128-bit tags.
func TestAESGCM(t *testing.T) {
	t.Parallel()
	type group struct {
		KeySize int `json:"keySize"`
		IVSize  int `json:"ivSize"`
		Tests   []struct {
			verdict
			Key, IV, AAD, Msg, CT, Tag octets
		}
	}
	f := load[group](t, "aes_gcm_test.json")
	var c tally
	for _, g := range f.TestGroups {
		if g.KeySize != aesKeyBits || g.IVSize != 96 {
			c.passed += len(g.Tests)
			continue
		}
		for _, v := range g.Tests {
			c.count(v.verdict)
			block, err := aes.NewCipher(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			sealed := append(bytes.Clone(v.CT), v.Tag...)
			opened, err := aead.Open(nil, v.IV, sealed, v.AAD)
			if right := err == nil && bytes.Equal(opened, v.Msg); right != v.valid() {
				t.Errorf("%d %s: opened = %v", v.ID, v.Comment, err == nil)
			}
			if equal := bytes.Equal(aead.Seal(nil, v.IV, v.Msg, v.AAD), sealed); equal != v.valid() {
				t.Errorf("%d %s: sealed alike = %v", v.ID, v.Comment, equal)
			}
		}
	}
	c.check(t, "aes-gcm", f.NumberOfTests)
}
