// Package link is the code that a new device shows and a listed device scans so
// that the first may join the account's device log: what it holds, its text, the
// six digits that a member compares, and the sealing of what the two devices
// leave for each other on the server. docs/protocol.md section 6 rules it.
//
// It is not an invite, and neither is taken for the other: an invite is a web
// address, a link code is not, so no camera app opens one. It signs nothing (that
// is devicelog's Add, Join and CompleteAdd) and sends nothing.
package link

import (
	"errors"
	"time"
)

const (
	// Lifetime is how long a code is good for: enough to fetch the other device,
	// too short to be found later in a screenshot.
	Lifetime = 5 * time.Minute

	// maxSkew is how far the two devices' clocks may differ. Both follow the
	// server's, so a minute is plenty.
	maxSkew = time.Minute

	// Prefix starts the text of every code. No product name: a tenant's members
	// see it.
	Prefix = "DEVICE-LINK:"

	// maxText bounds what is parsed: the text is 240 characters, and one that
	// was copied from a terminal or a mail may have been broken into lines.
	maxText = 512

	// MaxAttempts bounds how often an offer is renewed because the log grew
	// meanwhile: it takes at most seven other devices to get in the way.
	MaxAttempts = 8

	// MaxPayload bounds what is sealed for one slot; with nonce and tag it stays
	// within the 64 KiB of docs/protocol.md section 13.
	MaxPayload = 64<<10 - nonceSize - tagSize

	nonceSize = 12
	tagSize   = 16
)

// Reasons for which a code or a payload is refused; each arrives wrapped by
// messaging.Invalid.
var (
	ErrKind    = errors.New("link: not a device-link code")
	ErrCode    = errors.New("link: damaged device-link code")
	ErrVersion = errors.New("link: device-link code of another version")
	ErrAccount = errors.New("link: code is for another account")
	ErrExpired = errors.New("link: code has expired, or claims to live too long")
	ErrUsed    = errors.New("link: the device is, or was, in the account already")
	ErrStep    = errors.New("link: no such step or attempt")
	ErrPayload = errors.New("link: payload does not open, or is too long")
)
