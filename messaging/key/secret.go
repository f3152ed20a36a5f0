package key

import (
	"errors"
	"fmt"
	"io"
)

// errSecret answers every attempt to marshal a private key by reflection.
var errSecret = errors.New("key: a private key has no text form")

// Format prints the role and nothing of the key, for every verb and flag.
func (p *Private[R]) Format(f fmt.State, _ rune) { redact[R](f) }

// MarshalText fails: a private key has no text form.
func (p *Private[R]) MarshalText() ([]byte, error) { return nil, errSecret }

func redact[R role](f fmt.State) {
	var r R
	io.WriteString(f, "("+r.name()+" private key)")
}

// Format prints the role and nothing of the key, for every verb and flag.
func (p *LogPrivate) Format(f fmt.State, _ rune) { io.WriteString(f, "(log private key)") }

// MarshalText fails: a private key has no text form.
func (p *LogPrivate) MarshalText() ([]byte, error) { return nil, errSecret }

// Format prints the role and nothing of the key, for every verb and flag.
func (p *KEMPrivate) Format(f fmt.State, _ rune) { io.WriteString(f, "(KEM private key)") }

// MarshalText fails: a private key has no text form.
func (p *KEMPrivate) MarshalText() ([]byte, error) { return nil, errSecret }
