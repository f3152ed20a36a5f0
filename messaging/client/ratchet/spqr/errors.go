package spqr

import "errors"

// Reasons for refusing a header, a message key or a stored state. Those that a
// peer can provoke come wrapped in messaging.Invalid; tests tell them apart
// with errors.Is.
var (
	// ErrHeader: the bytes are no header of version 1.
	ErrHeader = errors.New("spqr: malformed header")
	// ErrVersion: a peer that had agreed on version 1 came without it.
	ErrVersion = errors.New("spqr: version changed after negotiation")
	// ErrMinimumVersion: the peer's first message is below the demanded version.
	ErrMinimumVersion = errors.New("spqr: version below the minimum")
	// ErrEpoch: the header belongs to an epoch that has not begun.
	ErrEpoch = errors.New("spqr: epoch ahead of ours")
	// ErrKeyExpired: the message key was given up, because its epoch ended or
	// because it is more than maxStored messages old.
	ErrKeyExpired = errors.New("spqr: message key no longer kept")
	// ErrKeyUsed: the message key was handed out before.
	ErrKeyUsed = errors.New("spqr: message key already used")
	// ErrTooFarAhead: the index skips more messages than one receive may.
	ErrTooFarAhead = errors.New("spqr: index too far ahead")
	// ErrMAC: the authenticator refuses the peer's key header or ciphertext.
	ErrMAC = errors.New("spqr: header or ciphertext MAC does not match")
	// ErrEncapsulationKey: the key that arrived is not the announced one, or is
	// not a FIPS 203 encoding.
	ErrEncapsulationKey = errors.New("spqr: encapsulation key refused")
	// ErrStateEncoding: the bytes are no state that AppendBinary writes.
	ErrStateEncoding = errors.New("spqr: malformed state")
	// ErrExhausted: a counter that travels in 32 bits is used up.
	ErrExhausted = errors.New("spqr: message counter exhausted")
	// ErrConfig: New was called without a direction or an authentication key.
	ErrConfig = errors.New("spqr: no direction or no authentication key")

	// errChain cannot happen with a state made by New or Unmarshal.
	errChain = errors.New("spqr: key chain out of step with the state machine")
)
