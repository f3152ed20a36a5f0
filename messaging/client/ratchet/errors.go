package ratchet

import "errors"

// Reasons for refusing a message; each arrives wrapped by messaging.Invalid.
var (
	// ErrMalformed: the bytes are no SignalMessage.
	ErrMalformed = errors.New("ratchet: malformed message")
	// ErrVersion: a message of another version of the protocol.
	ErrVersion = errors.New("ratchet: message version is not 4")
	// ErrDuplicate: the message was decrypted before, or its key is no longer kept.
	ErrDuplicate = errors.New("ratchet: message key used or no longer kept")
	// ErrTooFar: the message skips more than MaxJump others.
	ErrTooFar = errors.New("ratchet: message too far ahead")
	// ErrMAC: the message does not authenticate, or does not decrypt; the two
	// are one.
	ErrMAC = errors.New("ratchet: message does not authenticate")
	// ErrPostQuantum: the post-quantum ratchet refuses its header; the reason of
	// package spqr is wrapped too.
	ErrPostQuantum = errors.New("ratchet: post-quantum header refused")
)

// Errors of our own making.
var (
	// ErrPlaintext: the plaintext is longer than MaxPlaintext.
	ErrPlaintext = errors.New("ratchet: plaintext too long")
	// ErrExhausted: the sender chain has come to its last counter; only a
	// message from the peer, or a new session, starts another.
	ErrExhausted = errors.New("ratchet: sender chain is at its end")
	// ErrState: the bytes are no State that AppendBinary wrote.
	ErrState = errors.New("ratchet: not a session state")
)
