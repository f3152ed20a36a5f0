package session

import (
	"errors"

	"github.com/sottochat/sotto/messaging/client/handshake"
	"github.com/sottochat/sotto/messaging/client/ratchet"
)

// Reasons for which Decrypt refuses a stranger's message; each arrives wrapped
// by messaging.Invalid, so that all have one text and errors.Is tells them
// apart.
//
// ErrDuplicate is the one that a client acts upon: the message had been opened
// before (a repeated delivery, or a crash between saving and acknowledging), so
// it is acknowledged and not shown. A message whose key fell off the end of the
// list of skipped keys is a duplicate too: nothing can tell the two apart.
var (
	ErrDuplicate  = ratchet.ErrDuplicate
	ErrTooFar     = ratchet.ErrTooFar
	ErrMAC        = ratchet.ErrMAC
	ErrRatchet    = ratchet.ErrPostQuantum
	ErrMalformed  = ratchet.ErrMalformed
	ErrVersion    = ratchet.ErrVersion
	ErrPreKeyForm = handshake.ErrMalformed
	ErrKind       = errors.New("session: neither a message nor a prekey message")
	ErrUntrusted  = errors.New("session: identity key is not the one that the device log lists")
	ErrAddress    = errors.New("session: message names other devices than those it travels between")
	ErrReplay     = errors.New("session: handshake with this last-resort prekey was seen before")
	// ErrNoSession is also what Encrypt returns, bare, when a bundle has to be
	// fetched first.
	ErrNoSession = errors.New("session: no session with this device")
	// ErrNoPreKey is what an implementation of PreKeys returns, bare or wrapped,
	// for an id that it does not hold.
	ErrNoPreKey = errors.New("session: no such prekey")
)

// ErrRecord reports bytes that are not a Record. It concerns our own store, not
// a stranger's input.
var ErrRecord = errors.New("session: not a session record")
