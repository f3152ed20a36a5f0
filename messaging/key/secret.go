package key

import (
	"errors"
	"fmt"
	"io"
)

// What a private type does not hold back itself, fmt must not find: inside a
// value with unexported fields it calls no method and walks the fields by
// reflection, but stops at a pointer. So every private type keeps its bytes
// behind one, and its methods stand on the value, where both forms have them.

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
