package key

import (
	"encoding/base64"
	"strings"

	"github.com/sottochat/sotto/messaging"
)

// String returns the text form: the role, a colon, and the 33 bytes in
// base64url without padding.
func (p Public[R]) String() string { return publicText[R](p.Bytes()) }

// MarshalText returns the text form.
func (p Public[R]) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts only what MarshalText prints for the same role.
func (p *Public[R]) UnmarshalText(b []byte) error {
	var r R
	if len(b) > 64 {
		return messaging.Invalid(ErrText)
	}
	rest, ok := strings.CutPrefix(string(b), r.name()+":")
	if !ok {
		return messaging.Invalid(ErrText)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || publicText[R](raw) != string(b) {
		return messaging.Invalid(ErrText)
	}
	parsed, err := ParsePublic[R](raw)
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

func publicText[R role](raw []byte) string {
	var r R
	return r.name() + ":" + base64.RawURLEncoding.EncodeToString(raw)
}
