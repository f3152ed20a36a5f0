package sso

import "crypto/ed25519"

// Inspect runs everything that reads a stranger's token before a key is found
// to fit, with a key that nobody signs with.
func Inspect(token string) error {
	peek(token, "nonce")
	h, err := parseHeader(token)
	if err != nil {
		return err
	}
	_, err = verify(token, h, []Key{{"", EdDSA, make(ed25519.PublicKey, ed25519.PublicKeySize)}})
	return err
}
