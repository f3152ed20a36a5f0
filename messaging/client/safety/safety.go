// Package safety computes the safety number of a chat: the digits and the QR
// form with which two members make sure that nobody stands between them. It is
// Signal's numeric fingerprint, version 2, over the identity keys of both
// accounts' founding devices with the 16-byte account ids as stable identifiers
// (docs/protocol.md section 8.4), and agrees with Signal's library byte for byte.
//
// It does not remember who was verified, and knows nothing of invites, whose
// fragment is another commitment to the same founding (package devicelog).
package safety

import (
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	version = 2

	// iterations is Signal's: it makes a search for a key with the same digits
	// 5200 times as dear.
	iterations = 5200

	// halfSize is how much of a fingerprint the QR form holds, in bytes.
	halfSize = 32

	// Digits is the length of a safety number; Groups and GroupDigits its layout.
	Digits      = Groups * GroupDigits
	Groups      = 12
	GroupDigits = 5
)

// Reasons for which a scanned safety number is refused; each arrives wrapped by
// messaging.Invalid.
var (
	ErrKind     = errors.New("safety: not a safety number's QR code")
	ErrVersion  = errors.New("safety: safety number of another version")
	ErrMismatch = errors.New("safety: safety numbers differ")
)

// Party is one side of a chat.
type Party struct {
	Account messaging.AccountID
	// Identity is the identity key of entry 0 of the account's device log.
	Identity key.IdentityPublic
}

// Number is the safety number as the local party sees it. Both sides' digits
// are the same; their QR forms mirror each other.
type Number struct {
	version       byte
	local, remote [sha512.Size]byte
}

// New computes the number: 10,400 hashes, a few milliseconds.
func New(local, remote Party) Number {
	return compute(version, iterations, side{local.Account[:], local.Identity}, side{remote.Account[:], remote.Identity})
}

// side is a Party with an identifier of any length, as Signal's vectors have.
type side struct {
	stableID []byte
	identity key.IdentityPublic
}

func compute(version byte, iterations int, local, remote side) Number {
	return Number{version, local.fingerprint(iterations), remote.fingerprint(iterations)}
}

// fingerprint is H of docs/protocol.md section 8.4. The two leading zeros are
// the version of the hash, which never changed.
func (s side) fingerprint(iterations int) (sum [sha512.Size]byte) {
	public := s.identity.Bytes()
	h := sha512.New()
	h.Write([]byte{0, 0})
	h.Write(public)
	h.Write(s.stableID)
	h.Write(public)
	h.Sum(sum[:0])
	for range iterations - 1 {
		h.Reset()
		h.Write(sum[:])
		h.Write(public)
		h.Sum(sum[:0])
	}
	return sum
}

// String returns the 60 digits: the two halves, the smaller first, so that both
// sides read the same.
func (n Number) String() string {
	a, b := half(n.local), half(n.remote)
	if b < a {
		a, b = b, a
	}
	return a + b
}

// Groups returns the digits in twelve groups of five, for three lines of four.
func (n Number) Groups() (groups [Groups]string) {
	s := n.String()
	for i := range groups {
		groups[i] = s[i*GroupDigits : (i+1)*GroupDigits]
	}
	return groups
}

// half turns the first six 5-byte groups into five digits each.
func half(sum [sha512.Size]byte) string {
	var out strings.Builder
	for i := range Groups / 2 {
		var v uint64
		for _, b := range sum[5*i : 5*i+5] {
			v = v<<8 | uint64(b)
		}
		v %= 100_000
		var group [GroupDigits]byte
		for j := len(group) - 1; j >= 0; j-- {
			group[j] = '0' + byte(v%10)
			v /= 10
		}
		out.Write(group[:])
	}
	return out.String()
}

// Compare checks the raw bytes that the peer's screen shows: nil when they
// mirror ours, ErrMismatch when somebody stands between, ErrVersion or ErrKind
// when they cannot be compared.
func (n Number) Compare(scanned []byte) error {
	theirs, err := parseScannable(scanned)
	if err != nil {
		return messaging.Invalid(err)
	}
	if theirs.version != n.version {
		return messaging.Invalid(ErrVersion)
	}
	same := subtle.ConstantTimeCompare(theirs.local[:], n.remote[:halfSize]) &
		subtle.ConstantTimeCompare(theirs.remote[:], n.local[:halfSize])
	if same != 1 {
		return messaging.Invalid(ErrMismatch)
	}
	return nil
}
