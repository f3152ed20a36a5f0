package devicelog

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	// recoverySize is 136 random bits: above the 128 that the protocol promises
	// anywhere, and with the check a multiple of five bits. At that strength
	// stretching (Argon2id) would add nothing that an attacker feels, and would
	// cost a phone's browser tens of megabytes.
	recoverySize = 17
	// checkSize is 24 bits, so that a slip of the pen is told from a wrong code.
	checkSize = 3
	// recoveryGroup is how many characters are written together.
	recoveryGroup = 4
	// maxRecoveryText bounds what is parsed: 32 characters with a few separators each.
	maxRecoveryText = 128

	recoveryCheck = "sotto/recovery-code/check/v1"
	recoveryInfo  = "sotto/recovery-code/log-key/v1"
)

// recoveryEncoding is base32 without I, L, O and U, which are misread or
// make words.
var recoveryEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// RecoveryCode is the secret that a member writes down when the account is
// founded and that may add a device when all are lost. It prints nothing and
// cannot be compared with ==.
type RecoveryCode struct {
	secret func() *[recoverySize]byte // a function, which fmt and reflection cannot look into
}

// NewRecoveryCode draws 17 bytes from rand.
func NewRecoveryCode(rand io.Reader) (*RecoveryCode, error) {
	secret := new([recoverySize]byte)
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return nil, fmt.Errorf("generate a recovery code: %w", err)
	}
	return newRecoveryCode(secret), nil
}

func newRecoveryCode(secret *[recoverySize]byte) *RecoveryCode {
	return &RecoveryCode{func() *[recoverySize]byte { return secret }}
}

// Reveal returns the code for the member's eyes: eight groups of four
// characters with hyphens between.
func (c *RecoveryCode) Reveal() string {
	secret := c.secret()
	check := recoverySum(secret)
	raw := recoveryEncoding.EncodeToString(append(secret[:recoverySize:recoverySize], check[:]...))
	var out strings.Builder
	for i := 0; i < len(raw); i += recoveryGroup {
		if i > 0 {
			out.WriteByte('-')
		}
		out.WriteString(raw[i : i+recoveryGroup])
	}
	return out.String()
}

// ParseRecoveryCode reads a code as people type it: either case, with spaces and
// hyphens anywhere, I and L for 1, O for 0. Anything else is ErrCode.
func ParseRecoveryCode(text string) (*RecoveryCode, error) {
	if len(text) > maxRecoveryText {
		return nil, messaging.Invalid(ErrCode)
	}
	written := strings.Map(readable, text)
	raw, err := recoveryEncoding.DecodeString(written)
	// The decoder overlooks a single character too many.
	if err != nil || len(raw) != recoverySize+checkSize || recoveryEncoding.EncodedLen(len(raw)) != len(written) {
		return nil, messaging.Invalid(ErrCode)
	}
	secret := (*[recoverySize]byte)(raw)
	check := recoverySum(secret)
	if subtle.ConstantTimeCompare(check[:], raw[recoverySize:]) != 1 {
		return nil, messaging.Invalid(ErrCode)
	}
	return newRecoveryCode(secret), nil
}

// readable drops separators and maps what people confuse. What stays foreign
// becomes a character that no code has; base32 would skip a line break.
func readable(r rune) rune {
	switch {
	case r == ' ' || r == '-' || r == '\t' || r == '\r' || r == '\n':
		return -1
	case r >= 'a' && r <= 'z':
		r -= 'a' - 'A'
	}
	switch r {
	case 'I', 'L':
		return '1'
	case 'O':
		return '0'
	}
	return r
}

func recoverySum(secret *[recoverySize]byte) [checkSize]byte {
	h := sha256.New()
	io.WriteString(h, recoveryCheck)
	h.Write(secret[:])
	return [checkSize]byte(h.Sum(nil))
}

// key derives the account's recovery key: HKDF-SHA-256 with the tenant and the
// account as salt, so that one code written down for two accounts gives two keys.
func (c *RecoveryCode) key(tenant messaging.TenantID, account messaging.AccountID) (*key.LogPrivate, error) {
	salt := append(tenant[:], account[:]...)
	seed, err := hkdf.Key(sha256.New, c.secret()[:], salt, recoveryInfo, key.LogSeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the recovery key: %w", err)
	}
	defer clear(seed)
	return key.NewLog(seed)
}

var errSecret = errors.New("devicelog: a recovery code has no text form but Reveal")

// Format prints nothing of the code, for every verb and flag.
func (RecoveryCode) Format(f fmt.State, _ rune) { io.WriteString(f, "(recovery code)") }

// MarshalText fails: the only way to the text is Reveal.
func (RecoveryCode) MarshalText() ([]byte, error) { return nil, errSecret }
