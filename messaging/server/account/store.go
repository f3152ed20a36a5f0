package account

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Accounts.

func insertAccount(ctx context.Context, tx tenant.Tx, id messaging.AccountID, hash []byte, today time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into account (tenant_id, account_id, subject_hash, created_on) values ($1, $2, $3, $4)
		on conflict (tenant_id, subject_hash) do nothing`, tx.Tenant(), [16]byte(id), hash, today)
	return err
}

func accountOf(ctx context.Context, tx tenant.Tx, hash []byte) (id messaging.AccountID, status Status, err error) {
	err = tx.QueryRow(ctx, `
		select account_id, status from account where tenant_id = $1 and subject_hash = $2`,
		tx.Tenant(), hash).Scan((*[16]byte)(&id), &status)
	return id, status, err
}

// lockAccount makes changes to an account's log, slots and status come one
// after the other.
func lockAccount(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	var status Status
	err := tx.QueryRow(ctx, `
		select status from account where tenant_id = $1 and account_id = $2 for no key update`,
		tx.Tenant(), [16]byte(id)).Scan(&status)
	if err == nil && status != statusActive {
		err = ErrSuspended
	}
	return err
}

func updateStatus(ctx context.Context, tx tenant.Tx, id messaging.AccountID, status Status) (int64, error) {
	return tx.Exec(ctx, `
		update account set status = $3 where tenant_id = $1 and account_id = $2 and status <> 'deleted'`,
		tx.Tenant(), [16]byte(id), status)
}

// Sessions.

func insertSession(ctx context.Context, tx tenant.Tx, hash [sha256.Size]byte, id messaging.AccountID, today, expires time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into session (tenant_id, token_hash, account_id, seen_on, expires_at) values ($1, $2, $3, $4, $5)`,
		tx.Tenant(), hash[:], [16]byte(id), today, expires)
	return err
}

func sessionOf(ctx context.Context, tx tenant.Tx, who *Who, now time.Time) (seen time.Time, err error) {
	var device *int16
	err = tx.QueryRow(ctx, `
		select s.account_id, s.device_id, s.seen_on
		from session s join account a on a.tenant_id = s.tenant_id and a.account_id = s.account_id
		left join device d on d.tenant_id = s.tenant_id and d.account_id = s.account_id and d.device_id = s.device_id
		where s.tenant_id = $1 and s.token_hash = $2 and s.expires_at > $3 and a.status = 'active'
			and (d.expires_at is null or d.expires_at > $3)`,
		tx.Tenant(), who.session[:], now).Scan((*[16]byte)(&who.Account), &device, &seen)
	who.Device = 0
	if device != nil {
		who.Device = messaging.DeviceID(*device)
	}
	return seen, err
}

func touchSession(ctx context.Context, tx tenant.Tx, who Who, today, expires time.Time) error {
	_, err := tx.Pipeline(ctx,
		tenant.Statement{SQL: `update session set seen_on = $3, expires_at = $4 where tenant_id = $1 and token_hash = $2`,
			Args: []any{tx.Tenant(), who.session[:], today, expires}},
		tenant.Statement{SQL: `update device set last_seen_on = $4 where tenant_id = $1 and account_id = $2 and device_id = $3`,
			Args: []any{tx.Tenant(), [16]byte(who.Account), int16(who.Device), today}})
	return err
}

func bindSession(ctx context.Context, tx tenant.Tx, hash [sha256.Size]byte, id messaging.AccountID, device messaging.DeviceID, expires time.Time) (int64, error) {
	return tx.Exec(ctx, `
		update session set device_id = $4, expires_at = $5
		where tenant_id = $1 and token_hash = $2 and account_id = $3 and device_id is null`,
		tx.Tenant(), hash[:], [16]byte(id), int16(device), expires)
}

func deleteSession(ctx context.Context, tx tenant.Tx, hash [sha256.Size]byte) error {
	_, err := tx.Exec(ctx, `delete from session where tenant_id = $1 and token_hash = $2`, tx.Tenant(), hash[:])
	return err
}

func deleteSessions(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	_, err := tx.Exec(ctx, `delete from session where tenant_id = $1 and account_id = $2`, tx.Tenant(), [16]byte(id))
	return err
}

// Link slots.

func selectSlot(ctx context.Context, tx tenant.Tx, id messaging.AccountID, slot [wire.SlotSize]byte, now time.Time) (content []byte, err error) {
	err = tx.QueryRow(ctx, `
		select content from link_slot where tenant_id = $1 and account_id = $2 and slot = $3 and expires_at > $4`,
		tx.Tenant(), [16]byte(id), slot[:], now).Scan(&content)
	return content, err
}

// readSlot makes the caller the slot's reader, unless another session is.
func readSlot(ctx context.Context, tx tenant.Tx, who Who, slot [wire.SlotSize]byte, now time.Time) (content []byte, err error) {
	err = tx.QueryRow(ctx, `
		update link_slot set reader_hash = $4
		where tenant_id = $1 and account_id = $2 and slot = $3 and expires_at > $5 and coalesce(reader_hash, $4) = $4
		returning content`,
		tx.Tenant(), [16]byte(who.Account), slot[:], who.session[:], now).Scan(&content)
	return content, err
}

func slotOwner(ctx context.Context, tx tenant.Tx, id messaging.AccountID, slot [wire.SlotSize]byte, now time.Time) (hash [sha256.Size]byte, err error) {
	var raw []byte
	err = tx.QueryRow(ctx, `
		select token_hash from link_slot where tenant_id = $1 and account_id = $2 and slot = $3 and expires_at > $4`,
		tx.Tenant(), [16]byte(id), slot[:], now).Scan(&raw)
	copy(hash[:], raw)
	return hash, err
}

func countSlots(ctx context.Context, tx tenant.Tx, id messaging.AccountID) (n int, err error) {
	err = tx.QueryRow(ctx, `
		select count(*) from link_slot where tenant_id = $1 and account_id = $2`, tx.Tenant(), [16]byte(id)).Scan(&n)
	return n, err
}

func insertSlot(ctx context.Context, tx tenant.Tx, who Who, m *wire.PutSlot, expires time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into link_slot (tenant_id, account_id, slot, token_hash, content, expires_at) values ($1, $2, $3, $4, $5, $6)`,
		tx.Tenant(), [16]byte(who.Account), m.Slot[:], who.session[:], m.Payload, expires)
	return err
}

func deleteSlots(ctx context.Context, tx tenant.Tx, id messaging.AccountID, now time.Time) error {
	_, err := tx.Exec(ctx, `
		delete from link_slot where tenant_id = $1 and account_id = $2 and expires_at <= $3`, tx.Tenant(), [16]byte(id), now)
	return err
}
