// Package spqr is the Sparse Post-Quantum Ratchet, version 1, of one session:
// it hides pieces of an ML-KEM-768 exchange in the headers of ordinary messages
// and gives each message a key that a quantum computer would have to break, to
// be mixed in with the Double Ratchet's. It is a pure state machine, with no
// clock and no storage. It does not encrypt, it does not authenticate messages
// (the session's MAC covers the header), and it does not know the Double
// Ratchet.
//
// docs/protocol.md section 11 rules it. The construction is Signal's: The Double
// Ratchet (chapters on the Sparse Post-Quantum Ratchet and the Triple Ratchet)
// and The ML-KEM Braid Protocol, byte for byte as Signal's library has it.
package spqr

import (
	"fmt"
	"io"
)

// Direction says which side of the PQXDH handshake a state belongs to.
type Direction uint8

const (
	Initiator Direction = iota + 1
	Responder
)

// Config says what is asked of the peer. The zero value demands version 1 from
// the first message on.
type Config struct {
	// AllowFallback accepts a peer without SPQR until the first message from it
	// was received; up to then no key is mixed in.
	AllowFallback bool
	// SelfSession is for two devices of one person: maxSelfJump instead of
	// maxJump.
	SelfSession bool
	// Disabled makes a state that does nothing: a peer without SPQR.
	Disabled bool
}

// agreement is what is known about the peer's version.
type agreement uint8

const (
	agreed   agreement = iota // a message was received
	demanded                  // none yet, and less than version 1 will be refused
	open                      // none yet, and less than version 1 will be accepted
)

// State is one side's SPQR of one session. It is not safe for concurrent use.
type State struct{ *core }

// core keeps the secrets two pointers away from a State: fmt follows one, even
// in a field whose Format method it may not call.
type core struct {
	off       bool
	side      Direction
	self      bool
	agreement agreement
	serial    uint64 // counts commits; a Step of another count is stale

	authKey *[keySize]byte // while agreement is open
	chain   *keyChain      // nil while agreement is open
	machine *machine
}

// New returns the state at the end of a handshake. authKey is the last third of
// PQXDH's output (docs/protocol.md section 9) and is not kept by reference.
func New(authKey *[32]byte, dir Direction, cfg Config) (*State, error) {
	if cfg.Disabled {
		return &State{&core{off: true}}, nil
	}
	if authKey == nil || dir != Initiator && dir != Responder {
		return nil, ErrConfig
	}
	s := &State{&core{side: dir, self: cfg.SelfSession, agreement: demanded}}
	s.machine = &machine{epoch: 1, phase: keysUnsampled, auth: newAuthenticator(authKey)}
	if dir == Responder {
		s.machine.phase = noHeaderReceived
	}
	if cfg.AllowFallback {
		key := *authKey
		s.agreement, s.authKey = open, &key
	} else {
		s.chain = newKeyChain(authKey, dir)
	}
	return s, nil
}

// Epoch returns the number of the key exchange in progress, from 1, or 0 when
// SPQR is off.
func (s *State) Epoch() uint64 {
	if s.off {
		return 0
	}
	return s.machine.epoch
}

// Active tells whether this side takes part: false when it was disabled or the
// peer turned out not to know SPQR.
func (s *State) Active() bool { return !s.off }

// Agreed tells whether a message was received, so that the version is settled.
func (s *State) Agreed() bool { return s.off || s.agreement == agreed }

// Format prints no part of the state, whatever the verb.
func (State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "spqr.State") }

// turnOff makes the state that of a peer without SPQR.
func (s *State) turnOff() {
	s.machine.wipe()
	if s.chain != nil {
		s.chain.wipe()
	}
	if s.authKey != nil {
		clear(s.authKey[:])
	}
	*s.core = core{off: true, serial: s.serial}
}
