package content

import (
	"errors"

	"github.com/sottochat/sotto/messaging/client/content/media"
)

// Ceilings. docs/protocol.md sections 4 and 15.
const (
	// MaxContent is the largest Content in bytes. With the padding's first byte it
	// fills the first bucket above a text of MaxText, so that a ciphertext stays
	// small for the mailbox, and every kind at its own ceilings fits, the copy for
	// own devices around it included.
	MaxContent = MaxPadded - 1
	// MaxText is the longest text in bytes (docs/protocol.md section 4).
	MaxText = 16 << 10
	// MaxCaption is the longest caption in bytes: two pages, and beside the
	// largest thumbnail still less than the longest text.
	MaxCaption = 4 << 10
	// MaxThumbnail is the largest thumbnail in bytes (docs/protocol.md section 5).
	MaxThumbnail = 8 << 10
	// MaxFileName is the longest file name in bytes: what file systems take.
	MaxFileName = 255
	// MaxMediaType is the longest media type in bytes; the longest that are in
	// use (those of office documents) have 73, the ones we know by name 17. What
	// does not fit is sent as application/octet-stream.
	MaxMediaType = 64
	// MaxSide is the longest side of a picture in pixels: what JPEG can hold.
	MaxSide = 1<<16 - 1
	// MaxDuration is the longest recording in milliseconds: a day.
	MaxDuration = 24 * 60 * 60 * 1000
	// MaxReaction is the longest reaction in bytes: a family of four with skin
	// tones has 41, the flag of a region 28.
	MaxReaction = 64
	// MaxMessages is how many message ids a receipt or a re-send names: 4.5 KiB.
	MaxMessages = 256
	// MaxName is the longest profile name in bytes: 32 characters of four bytes.
	MaxName = 128
	// MaxPicture is the largest profile picture in bytes: 512 pixels square, well kept.
	MaxPicture = 256 << 10
	// MaxTimer is the longest time to disappear in seconds: a year.
	MaxTimer = 365 * 24 * 60 * 60
	// MaxChats is how many chats one content lists: a ChatTally has up to 64
	// bytes, so that this is 16 KiB. More read marks or chat states go in several
	// contents; the end of a history blob lists all chats.
	MaxChats = 256

	// maxInteger is the largest integer on the wire: 2^53-1, so that a reader in
	// JavaScript loses nothing.
	maxInteger = 1<<53 - 1
	// ratchetKeySize is a Curve25519 public key with its type byte
	// (docs/protocol.md section 10).
	ratchetKeySize = 33
	// ratchetKeyType is that type byte.
	ratchetKeyType = 0x05
)

// Why a content was refused. From Parse they come inside messaging.ErrInvalid.
var (
	ErrMalformed = errors.New("content: malformed")
	ErrCanonical = errors.New("content: not in canonical form")
	ErrTooLarge  = errors.New("content: too large")
	ErrUTF8      = errors.New("content: not UTF-8")
	ErrMissing   = errors.New("content: something is missing")
	ErrRange     = errors.New("content: value out of range")
	ErrScope     = errors.New("content: said in the wrong place")
	ErrTwoBodies = errors.New("content: more than one body")
	ErrClosed    = errors.New("content: unknown field in a closed message")
	ErrRepeated  = errors.New("content: listed twice")
)

// The whole of a file's ceiling is the media package's; a constant expression
// holds it within the integers of the wire.
const _ = uint64(maxInteger - media.MaxSize)
