package apikey

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const keyColumns = `key_id, name, scopes, created_on, used_on, expires_at`

const live = `tenant_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)`

func scanKey(scan func(...any) error) (k Key, err error) {
	var scopes []string
	var used, expires *time.Time
	err = scan((*[16]byte)(&k.ID), &k.Name, &scopes, &k.Created, &used, &expires)
	for _, s := range scopes {
		k.Scopes = append(k.Scopes, Scope(s))
	}
	if used != nil {
		k.Used = *used
	}
	if expires != nil {
		k.Expires = *expires
	}
	return k, err
}

func insertKey(ctx context.Context, tx tenant.Tx, k Key, hash []byte) error {
	var expires *time.Time
	if !k.Expires.IsZero() {
		expires = &k.Expires
	}
	scopes := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	_, err := tx.Exec(ctx, `
		insert into api_key (tenant_id, key_id, token_hash, name, scopes, created_on, expires_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		tx.Tenant(), [16]byte(k.ID), hash, k.Name, scopes, k.Created, expires)
	return err
}

func countKeys(ctx context.Context, tx tenant.Tx, now time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from api_key where `+live, tx.Tenant(), now).Scan(&n)
	return n, err
}

func selectKey(ctx context.Context, tx tenant.Tx, hash []byte, now time.Time) (Key, error) {
	return scanKey(tx.QueryRow(ctx, `select `+keyColumns+` from api_key where `+live+` and token_hash = $3`, tx.Tenant(), now, hash).Scan)
}

func selectKeys(ctx context.Context, tx tenant.Tx, now time.Time) (keys []Key, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		k, err := scanKey(scan)
		keys = append(keys, k)
		return err
	}, `select `+keyColumns+` from api_key where `+live+` order by created_on, key_id`, tx.Tenant(), now)
	return keys, err
}

func touchKey(ctx context.Context, tx tenant.Tx, key ID, today time.Time) error {
	_, err := tx.Exec(ctx, `update api_key set used_on = $3 where tenant_id = $1 and key_id = $2`, tx.Tenant(), [16]byte(key), today)
	return err
}

func revokeKey(ctx context.Context, tx tenant.Tx, key ID, now time.Time) (int64, error) {
	return tx.Exec(ctx, `
		update api_key set revoked_at = $3 where tenant_id = $1 and key_id = $2 and revoked_at is null`, tx.Tenant(), [16]byte(key), now)
}

// deleteKeys takes what was kept of the keys' requests with it.
func deleteKeys(ctx context.Context, tx tenant.Tx, ended time.Time) error {
	_, err := tx.Exec(ctx, `
		delete from api_key where tenant_id = $1 and (revoked_at <= $2 or expires_at <= $2)`, tx.Tenant(), ended)
	return err
}
