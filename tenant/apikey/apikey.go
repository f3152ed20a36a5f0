// Package apikey keeps the keys with which a tenant's own software calls the
// API: what each may do, and until when. A key is shown once; the database holds
// its hash, so a revoked key ends with the next request. It knows no route.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrMalformed = errors.New("apikey: not an API key")
	ErrUnknown   = errors.New("apikey: no such key")
	ErrScope     = errors.New("apikey: the key's scopes do not reach this")
	ErrName      = errors.New("apikey: expected a name of 1 to 64 visible characters")
	ErrScopes    = errors.New("apikey: expected one or more known scopes, each once")
	ErrFull      = errors.New("apikey: no room for more keys of this tenant")
)

// Scope is one thing that a key may do.
type Scope string

// The scopes. Write implies nothing: a key that reads as well has both.
const (
	MembersRead   Scope = "members:read"
	MembersWrite  Scope = "members:write"
	InvitesRead   Scope = "invites:read"
	InvitesWrite  Scope = "invites:write"
	Statistics    Scope = "statistics:read"
	WebhooksRead  Scope = "webhooks:read"
	WebhooksWrite Scope = "webhooks:write"
)

// Scopes returns all of them.
func Scopes() []Scope {
	return []Scope{MembersRead, MembersWrite, InvitesRead, InvitesWrite, Statistics, WebhooksRead, WebhooksWrite}
}

const (
	// prefix lets scanners of source code find a key that was committed.
	prefix     = "hostkey_"
	secretSize = 32
	checkSize  = 8 // hexadecimal digits of CRC-32 (IEEE)
	textSize   = len(prefix) + 43 + checkSize

	maxName = 64
	// maxKeys bounds the live keys of a tenant: one for each of its systems and
	// one to rotate each.
	maxKeys = 50

	// kept is how long the row of an ended key stays: a month in which an operator
	// can still tell a host whether a key was used, and when.
	kept = 30 * 24 * time.Hour
)

// Token is the bearer of a key. It prints nothing; Reveal gives the text.
type Token struct{ raw [secretSize]byte }

// Parse reads what Reveal returned. The checksum tells a mistyped key, or a
// scanner's false find, from an unknown one without asking the database.
func Parse(text string) (Token, error) {
	if len(text) != textSize || !strings.HasPrefix(text, prefix) {
		return Token{}, ErrMalformed
	}
	body, check := text[:textSize-checkSize], text[textSize-checkSize:]
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body[len(prefix):])
	if err != nil || checksum(body) != check {
		return Token{}, ErrMalformed
	}
	return Token{[secretSize]byte(raw)}, nil
}

// Reveal returns the text form: "hostkey_", 43 characters, 8 of a checksum.
func (t Token) Reveal() string {
	body := prefix + base64.RawURLEncoding.EncodeToString(t.raw[:])
	return body + checksum(body)
}

// Seal returns a key for what is kept for the bearer only, here: answers to
// repeated requests. The database cannot derive it.
func (t Token) Seal() [sha256.Size]byte {
	return sha256.Sum256(append([]byte("sotto/api-key-seal/v1\x00"), t.raw[:]...))
}

// Format prints nothing of the token.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, "(API key)") }

func (t Token) hash() []byte {
	sum := sha256.Sum256(t.raw[:])
	return sum[:]
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return hex.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// ID names a key to its tenant; it is no secret. Its text form is "key_…".
type ID [id.Size]byte

func (k ID) String() string { return id.Text("key_", k) }

// ParseID accepts only what String prints.
func ParseID(text string) (k ID, err error) {
	err = id.Parse((*[id.Size]byte)(&k), "key_", []byte(text))
	return k, err
}

// Key is a key without its secret.
type Key struct {
	ID      ID
	Name    string
	Scopes  []Scope
	Created time.Time // a day
	Used    time.Time // a day; zero: never
	Expires time.Time // zero: never
}

// May reports whether the key has a scope.
func (k Key) May(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Service answers for the keys of every tenant.
type Service struct{ now func() time.Time }

// New makes the service; now is the server's clock.
func New(now func() time.Time) *Service { return &Service{now} }

// Create makes a key. A zero expires means never.
func (s *Service) Create(ctx context.Context, tx tenant.Tx, name string, scopes []Scope, expires time.Time) (Key, Token, error) {
	if err := errors.Join(checkName(name), checkScopes(scopes)); err != nil {
		return Key{}, Token{}, err
	}
	if n, err := countKeys(ctx, tx, s.now()); err != nil || n >= maxKeys {
		if err == nil {
			err = fmt.Errorf("%w: expected at most %d", ErrFull, maxKeys)
		}
		return Key{}, Token{}, err
	}
	var token Token
	rand.Read(token.raw[:])
	key := Key{ID: id.Random(), Name: name, Scopes: scopes, Created: s.now().UTC().Truncate(24 * time.Hour), Expires: expires}
	if err := insertKey(ctx, tx, key, token.hash()); err != nil {
		return Key{}, Token{}, fmt.Errorf("create API key: %w", err)
	}
	return key, token, nil
}

// Authenticate returns the key of a token. Unknown, expired, revoked and another
// tenant's are ErrUnknown, after the same one look-up.
func (s *Service) Authenticate(ctx context.Context, tx tenant.Tx, token Token) (Key, error) {
	key, err := selectKey(ctx, tx, token.hash(), s.now())
	if errors.Is(err, tenant.ErrNotFound) {
		return Key{}, ErrUnknown
	}
	if err != nil {
		return Key{}, fmt.Errorf("authenticate API key: %w", err)
	}
	if today := s.now().UTC().Truncate(24 * time.Hour); key.Used.Before(today) {
		err = touchKey(ctx, tx, key.ID, today)
	}
	return key, err
}

// List returns the live keys of the tenant.
func (s *Service) List(ctx context.Context, tx tenant.Tx) ([]Key, error) {
	return selectKeys(ctx, tx, s.now())
}

// Revoke ends a key for good; revoking again is ErrUnknown.
func (s *Service) Revoke(ctx context.Context, tx tenant.Tx, key ID) error {
	n, err := revokeKey(ctx, tx, key, s.now())
	if err == nil && n == 0 {
		err = ErrUnknown
	}
	return err
}

// Sweep forgets the keys of a tenant that ended long ago, as the janitor's role.
func (s *Service) Sweep(ctx context.Context, tx tenant.Tx) error {
	if err := deleteKeys(ctx, tx, s.now().Add(-kept)); err != nil {
		return fmt.Errorf("sweep API keys: %w", err)
	}
	return nil
}

func checkName(name string) error {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w, received %d", ErrName, n)
	}
	return nil
}

func checkScopes(scopes []Scope) error {
	seen := map[Scope]bool{}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) || seen[s] {
			return ErrScopes
		}
		seen[s] = true
	}
	if len(seen) == 0 {
		return ErrScopes
	}
	return nil
}
