package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

const (
	// keylessLife is how long a session may wait to become a device.
	keylessLife = 24 * time.Hour
	// deviceLife is how long an unseen device stays signed in; by then its
	// account's other devices have dropped it from the log (docs/protocol.md section 3.6).
	deviceLife = 60 * 24 * time.Hour

	tokenPrefix = "ses_"
	tokenSize   = 32
)

// Token is the bearer of a session. It prints nothing; Reveal gives the text
// that the client keeps.
type Token struct{ raw [tokenSize]byte }

func newToken() (t Token) {
	rand.Read(t.raw[:])
	return t
}

// ParseToken reads what Reveal returned; everything else is ErrSession.
func ParseToken(text string) (Token, error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return Token{}, ErrSession
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return Token{}, ErrSession
	}
	return Token{[tokenSize]byte(raw)}, nil
}

// Reveal returns the text form, "ses_" and 43 characters.
func (t Token) Reveal() string { return tokenPrefix + base64.RawURLEncoding.EncodeToString(t.raw[:]) }

// Format prints nothing of the token.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, "(session token)") }

// MarshalText fails: Reveal is the only way to the text.
func (t Token) MarshalText() ([]byte, error) {
	return nil, errors.New("account: a session token has no text form")
}

func (t Token) hash() [sha256.Size]byte { return sha256.Sum256(t.raw[:]) }

// Who is the holder of a session.
type Who struct {
	Account messaging.AccountID
	Device  messaging.DeviceID // 0: signed in, but no device of the account
	session [sha256.Size]byte
}

// Address returns the device's address, or ErrNotLinked.
func (w Who) Address() (messaging.Address, error) {
	if w.Device == 0 {
		return messaging.Address{}, ErrNotLinked
	}
	return messaging.Address{Account: w.Account, Device: w.Device}, nil
}

// Authenticate returns who holds a token, and moves the session's end forward
// at the first use of a day.
func (s *Service) Authenticate(ctx context.Context, id tenant.ID, token Token) (who Who, err error) {
	who.session = token.hash()
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		seen, err := sessionOf(ctx, tx, &who, s.now())
		if err != nil || !seen.Before(s.today()) {
			return err
		}
		return touchSession(ctx, tx, who, s.today(), s.now().Add(lifeOf(who)))
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return Who{}, ErrSession
	}
	if err != nil {
		return Who{}, fmt.Errorf("authenticate: %w", err)
	}
	return who, nil
}

func lifeOf(who Who) time.Duration {
	if who.Device == 0 {
		return keylessLife
	}
	return deviceLife
}

// SignOut ends one session.
func (s *Service) SignOut(ctx context.Context, id tenant.ID, who Who) error {
	return s.db.In(ctx, id, func(tx tenant.Tx) error { return deleteSession(ctx, tx, who.session) })
}
