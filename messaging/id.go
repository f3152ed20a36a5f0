// Package messaging names what both sides of a conversation speak about:
// tenants, accounts, devices, chats, messages and blobs, and the one class of
// error that input from a stranger gets. It holds no rules, no keys and no
// storage; docs/protocol.md section 1 lays out the packages below it.
package messaging

import (
	"strconv"

	"github.com/sottochat/sotto/tenant/id"
)

// ErrID reports text that is not an identifier of the expected kind.
var ErrID = id.Err

// TenantID is the 16-byte identifier of a tenant; its text form is "tnt_…".
type TenantID [id.Size]byte

// AccountID is the 16-byte identifier of an account within a tenant; its text
// form is "acct_…".
type AccountID [id.Size]byte

// ChatID is the 16-byte identifier of a chat; its text form is "chat_…".
type ChatID [id.Size]byte

// MessageID is the 16-byte identifier that a sender chooses for one send; its
// text form is "msg_…".
type MessageID [id.Size]byte

// BlobID is the 16-byte identifier of a stored media ciphertext; its text form
// is "blob_…".
type BlobID [id.Size]byte

const (
	tenantPrefix  = "tnt_"
	accountPrefix = "acct_"
	chatPrefix    = "chat_"
	messagePrefix = "msg_"
	blobPrefix    = "blob_"
)

// NewTenantID returns a random identifier.
func NewTenantID() TenantID { return id.Random() }

// NewAccountID returns a random identifier.
func NewAccountID() AccountID { return id.Random() }

// NewChatID returns a random identifier.
func NewChatID() ChatID { return id.Random() }

// NewMessageID returns a random identifier.
func NewMessageID() MessageID { return id.Random() }

// NewBlobID returns a random identifier.
func NewBlobID() BlobID { return id.Random() }

func (x TenantID) String() string  { return id.Text(tenantPrefix, x) }
func (x AccountID) String() string { return id.Text(accountPrefix, x) }
func (x ChatID) String() string    { return id.Text(chatPrefix, x) }
func (x MessageID) String() string { return id.Text(messagePrefix, x) }
func (x BlobID) String() string    { return id.Text(blobPrefix, x) }

// MarshalText returns the text form.
func (x TenantID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// MarshalText returns the text form.
func (x AccountID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// MarshalText returns the text form.
func (x ChatID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// MarshalText returns the text form.
func (x MessageID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// MarshalText returns the text form.
func (x BlobID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (x *TenantID) UnmarshalText(b []byte) error {
	return id.Parse((*[id.Size]byte)(x), tenantPrefix, b)
}

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (x *AccountID) UnmarshalText(b []byte) error {
	return id.Parse((*[id.Size]byte)(x), accountPrefix, b)
}

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (x *ChatID) UnmarshalText(b []byte) error { return id.Parse((*[id.Size]byte)(x), chatPrefix, b) }

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (x *MessageID) UnmarshalText(b []byte) error {
	return id.Parse((*[id.Size]byte)(x), messagePrefix, b)
}

// UnmarshalText accepts only what MarshalText prints; otherwise ErrID.
func (x *BlobID) UnmarshalText(b []byte) error { return id.Parse((*[id.Size]byte)(x), blobPrefix, b) }

// DeviceID numbers a device within its account: 1 to MaxDeviceID. Zero is no
// device.
type DeviceID uint8

const (
	// MaxDeviceID is the highest device number (docs/protocol.md section 3).
	MaxDeviceID DeviceID = 127
	// MaxDevices is how many devices an account may have at once (docs/protocol.md section 3).
	MaxDevices = 8
)

// Valid reports whether d lies in 1..MaxDeviceID.
func (d DeviceID) Valid() bool { return d >= 1 && d <= MaxDeviceID }

// Address names one device of one account.
type Address struct {
	Account AccountID
	Device  DeviceID
}

func (a Address) String() string {
	return a.Account.String() + "." + strconv.Itoa(int(a.Device))
}
