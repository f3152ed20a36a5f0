// Package key holds one type for each role that a key plays in the protocol:
// identity, log, signed and one-time prekeys, base and ratchet keys, and the
// key encapsulation keys of the post-quantum handshake. It makes, parses,
// prints, signs and verifies them, and checks a bundle before its first use.
// It derives no message keys and stores nothing.
//
// The byte formats are Signal's (docs/protocol.md section 8); the log keys and
// the choice of ML-KEM-1024 are ours (docs/divergences.md).
package key

import "errors"

// Reasons for which a stranger's key material is refused; each arrives wrapped
// by messaging.Invalid.
var (
	ErrLength       = errors.New("key: wrong length")
	ErrType         = errors.New("key: unexpected type byte")
	ErrPoint        = errors.New("key: not an acceptable curve point")
	ErrSignature    = errors.New("key: signature does not verify")
	ErrRegistration = errors.New("key: registration id outside 1 to 16383")
	ErrDevice       = errors.New("key: device id outside 1 to 127")
	ErrIdentity     = errors.New("key: identity key differs from the device log")
	ErrEncapsulated = errors.New("key: not an acceptable encapsulation key or ciphertext")
	ErrText         = errors.New("key: not the text form of a key of this role")
)
