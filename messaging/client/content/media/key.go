package media

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length in bytes of a Key: AES-256.
const KeySize = 32

// ErrKey reports bytes that are not a media key.
var ErrKey = errors.New("media: a key is 32 bytes, not all zero")

// Key encrypts one file and nothing else, ever: the nonces of a file are
// counters that start at zero (see Nonce). It prints as nothing and cannot be
// compared. The zero Key is no key; functions that take a Key refuse it.
type Key struct {
	_ [0]func()
	// b is behind two pointers so that fmt prints an address, not the key, even
	// where a Key sits in an unexported field and Format cannot be called: for a
	// verb that it does not like, fmt follows one.
	b **[KeySize]byte
}

// NewKey returns a random key.
func NewKey() Key {
	b := new([KeySize]byte)
	rand.Read(b[:])
	return Key{b: &b}
}

// ParseKey copies a key from its 32 bytes; otherwise ErrKey.
func ParseKey(b []byte) (Key, error) {
	if len(b) != KeySize || [KeySize]byte(b) == ([KeySize]byte{}) {
		return Key{}, ErrKey
	}
	own := new([KeySize]byte)
	copy(own[:], b)
	return Key{b: &own}, nil
}

// AppendTo appends the 32 secret bytes: for the reference inside an envelope
// and for the vault only. It appends nothing for the zero Key.
func (k Key) AppendTo(dst []byte) []byte {
	if k.b == nil {
		return dst
	}
	return append(dst, (*k.b)[:]...)
}

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k.b == nil }

// Format prints the same word under every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "media.Key") }
