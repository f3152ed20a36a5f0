// Package tenant opens transactions that PostgreSQL itself confines to one
// tenant: row-level security, a role that owns nothing and cannot bypass it, and
// a setting that lives exactly as long as the transaction. It knows no table and
// no rule of the product; docs/architecture.md says who may use it.
package tenant

import (
	"encoding/hex"

	"github.com/sottochat/sotto/tenant/id"
)

// ID is the 16-byte identifier of a tenant; its text form is "tnt_…" and its
// form in PostgreSQL is uuid.
type ID [id.Size]byte

const prefix = "tnt_"

// NewID returns a random identifier.
func NewID() ID { return id.Random() }

// ParseID accepts only what String prints.
func ParseID(text string) (t ID, err error) {
	err = t.UnmarshalText([]byte(text))
	return t, err
}

func (t ID) String() string { return id.Text(prefix, t) }

// IsZero reports whether t was never set.
func (t ID) IsZero() bool { return t == ID{} }

// MarshalText returns the text form.
func (t ID) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts only what MarshalText prints.
func (t *ID) UnmarshalText(b []byte) error { return id.Parse((*[id.Size]byte)(t), prefix, b) }

// uuid is the form that current_setting carries; PostgreSQL reads a uuid with or
// without hyphens.
func (t ID) uuid() string { return hex.EncodeToString(t[:]) }
