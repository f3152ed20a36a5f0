package sso

import "crypto/ed25519"

// Inspect runs everything that reads a stranger's token before a key is found
// to fit, with a key that nobody signs with.
func Inspect(token string) error {
	peek(token, "nonce")
	_, err := Verify(token, Key{"", EdDSA, make(ed25519.PublicKey, ed25519.PublicKeySize)})
	return err
}
