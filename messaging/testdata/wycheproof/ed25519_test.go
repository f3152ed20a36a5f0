package wycheproof_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/sottochat/sotto/messaging/key"
)

// The call of key.LogPublic.Verify, which signs and verifies nothing without a
// domain before it.
func TestEd25519(t *testing.T) {
	t.Parallel()
	type group struct {
		PublicKey struct{ PK octets } `json:"publicKey"`
		Tests     []struct {
			verdict
			Msg, Sig octets
		}
	}
	f := load[group](t, "ed25519_test.json")
	var c tally
	for _, g := range f.TestGroups {
		public, err := key.ParseLogPublic(g.PublicKey.PK)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Tests {
			c.count(v.verdict)
			if good := ed25519.Verify(public[:], v.Msg, v.Sig); good != v.valid() {
				t.Errorf("%d %s: verifies = %v", v.ID, v.Comment, good)
			}
			// The vector signs bare text; under a domain it must not pass.
			if sig, err := key.ParseSignature(v.Sig); err == nil && public.Verify("any domain", v.Msg, sig) == nil {
				t.Errorf("%d %s: a bare signature passed under a domain", v.ID, v.Comment)
			}
		}
	}
	c.check(t, "ed25519", f.NumberOfTests)
}

// RFC 8032 section 7.1, tests 1 to 3.
func TestEd25519RFC8032(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ seed, public, message, sig string }{
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
		{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	} {
		private, err := key.NewLog(unhex(t, v.seed))
		if err != nil {
			t.Fatal(err)
		}
		if public := private.Public(); !bytes.Equal(public[:], unhex(t, v.public)) {
			t.Errorf("seed %s: public key %x", v.seed, public)
		}
		sig := ed25519.Sign(ed25519.NewKeyFromSeed(unhex(t, v.seed)), unhex(t, v.message))
		if !bytes.Equal(sig, unhex(t, v.sig)) {
			t.Errorf("seed %s: signature %x", v.seed, sig)
		}
	}
}
