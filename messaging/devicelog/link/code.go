package link

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
)

// The layout of a code (docs/protocol.md section 6.2). Every field is there and
// has one length, so a code has one form.
const (
	version = 1

	tenantAt   = 1
	accountAt  = tenantAt + 16
	regAt      = accountAt + 16
	identityAt = regAt + 2
	logKeyAt   = identityAt + key.PublicSize
	secretAt   = logKeyAt + key.LogPublicSize
	expiryAt   = secretAt + secretSize
	bodySize   = expiryAt + expirySize

	secretSize = 32
	expirySize = 6 // milliseconds since 1970, until the year 10889
	checkSize  = 4 // tells a damaged text from a code that nobody answers

	checkDomain = "sotto/link/check/v1"
)

// textEncoding is base32 (RFC 4648) without padding: upper case, which a QR code
// packs into 5.5 bits a character.
var textEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Code is what a new device asks with. Whoever holds its text can answer the
// device, so it prints nothing but by Text, and cannot be compared with ==.
type Code struct {
	Tenant   messaging.TenantID
	Account  messaging.AccountID
	Newcomer devicelog.Newcomer
	Expiry   time.Time

	secret func() *[secretSize]byte // a function, which fmt and reflection cannot look into
}

// New draws the 32 bytes of the secret from rand. The code expires Lifetime
// after now, which is the server's time.
func New(rand io.Reader, tenant messaging.TenantID, account messaging.AccountID, n devicelog.Newcomer, now time.Time) (*Code, error) {
	var secret [secretSize]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return nil, fmt.Errorf("generate a link code: %w", err)
	}
	c := &Code{
		Tenant: tenant, Account: account, Newcomer: n,
		Expiry: now.Add(Lifetime).Truncate(time.Millisecond),
		secret: func() *[secretSize]byte { return &secret },
	}
	// Only a code that the other side takes is shown.
	if _, err := Parse(c.Text()); err != nil {
		return nil, err
	}
	return c, nil
}

// Text returns the code for a QR symbol or the clipboard: 240 characters.
func (c *Code) Text() string {
	body := c.body()
	check := checkOf(body)
	return Prefix + textEncoding.EncodeToString(append(body, check[:]...))
}

// Is reports whether a scanner that expects something else has a device-link
// code before it.
func Is(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), Prefix) }

// Parse accepts what Text prints, with white space anywhere.
func Parse(text string) (*Code, error) {
	if len(text) > maxText {
		return nil, messaging.Invalid(ErrKind)
	}
	text = strings.Join(strings.Fields(text), "")
	encoded, ok := strings.CutPrefix(text, Prefix)
	if !ok {
		return nil, messaging.Invalid(ErrKind)
	}
	raw, err := textEncoding.DecodeString(encoded)
	if err != nil || len(raw) != bodySize+checkSize || textEncoding.EncodeToString(raw) != encoded {
		return nil, messaging.Invalid(ErrCode)
	}
	body := raw[:bodySize]
	if checkOf(body) != [checkSize]byte(raw[bodySize:]) {
		return nil, messaging.Invalid(ErrCode)
	}
	return parseBody(body)
}

func (c *Code) body() []byte {
	b := make([]byte, bodySize, bodySize+checkSize)
	b[0] = version
	copy(b[tenantAt:], c.Tenant[:])
	copy(b[accountAt:], c.Account[:])
	binary.BigEndian.PutUint16(b[regAt:], uint16(c.Newcomer.RegistrationID))
	copy(b[identityAt:], c.Newcomer.Identity.Bytes())
	copy(b[logKeyAt:], c.Newcomer.LogKey[:])
	copy(b[secretAt:], c.secret()[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(c.Expiry.UnixMilli()))
	copy(b[expiryAt:], ms[len(ms)-expirySize:])
	return b
}

func parseBody(b []byte) (*Code, error) {
	if b[0] != version {
		return nil, messaging.Invalid(ErrVersion)
	}
	identity, err := key.ParsePublic[key.RoleIdentity](b[identityAt:logKeyAt])
	if err != nil {
		return nil, err
	}
	secret := [secretSize]byte(b[secretAt:])
	ms := binary.BigEndian.Uint64(append([]byte{0, 0}, b[expiryAt:bodySize]...))
	c := &Code{
		Tenant:  messaging.TenantID(b[tenantAt:accountAt]),
		Account: messaging.AccountID(b[accountAt:regAt]),
		Newcomer: devicelog.Newcomer{
			RegistrationID: uint32(binary.BigEndian.Uint16(b[regAt:])),
			Identity:       identity,
			LogKey:         key.LogPublic(b[logKeyAt:secretAt]),
		},
		Expiry: time.UnixMilli(int64(ms)).UTC(),
		secret: func() *[secretSize]byte { return &secret },
	}
	if err := c.checkNewcomer(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Code) checkNewcomer() error {
	n := c.Newcomer
	if n.RegistrationID == 0 || n.RegistrationID > key.MaxRegistrationID {
		return messaging.Invalid(key.ErrRegistration)
	}
	if err := key.CheckIdentity(n.Identity); err != nil {
		return err
	}
	return key.CheckLog(n.LogKey)
}

func checkOf(body []byte) [checkSize]byte {
	h := sha256.New()
	io.WriteString(h, checkDomain)
	h.Write(body)
	return [checkSize]byte(h.Sum(nil))
}

// Check is for the device that scanned the code, before it offers anything: the
// code is for this account, has not expired, and its device was never listed,
// which refuses a device's own code and one that was used before.
func (c *Code) Check(l *devicelog.Log, now time.Time) error {
	switch {
	case c.Tenant != l.Tenant() || c.Account != l.Account():
		return messaging.Invalid(ErrAccount)
	case !now.Before(c.Expiry) || c.Expiry.After(now.Add(Lifetime+maxSkew)):
		return messaging.Invalid(ErrExpired)
	case l.Knows(c.Newcomer):
		return messaging.Invalid(ErrUsed)
	}
	return nil
}

var errSecret = errors.New("link: a code has no text form but Text")

// Format prints nothing of the code, for every verb and flag.
func (Code) Format(f fmt.State, _ rune) { io.WriteString(f, "(device-link code)") }

// MarshalText fails: the only way to the text is Text.
func (Code) MarshalText() ([]byte, error) { return nil, errSecret }
