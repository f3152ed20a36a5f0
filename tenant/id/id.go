// Package id is the text form of 16-byte identifiers: a prefix that names the
// kind, then 26 characters. It knows no kind itself; each package that owns one
// gives its prefix. Identifiers are random, so they tell nobody how many of a
// kind there are.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// Size is the length in bytes of an identifier.
const Size = 16

// Err reports text that is not an identifier of the expected kind.
var Err = errors.New("not an identifier of this kind")

// encoding is base32 with the extended hex alphabet in lower case: 26
// characters for 16 bytes, safe in paths, file names and URLs.
var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Random returns 16 random bytes.
func Random() (id [Size]byte) {
	rand.Read(id[:])
	return id
}

// Text returns the text form.
func Text(prefix string, id [Size]byte) string {
	return prefix + encoding.EncodeToString(id[:])
}

// Parse decodes text into dst and accepts only what Text prints. It leaves dst
// alone on error. The error says what kind was expected and how long the text
// was, never the text itself: an identifier may stand next to a secret.
func Parse(dst *[Size]byte, prefix string, text []byte) error {
	want := len(prefix) + encoding.EncodedLen(Size)
	if len(text) != want || !strings.HasPrefix(string(text), prefix) {
		return fmt.Errorf("%w: expected %q and %d characters, received %d characters",
			Err, prefix, want-len(prefix), len(text))
	}
	rest := text[len(prefix):]
	var id [Size]byte
	if _, err := encoding.Decode(id[:], rest); err != nil || encoding.EncodeToString(id[:]) != string(rest) {
		return fmt.Errorf("%w: expected 26 characters 0-9 and a-v in canonical form after %q", Err, prefix)
	}
	*dst = id
	return nil
}
