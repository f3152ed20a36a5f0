package key

import (
	"errors"
	"fmt"
	"io"
)

// hide puts a secret where reflection cannot follow. A Format method alone does
// not hold it back: for a value behind an unexported field fmt calls no method
// and walks the fields; it stops at a pointer, but not for a verb that does not
// suit pointers, such as %s. A function it prints as an address, always. It also
// keeps the type from being compared with ==.
func hide[T any](secret *T) func() *T { return func() *T { return secret } }

// errSecret answers every attempt to marshal a private key by reflection.
var errSecret = errors.New("key: a private key has no text form")

// Format prints the role and nothing of the key, for every verb and flag.
func (Private[R]) Format(f fmt.State, _ rune) { redact[R](f) }

// MarshalText fails: a private key has no text form.
func (Private[R]) MarshalText() ([]byte, error) { return nil, errSecret }

func redact[R role](f fmt.State) {
	var r R
	io.WriteString(f, "("+r.name()+" private key)")
}

// Format prints the role and nothing of the key, for every verb and flag.
func (LogPrivate) Format(f fmt.State, _ rune) { io.WriteString(f, "(log private key)") }

// MarshalText fails: a private key has no text form.
func (LogPrivate) MarshalText() ([]byte, error) { return nil, errSecret }

// Format prints the role and nothing of the key, for every verb and flag.
func (KEMPrivate) Format(f fmt.State, _ rune) { io.WriteString(f, "(KEM private key)") }

// MarshalText fails: a private key has no text form.
func (KEMPrivate) MarshalText() ([]byte, error) { return nil, errSecret }
