// Package ratchet is one session of the Triple Ratchet: Signal's Double Ratchet
// with the Sparse Post-Quantum Ratchet of package spqr beside it, whose message
// keys are mixed into those of the Double Ratchet. It encrypts, authenticates
// and decrypts SignalMessages.
//
// A State is a value that never changes: Encrypt and Decrypt return the next
// one, and a Decrypt that fails returns none. There is no clock, no storage and
// no I/O but the reader of random bytes. Which of several sessions a message
// belongs to, and the handshake, are the business of package session.
//
// docs/protocol.md section 10 rules it; The Double Ratchet Algorithm (signal.org,
// sections 3 to 6) describes the construction, Signal's library fixes the bytes.
package ratchet
