// Package messaging names what both sides of a conversation speak about:
// tenants, accounts, devices, chats, messages and blobs, and the one class of
// error that input from a stranger gets. It holds no rules, no keys and no
// storage; docs/protocol.md section 1 lays out the packages below it.
package messaging

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// idSize is the length in bytes of every identifier but DeviceID.
const idSize = 16

// ErrID reports text that is not an identifier of the expected kind.
var ErrID = errors.New("messaging: not an identifier of this kind")

// encoding is base32 with the extended hex alphabet in lower case: 26
// characters for 16 bytes, safe in paths, file names and URLs.
var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// TenantID is the 16-byte identifier of a tenant; its text form is "tnt_…".
type TenantID [idSize]byte

// AccountID is the 16-byte identifier of an account within a tenant; its text
// form is "acct_…".
type AccountID [idSize]byte

// ChatID is the 16-byte identifier of a chat; its text form is "chat_…".
type ChatID [idSize]byte

// MessageID is the 16-byte identifier that a sender chooses for one send; its
// text form is "msg_…".
type MessageID [idSize]byte

// BlobID is the 16-byte identifier of a stored media ciphertext; its text form
// is "blob_…".
type BlobID [idSize]byte

const (
	tenantPrefix  = "tnt_"
	accountPrefix = "acct_"
	chatPrefix    = "chat_"
	messagePrefix = "msg_"
	blobPrefix    = "blob_"
)

// NewTenantID returns a random identifier.
func NewTenantID() TenantID { return random() }

// NewAccountID returns a random identifier.
func NewAccountID() AccountID { return random() }

// NewChatID returns a random identifier.
func NewChatID() ChatID { return random() }

// NewMessageID returns a random identifier.
func NewMessageID() MessageID { return random() }

// NewBlobID returns a random identifier.
func NewBlobID() BlobID { return random() }

func random() (id [idSize]byte) {
	rand.Read(id[:])
	return id
}

func (id TenantID) String() string  { return text(tenantPrefix, id) }
func (id AccountID) String() string { return text(accountPrefix, id) }
func (id ChatID) String() string    { return text(chatPrefix, id) }
func (id MessageID) String() string { return text(messagePrefix, id) }
func (id BlobID) String() string    { return text(blobPrefix, id) }

// MarshalText returns the text form.
func (id TenantID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id AccountID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id ChatID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id MessageID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText returns the text form.
func (id BlobID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (id *TenantID) UnmarshalText(b []byte) error { return parse((*[idSize]byte)(id), tenantPrefix, b) }

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (id *AccountID) UnmarshalText(b []byte) error {
	return parse((*[idSize]byte)(id), accountPrefix, b)
}

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (id *ChatID) UnmarshalText(b []byte) error { return parse((*[idSize]byte)(id), chatPrefix, b) }

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (id *MessageID) UnmarshalText(b []byte) error {
	return parse((*[idSize]byte)(id), messagePrefix, b)
}

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (id *BlobID) UnmarshalText(b []byte) error { return parse((*[idSize]byte)(id), blobPrefix, b) }

func text(prefix string, id [idSize]byte) string {
	return prefix + encoding.EncodeToString(id[:])
}

// parse decodes text into dst. It leaves dst alone on error. The error says
// what kind was expected and how long the text was, never the text itself: an
// identifier may stand next to a secret.
func parse(dst *[idSize]byte, prefix string, b []byte) error {
	want := len(prefix) + encoding.EncodedLen(idSize)
	rest, ok := strings.CutPrefix(string(b[:min(len(b), want+1)]), prefix)
	if !ok || len(b) != want {
		return fmt.Errorf("%w: expected %q and %d characters, received %d characters",
			ErrID, prefix, want-len(prefix), len(b))
	}
	var id [idSize]byte
	if _, err := encoding.Decode(id[:], []byte(rest)); err != nil || encoding.EncodeToString(id[:]) != rest {
		return fmt.Errorf("%w: expected 26 characters 0-9a-v in canonical form after %q", ErrID, prefix)
	}
	*dst = id
	return nil
}

// DeviceID numbers a device within its account: 1 to MaxDeviceID. Zero is no
// device.
type DeviceID uint8

const (
	// MaxDeviceID is the highest device number (docs/protocol.md section 3).
	MaxDeviceID DeviceID = 127
	// MaxDevices is how many devices an account may have at once (docs/protocol.md section 3).
	MaxDevices = 8
)

// Valid reports whether id lies in 1..MaxDeviceID.
func (id DeviceID) Valid() bool { return id >= 1 && id <= MaxDeviceID }

// Address names one device of one account.
type Address struct {
	Account AccountID
	Device  DeviceID
}

func (a Address) String() string { return fmt.Sprintf("%s.%d", a.Account, a.Device) }
