// Package devicelog is the append-only, hash-chained and signed log of an
// account's devices: who they are, who let them in, and who took them out. Both
// sides verify it, so a server can neither add a device nor withhold a removal
// unnoticed. docs/protocol.md section 2 rules it; entry.proto beside this file
// is the published contract of the bytes.
//
// It is no store, keeps no clock (every time is passed in) and sends nothing.
// Package link holds the code with which a new device asks to be added.
package devicelog

import (
	"errors"

	"github.com/sottochat/sotto/messaging"
)

const (
	// MaxEntry bounds an entry in bytes. The longest that this version can make
	// has about 330; the rest is room for the keys of a later version.
	MaxEntry = 1 << 10

	// MaxEntries bounds a log. A member who links and removes a device every week
	// needs ten years for it; a hostile one makes a reader check at most 2048
	// signatures, a quarter of a second on one core and ten times that in a browser.
	MaxEntries = 1 << 10

	// reserve is how many places at the end of a log take nothing but a removal:
	// an account that has no room left to add can still remove every device.
	reserve = messaging.MaxDevices

	// maxTime bounds times in milliseconds since 1970. It lies in the year 10889
	// and fits the integers that every language has.
	maxTime = 1<<48 - 1
)

// Reasons for which an entry or a log is refused; each arrives wrapped by
// messaging.Invalid.
var (
	ErrSize      = errors.New("devicelog: entry longer than 1024 bytes, or none at all")
	ErrEncoding  = errors.New("devicelog: not the canonical encoding of an entry")
	ErrTag       = errors.New("devicelog: not an entry of this kind and version")
	ErrRange     = errors.New("devicelog: value out of range")
	ErrAccount   = errors.New("devicelog: entry of another tenant or account")
	ErrSequence  = errors.New("devicelog: sequence is not the next one")
	ErrPrevious  = errors.New("devicelog: does not follow the entry before it")
	ErrAction    = errors.New("devicelog: action has no place here")
	ErrTime      = errors.New("devicelog: time before that of the entry before, or expiry not after it")
	ErrSigner    = errors.New("devicelog: signer is not listed")
	ErrDevice    = errors.New("devicelog: device id is not the next free one, or not listed")
	ErrFull      = errors.New("devicelog: no room for another device or entry")
	ErrKeyReused = errors.New("devicelog: key was listed before")
	ErrKey       = errors.New("devicelog: key is not an acceptable point")
	ErrSignature = errors.New("devicelog: signature does not verify")

	ErrRollback  = errors.New("devicelog: log ends before a head that is known")
	ErrFork      = errors.New("devicelog: log contradicts a head that is known")
	ErrRefounded = errors.New("devicelog: account was founded anew")

	ErrFragment = errors.New("devicelog: not an account fragment")
	ErrMismatch = errors.New("devicelog: account differs from the one that the invite names")
	ErrCode     = errors.New("devicelog: not a recovery code")
)
