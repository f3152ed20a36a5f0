package once

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
)

func deleteExpired(ctx context.Context, tx tenant.Tx, who Caller, route string, name []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		delete from idempotency where tenant_id = $1 and key_id = $2 and route = $3 and once_hash = $4 and expires_at <= $5`,
		tx.Tenant(), who.ID, route, name, now)
	return err
}

// insertNote waits for another transaction that inserts the same note, and
// reports whether this one did.
func insertNote(ctx context.Context, tx tenant.Tx, who Caller, route string, name, body []byte, expires time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `
		insert into idempotency (tenant_id, key_id, route, once_hash, body_hash, expires_at) values ($1, $2, $3, $4, $5, $6)
		on conflict (tenant_id, key_id, route, once_hash) do nothing`,
		tx.Tenant(), who.ID, route, name, body, expires)
	return n == 1, err
}

func selectNote(ctx context.Context, tx tenant.Tx, who Caller, route string, name []byte, status *int) (body, answer []byte, err error) {
	err = tx.QueryRow(ctx, `
		select body_hash, status, answer from idempotency where tenant_id = $1 and key_id = $2 and route = $3 and once_hash = $4`,
		tx.Tenant(), who.ID, route, name).Scan(&body, status, &answer)
	return body, answer, err
}

func deleteAllExpired(ctx context.Context, tx tenant.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `delete from idempotency where tenant_id = $1 and expires_at <= $2`, tx.Tenant(), now)
	return err
}

func updateNote(ctx context.Context, tx tenant.Tx, who Caller, route string, name []byte, status int, answer []byte) error {
	_, err := tx.Exec(ctx, `
		update idempotency set status = $5, answer = $6 where tenant_id = $1 and key_id = $2 and route = $3 and once_hash = $4`,
		tx.Tenant(), who.ID, route, name, status, answer)
	return err
}
