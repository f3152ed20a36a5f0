// Package sso lets a tenant's members in by the tenant's own accounts: by
// hand-off, where the host signs a short-lived JWT (RFC 7519, RFC 8725), or by
// OpenID Connect Core 1.0 with PKCE (RFC 7636). Both end in the subject that the
// host asserts, given once to whoever began the visit. It makes no account and
// no session, and the subject is all that it learns.
//
// A visit has three secrets in three places. Its nonce is public and goes to
// the host. Its secret stays with whoever began it. Its ticket goes to the
// browser that brought the host's word. Nobody is signed in by two of them: who
// lures a member through a visit of his own making lacks the ticket, and who
// plants his own ticket on a member lacks the secret. For a terminal, which gets
// no ticket, the member types the terminal's code into that browser (RFC 8628).
package sso

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/secret"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrNoSetting = errors.New("sso: the tenant has no such setting")
	ErrSetting   = errors.New("sso: not a usable setting")
	ErrKey       = errors.New("sso: not a usable key")
	ErrKeysFull  = errors.New("sso: a setting has at most two keys")
	ErrUntested  = errors.New("sso: no login has gone through with this setting yet")
	ErrRefused   = errors.New("sso: the host's word is not accepted")
	ErrVisit     = errors.New("sso: no such visit, or it is over")
	ErrPending   = errors.New("sso: the visit is not completed yet")
	ErrCode      = errors.New("sso: not the code that the terminal shows")
)

// Config is what the service needs; every field must be set.
type Config struct {
	DB      *tenant.DB
	Secrets *secret.Store
	Egress  *egress.Client
	Now     func() time.Time
}

// Service signs in the members of every tenant.
type Service struct {
	db      *tenant.DB
	secrets *secret.Store
	out     *egress.Client
	now     func() time.Time
}

// New makes the service.
func New(cfg Config) *Service {
	return &Service{cfg.DB, cfg.Secrets, cfg.Egress, cfg.Now}
}

// SettingID names a setting; its text form is "sso_…".
type SettingID [id.Size]byte

const settingPrefix = "sso_"

func (s SettingID) String() string { return id.Text(settingPrefix, s) }

// MarshalText returns the text form.
func (s SettingID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts only what MarshalText prints.
func (s *SettingID) UnmarshalText(b []byte) error {
	return id.Parse((*[id.Size]byte)(s), settingPrefix, b)
}

const secretSize = 32

// Secret is one of the two that a visit hands out. It prints nothing.
type Secret struct{ raw [secretSize]byte }

func newSecret() (s Secret) {
	rand.Read(s.raw[:])
	return s
}

// ParseSecret reads what Reveal returned; everything else is ErrVisit.
func ParseSecret(text string) (Secret, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != secretSize {
		return Secret{}, ErrVisit
	}
	return Secret{[secretSize]byte(raw)}, nil
}

// Reveal returns the text form, 43 characters.
func (s Secret) Reveal() string { return base64.RawURLEncoding.EncodeToString(s.raw[:]) }

// Format prints nothing of the secret.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "(visit secret)") }

// MarshalText fails: Reveal is the only way to the text.
func (s Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("sso: a visit's secret has no text form")
}

func (s Secret) hash() []byte {
	sum := sha256.Sum256(s.raw[:])
	return sum[:]
}

// tenantSecret names the key under which all below is derived.
const tenantSecret = "sso"

// derive gives 32 bytes for a purpose and a value, under a key of the tenant:
// what the database holds of visits and tokens tells its thief nothing.
func (s *Service) derive(ctx context.Context, tx tenant.Tx, purpose string, value []byte) ([]byte, error) {
	key, err := s.secrets.Ensure(ctx, tx, tenantSecret, secretSize)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "sotto/sso/%s/v1\x00", purpose)
	mac.Write(value)
	return mac.Sum(nil), nil
}

// Sweep deletes visits and used tokens that are over, as the janitor's role.
func (s *Service) Sweep(ctx context.Context, tx tenant.Tx) error {
	return deleteExpired(ctx, tx, s.now())
}
