package sso

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
)

const (
	// visitLife is long enough to type a password and a second factor.
	visitLife = 10 * time.Minute
	nonceSize = 16
	// codeAlphabet has no vowels, so that no code is a word, and no two that look
	// alike (RFC 8628 section 6.1). Eight of 20 are 34 bits, of which maxCodeTries
	// leave nothing to guess.
	codeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	codeLength   = 8
	maxCodeTries = 5
)

// BeginRequest says who comes.
type BeginRequest struct {
	// Return is where the browser goes afterwards; SafeReturn judges it.
	Return string
	// Origin is that of the chat host, such as https://chat.example.com: an
	// identity provider sends the browser back to Origin + AnswerPath.
	Origin string
	// Terminal asks for a code that the member types into the browser.
	Terminal bool
	// Test tries the draft; it signs nobody in.
	Test bool
}

// Visit is a login that has begun. It is over ten minutes later.
type Visit struct {
	Nonce    string // public
	Secret   Secret // stays with whoever began it
	LoginURL string // where the browser goes
	Code     string // for a terminal: "BCDF-GHJK"
}

// Identity is what a finished visit gives, once.
type Identity struct {
	Subject string // what the host calls the member; for account.SignIn alone
	Return  string // a path of the same origin
}

// Format prints nothing of the member.
func (Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(identity)") }

// Begin opens a visit under the live setting, or the draft for a test.
func (s *Service) Begin(ctx context.Context, tid tenant.ID, req BeginRequest) (v Visit, err error) {
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	v = Visit{Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]), Secret: newSecret()}
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		set, err := selectSetting(ctx, tx, stage(!req.Test))
		if err != nil {
			return err
		}
		row := visitRow{id: id.Random(), setting: set.ID, term: req.Terminal}
		if err := insertVisit(ctx, tx, row, nonce, v.Secret, SafeReturn(req.Return), s.now().Add(visitLife)); err != nil {
			return err
		}
		if req.Terminal {
			if v.Code, err = s.code(ctx, tx, row.id); err != nil {
				return err
			}
		}
		v.LoginURL, err = s.loginURL(ctx, tx, set, row.id, v.Nonce, req.Origin)
		return err
	})
	if err != nil {
		return Visit{}, fmt.Errorf("begin visit: %w", err)
	}
	return v, nil
}

func (s *Service) loginURL(ctx context.Context, tx tenant.Tx, set Setting, visit [16]byte, nonce, origin string) (string, error) {
	if set.Way == ByOIDC {
		return s.authURL(ctx, tx, set, visit, nonce, origin)
	}
	u, err := url.Parse(set.LoginURL)
	if err != nil {
		return "", ErrSetting
	}
	query := u.Query()
	query.Set("nonce", nonce)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Redeem gives a browser's finished visit to whoever holds both its secret and
// its ticket, once. Everything else is ErrVisit.
func (s *Service) Redeem(ctx context.Context, tid tenant.ID, secret, ticket Secret) (who Identity, err error) {
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		visit, sealed, back, err := takeVisit(ctx, tx, secret, ticket, s.now())
		if err != nil {
			return err
		}
		who.Return = back
		who.Subject, err = s.openSubject(ctx, tx, visit, sealed)
		return err
	})
	if err != nil {
		return Identity{}, fmt.Errorf("redeem visit: %w", err)
	}
	return who, nil
}

// Poll gives a terminal's finished visit to the holder of its secret, once; it
// is ErrPending until the member has typed the code.
func (s *Service) Poll(ctx context.Context, tid tenant.ID, secret Secret) (who Identity, err error) {
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		if open, err := waits(ctx, tx, secret, s.now()); err != nil || open {
			return orPending(err)
		}
		visit, sealed, back, err := takeTerminal(ctx, tx, secret, s.now())
		if err != nil {
			return err
		}
		who.Return = back
		who.Subject, err = s.openSubject(ctx, tx, visit, sealed)
		return err
	})
	if err != nil {
		return Identity{}, fmt.Errorf("poll visit: %w", err)
	}
	return who, nil
}

func orPending(err error) error {
	if err == nil {
		return ErrPending
	}
	return err
}

// Approve lets a terminal's visit finish: the browser that proved the member
// (ticket) repeats the code that the terminal shows. After five wrong codes the
// visit is over.
func (s *Service) Approve(ctx context.Context, tid tenant.ID, ticket Secret, code string) error {
	right := false
	err := s.db.In(ctx, tid, func(tx tenant.Tx) error {
		visit, tries, err := tryCode(ctx, tx, ticket, s.now())
		if err != nil {
			return err
		}
		want, err := s.code(ctx, tx, visit)
		if err != nil {
			return err
		}
		right = subtle.ConstantTimeCompare([]byte(plainCode(code)), []byte(plainCode(want))) == 1
		switch {
		case right:
			return approveVisit(ctx, tx, visit)
		case tries == maxCodeTries:
			return deleteVisit(ctx, tx, visit)
		}
		return nil // the try counts
	})
	if err == nil && !right {
		err = ErrCode
	}
	if err != nil {
		return fmt.Errorf("approve visit: %w", err)
	}
	return nil
}

// plainCode takes a code as people type it.
func plainCode(text string) string {
	if len(text) > 4*codeLength {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(text))
}

// code is derived from the visit, so that the database need not hold it.
func (s *Service) code(ctx context.Context, tx tenant.Tx, visit [16]byte) (string, error) {
	sum, err := s.derive(ctx, tx, "code", visit[:])
	if err != nil {
		return "", err
	}
	var code []byte
	for i := range codeLength {
		// 256 is no multiple of 20: the first 16 letters come a twentieth more often.
		code = append(code, codeAlphabet[int(sum[i])%len(codeAlphabet)])
		if i == codeLength/2-1 {
			code = append(code, '-')
		}
	}
	return string(code), nil
}

// sealSubject keeps the subject for the minutes until it is redeemed, under a
// key of the tenant and bound to the visit.
func (s *Service) sealSubject(ctx context.Context, tx tenant.Tx, visit [16]byte, subject string) ([]byte, error) {
	aead, err := s.subjectCipher(ctx, tx)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(subject)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, []byte(subject), visit[:]), nil
}

func (s *Service) openSubject(ctx context.Context, tx tenant.Tx, visit [16]byte, sealed []byte) (string, error) {
	aead, err := s.subjectCipher(ctx, tx)
	if err != nil {
		return "", err
	}
	if len(sealed) < aead.NonceSize() {
		return "", ErrVisit
	}
	subject, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], visit[:])
	if err != nil {
		return "", ErrVisit
	}
	return string(subject), nil
}

func (s *Service) subjectCipher(ctx context.Context, tx tenant.Tx) (cipher.AEAD, error) {
	key, err := s.derive(ctx, tx, "subject", nil)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
