package devicelog

import (
	"crypto/subtle"
	"encoding/base64"

	"github.com/sottochat/sotto/messaging"
)

// Fingerprint names an account for good: the SHA-256 of entry 0, whose bytes
// hold the kind and version of the text, the tenant, the account and the keys
// of the founding device (docs/protocol.md section 2.5).
type Fingerprint [HashSize]byte

// Fingerprint returns that of the account.
func (l *Log) Fingerprint() Fingerprint { return l.hashes[0] }

// Equal compares in constant time.
func (f Fingerprint) Equal(g Fingerprint) bool { return subtle.ConstantTimeCompare(f[:], g[:]) == 1 }

const (
	// FragmentSize is how many bytes of a fingerprint an invite's fragment holds:
	// 128 bits, against which only a second preimage helps an attacker.
	FragmentSize = 16
	// FragmentLength is the length of its text in characters.
	FragmentLength = 22
)

// Fragment is the part of a fingerprint that stands behind the # of an invite.
type Fragment [FragmentSize]byte

// Fragment returns the first 16 bytes.
func (f Fingerprint) Fragment() Fragment { return Fragment(f[:FragmentSize]) }

// String returns 22 characters of base64url.
func (f Fragment) String() string { return base64.RawURLEncoding.EncodeToString(f[:]) }

// ParseFragment accepts exactly what String prints. A fragment of a later
// version will have another length.
func ParseFragment(s string) (Fragment, error) {
	if len(s) != FragmentLength {
		return Fragment{}, messaging.Invalid(ErrFragment)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != FragmentSize {
		return Fragment{}, messaging.Invalid(ErrFragment)
	}
	return Fragment(b), nil
}

// Match checks, in constant time, that l is the log of the account that the
// fragment names; otherwise ErrMismatch.
func (f Fragment) Match(l *Log) error {
	got := l.Fingerprint().Fragment()
	if subtle.ConstantTimeCompare(f[:], got[:]) != 1 {
		return messaging.Invalid(ErrMismatch)
	}
	return nil
}
