package sso

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// Arrival is an accepted word of the host.
type Arrival struct {
	// Ticket is for the browser that brought it, which goes on to Redeem with the
	// visit's secret, or to Approve for a terminal.
	Ticket   Secret
	Terminal bool
	// Test says that the draft was tried. There is no ticket then, and nobody is
	// signed in.
	Test bool
}

// HandOff judges the token that a host signed for a visit. Of a refusal the
// caller learns ErrRefused and nothing more; the tenant's console shows the
// claim (Attempts).
func (s *Service) HandOff(ctx context.Context, tid tenant.ID, token string) (Arrival, error) {
	visit, set, err := s.find(ctx, tid, peek(token, "nonce"))
	if err != nil {
		return Arrival{}, fmt.Errorf("hand-off: %w", err)
	}
	arrival, err := s.handOff(ctx, tid, visit, set, token)
	if err != nil {
		return Arrival{}, fmt.Errorf("hand-off: %w", s.record(ctx, tid, set, err))
	}
	return arrival, nil
}

func (s *Service) handOff(ctx context.Context, tid tenant.ID, visit *visitRow, set Setting, token string) (Arrival, error) {
	if set.Way != ByHandOff {
		return Arrival{}, refuse("token", "the setting is not a hand-off")
	}
	c, err := s.verifyHandOff(ctx, tid, set, token)
	if err != nil {
		return Arrival{}, err
	}
	if visit == nil {
		return Arrival{}, refuse("nonce", "it belongs to no login that was begun here in the last ten minutes")
	}
	once := used{"jti", []byte(c.ID), c.Expires.Time().Add(2 * skew)}
	return s.prove(ctx, tid, visit, set, c.Subject, once)
}

func (s *Service) verifyHandOff(ctx context.Context, tid tenant.ID, set Setting, token string) (claims, error) {
	h, err := parseHeader(token)
	if err != nil {
		return claims{}, err
	}
	keys, err := s.keysOf(ctx, tid, set, h)
	if err != nil {
		return claims{}, err
	}
	payload, err := verify(token, h, keys)
	if err != nil {
		return claims{}, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return claims{}, err
	}
	return c, c.checkHandOff(set, s.now())
}

// find returns the visit that a nonce names and the setting that judges it.
// Without such a visit it is the live setting, or the draft: a host's developer
// is told what is wrong with the token first.
func (s *Service) find(ctx context.Context, tid tenant.ID, nonce string) (visit *visitRow, set Setting, err error) {
	raw, decodeErr := base64.RawURLEncoding.Strict().DecodeString(nonce)
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		if decodeErr == nil && len(raw) == nonceSize {
			row, err := visitByNonce(ctx, tx, raw, s.now())
			if err == nil {
				visit = &row
				set, err = settingByID(ctx, tx, row.setting)
			}
			if !errors.Is(err, ErrVisit) {
				return err
			}
		}
		set, err = selectSetting(ctx, tx, live)
		if errors.Is(err, ErrNoSetting) {
			set, err = selectSetting(ctx, tx, draft)
		}
		return err
	})
	return visit, set, err
}

// used is what may count only once: a token, an answer.
type used struct {
	claim string
	value []byte
	until time.Time
}

// prove is the one place where a visit becomes somebody's. Everything in it
// happens or nothing does.
func (s *Service) prove(ctx context.Context, tid tenant.ID, visit *visitRow, set Setting, subject string, once used) (arrival Arrival, err error) {
	arrival = Arrival{Ticket: newSecret(), Terminal: visit.term, Test: set.LiveAt.IsZero()}
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		if err := s.useOnce(ctx, tx, once); err != nil {
			return err
		}
		done, err := s.finish(ctx, tx, visit, set, subject, arrival)
		if err != nil {
			return err
		}
		if !done {
			return refuse("nonce", "the login that it belongs to is completed or over")
		}
		return insertAttempt(ctx, tx, set.ID, s.attempt("", ""))
	})
	if err != nil {
		return Arrival{}, err
	}
	if arrival.Test {
		arrival.Ticket = Secret{}
	}
	return arrival, nil
}

func (s *Service) finish(ctx context.Context, tx tenant.Tx, visit *visitRow, set Setting, subject string, arrival Arrival) (bool, error) {
	if arrival.Test {
		done, err := endTest(ctx, tx, visit.id, s.now())
		if err != nil || !done {
			return false, err
		}
		return true, markTested(ctx, tx, set.ID, s.now())
	}
	sealed, err := s.sealSubject(ctx, tx, visit.id, subject)
	if err != nil {
		return false, err
	}
	return proveVisit(ctx, tx, visit.id, arrival.Ticket, sealed, s.now())
}

func (s *Service) useOnce(ctx context.Context, tx tenant.Tx, once used) error {
	hash, err := s.derive(ctx, tx, once.claim, once.value)
	if err != nil {
		return err
	}
	fresh, err := use(ctx, tx, hash, once.until)
	if err == nil && !fresh {
		err = refuse(once.claim, "it was used before")
	}
	return err
}
