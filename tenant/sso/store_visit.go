package sso

import (
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// visitRow is what is needed of a row of sso_visit.
type visitRow struct {
	id      [16]byte
	setting SettingID
	open    bool
	term    bool
}

func insertVisit(ctx context.Context, tx tenant.Tx, row visitRow, nonce [nonceSize]byte, secret Secret, back string, until time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into sso_visit (tenant_id, visit_id, setting_id, nonce, secret_hash, return_to, terminal, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.Tenant(), row.id, [16]byte(row.setting), nonce[:], secret.hash(), back, row.term, until)
	return err
}

// visitByNonce finds a visit that is not over, open or not.
func visitByNonce(ctx context.Context, tx tenant.Tx, nonce []byte, now time.Time) (row visitRow, err error) {
	err = tx.QueryRow(ctx, `
		select visit_id, setting_id, state = 'open', terminal from sso_visit
		where tenant_id = $1 and nonce = $2 and expires_at > $3`, tx.Tenant(), nonce, now).
		Scan(&row.id, (*[16]byte)(&row.setting), &row.open, &row.term)
	if errors.Is(err, tenant.ErrNotFound) {
		err = ErrVisit
	}
	return row, err
}

// proveVisit takes a visit from open to proven, once.
func proveVisit(ctx context.Context, tx tenant.Tx, visit [16]byte, ticket Secret, subject []byte, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `
		update sso_visit set state = 'proven', ticket_hash = $3, subject_sealed = $4
		where tenant_id = $1 and visit_id = $2 and state = 'open' and expires_at > $5`,
		tx.Tenant(), visit, ticket.hash(), subject, now)
	return n == 1, err
}

// endTest removes the visit of a test login, once.
func endTest(ctx context.Context, tx tenant.Tx, visit [16]byte, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `
		delete from sso_visit where tenant_id = $1 and visit_id = $2 and state = 'open' and expires_at > $3`, tx.Tenant(), visit, now)
	return n == 1, err
}

// takeVisit hands a finished visit out and removes it: of callers at once, one
// gets it.
func takeVisit(ctx context.Context, tx tenant.Tx, secret Secret, ticket Secret, now time.Time) (visit [16]byte, sealed []byte, back string, err error) {
	err = tx.QueryRow(ctx, `
		delete from sso_visit v using sso_setting s
		where v.tenant_id = $1 and v.secret_hash = $2 and v.ticket_hash = $3 and v.state = 'proven' and not v.terminal and v.expires_at > $4
			and s.tenant_id = v.tenant_id and s.setting_id = v.setting_id and s.live_at is not null
		returning v.visit_id, v.subject_sealed, v.return_to`, tx.Tenant(), secret.hash(), ticket.hash(), now).Scan(&visit, &sealed, &back)
	return visit, sealed, back, noVisit(err)
}

func takeTerminal(ctx context.Context, tx tenant.Tx, secret Secret, now time.Time) (visit [16]byte, sealed []byte, back string, err error) {
	err = tx.QueryRow(ctx, `
		delete from sso_visit v using sso_setting s
		where v.tenant_id = $1 and v.secret_hash = $2 and v.state = 'approved' and v.terminal and v.expires_at > $3
			and s.tenant_id = v.tenant_id and s.setting_id = v.setting_id and s.live_at is not null
		returning v.visit_id, v.subject_sealed, v.return_to`, tx.Tenant(), secret.hash(), now).Scan(&visit, &sealed, &back)
	return visit, sealed, back, noVisit(err)
}

// waits reports whether a terminal's visit may still be completed.
func waits(ctx context.Context, tx tenant.Tx, secret Secret, now time.Time) (yes bool, err error) {
	err = tx.QueryRow(ctx, `
		select exists (select from sso_visit
		where tenant_id = $1 and secret_hash = $2 and terminal and state <> 'approved' and expires_at > $3)`,
		tx.Tenant(), secret.hash(), now).Scan(&yes)
	return yes, err
}

// tryCode counts a try before the code is looked at.
func tryCode(ctx context.Context, tx tenant.Tx, ticket Secret, now time.Time) (visit [16]byte, tries int, err error) {
	err = tx.QueryRow(ctx, `
		update sso_visit set code_tries = code_tries + 1
		where tenant_id = $1 and ticket_hash = $2 and terminal and state = 'proven' and code_tries < $3 and expires_at > $4
		returning visit_id, code_tries`, tx.Tenant(), ticket.hash(), maxCodeTries, now).Scan(&visit, &tries)
	return visit, tries, noVisit(err)
}

func approveVisit(ctx context.Context, tx tenant.Tx, visit [16]byte) error {
	_, err := tx.Exec(ctx, `update sso_visit set state = 'approved' where tenant_id = $1 and visit_id = $2`, tx.Tenant(), visit)
	return err
}

func deleteVisit(ctx context.Context, tx tenant.Tx, visit [16]byte) error {
	_, err := tx.Exec(ctx, `delete from sso_visit where tenant_id = $1 and visit_id = $2`, tx.Tenant(), visit)
	return err
}

func noVisit(err error) error {
	if errors.Is(err, tenant.ErrNotFound) {
		return ErrVisit
	}
	return err
}

// use remembers a hash and reports whether it is new.
func use(ctx context.Context, tx tenant.Tx, hash []byte, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `
		insert into sso_used (tenant_id, jti_hash, expires_at) values ($1, $2, $3) on conflict do nothing`, tx.Tenant(), hash, until)
	return n == 1, err
}

func deleteExpired(ctx context.Context, tx tenant.Tx, now time.Time) error {
	_, err := tx.Pipeline(ctx,
		tenant.Statement{SQL: `delete from sso_visit where tenant_id = $1 and expires_at <= $2`, Args: []any{tx.Tenant(), now}},
		tenant.Statement{SQL: `delete from sso_used where tenant_id = $1 and expires_at <= $2`, Args: []any{tx.Tenant(), now}})
	return err
}

// insertAttempt writes over the oldest of the last attempts. The counter's row
// lock puts those that come at once one after another.
func insertAttempt(ctx context.Context, tx tenant.Tx, setting SettingID, a Attempt) error {
	var sequence int64
	err := tx.QueryRow(ctx, `
		update sso_setting set attempts = attempts + 1 where tenant_id = $1 and setting_id = $2 returning attempts`,
		tx.Tenant(), [16]byte(setting)).Scan(&sequence)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into sso_attempt (tenant_id, setting_id, slot, sequence, tried_at, claim, reason) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (tenant_id, setting_id, slot) do update
		set sequence = excluded.sequence, tried_at = excluded.tried_at, claim = excluded.claim, reason = excluded.reason`,
		tx.Tenant(), [16]byte(setting), sequence%keptAttempts, sequence, a.At, a.Claim, a.Reason)
	return err
}

func selectAttempts(ctx context.Context, tx tenant.Tx, setting SettingID) (list []Attempt, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var a Attempt
		err := scan(&a.At, &a.Claim, &a.Reason)
		list = append(list, a)
		return err
	}, `select tried_at, claim, reason from sso_attempt where tenant_id = $1 and setting_id = $2 order by sequence desc`,
		tx.Tenant(), [16]byte(setting))
	return list, err
}
