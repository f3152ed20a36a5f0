package sso

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// keptAttempts is how many are kept for a setting.
const keptAttempts = 20

// Attempt is how a login under a setting went, for the tenant's console. It
// names no member and holds no token.
type Attempt struct {
	At     time.Time // a minute
	Claim  string    // the claim or header that failed; empty when all was well
	Reason string    // what was expected
}

// Attempts returns the last ones of a setting, the newest first.
func (s *Service) Attempts(ctx context.Context, id tenant.ID, setting SettingID) (list []Attempt, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		list, err = selectAttempts(ctx, tx, setting)
		return err
	})
	return list, err
}

func (s *Service) attempt(claim, reason string) Attempt {
	return Attempt{s.now().UTC().Truncate(time.Minute), claim, reason}
}

// record keeps a refusal, whose transaction was rolled back, and returns what
// the caller is told: nothing but ErrRefused.
func (s *Service) record(ctx context.Context, id tenant.ID, set Setting, refusal error) error {
	var f *fault
	if !errors.As(refusal, &f) {
		return refusal
	}
	err := s.db.In(ctx, id, func(tx tenant.Tx) error { return insertAttempt(ctx, tx, set.ID, s.attempt(f.claim, f.reason)) })
	if err != nil && !errors.Is(err, tenant.ErrNotFound) { // the setting may have gone meanwhile
		return fmt.Errorf("record attempt: %w", err)
	}
	return ErrRefused
}
