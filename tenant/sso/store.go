package sso

import (
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// stage is where in its life a setting is looked for.
type stage bool

const (
	live  stage = true
	draft stage = false
)

// settingQuery takes a tenant and one of: a setting, or whether it is live.
const settingQuery = `
	select setting_id, way, issuer, audience, login_url, coalesce(token_url, ''), coalesce(jwks_url, ''), client_auth,
		answers_iss, coalesce(jwks, ''), jwks_read_at, jwks_tried_at, tested_at, live_at
	from sso_setting
	where tenant_id = $1 and ($2::uuid is null or setting_id = $2) and ($3::boolean is null or (live_at is not null) = $3)`

func scanSetting(scan func(...any) error) (set Setting, err error) {
	var jwks []byte
	var readAt, triedAt, testedAt, liveAt *time.Time
	err = scan((*[16]byte)(&set.ID), (*string)(&set.Way), &set.Issuer, &set.Audience, &set.LoginURL, &set.TokenURL, &set.JWKSURL,
		(*string)(&set.clientAuth), &set.answersIss, &jwks, &readAt, &triedAt, &testedAt, &liveAt)
	if errors.Is(err, tenant.ErrNotFound) {
		return set, ErrNoSetting
	}
	if err != nil {
		return set, err
	}
	for at, dst := range map[*time.Time]*time.Time{readAt: &set.set.readAt, triedAt: &set.set.triedAt, testedAt: &set.TestedAt, liveAt: &set.LiveAt} {
		if at != nil {
			*dst = *at
		}
	}
	if len(jwks) > 0 {
		set.set.keys, err = parseKeySet(jwks)
	}
	return set, err
}

func selectSetting(ctx context.Context, tx tenant.Tx, at stage) (Setting, error) {
	return scanSetting(tx.QueryRow(ctx, settingQuery, tx.Tenant(), nil, bool(at)).Scan)
}

func settingByID(ctx context.Context, tx tenant.Tx, id SettingID) (Setting, error) {
	return scanSetting(tx.QueryRow(ctx, settingQuery, tx.Tenant(), [16]byte(id), nil).Scan)
}

// lockSetting lets those that change a setting's keys come one after another.
func lockSetting(ctx context.Context, tx tenant.Tx, id SettingID) (Setting, error) {
	if _, err := tx.Exec(ctx, `
		select from sso_setting where tenant_id = $1 and setting_id = $2 for no key update`, tx.Tenant(), [16]byte(id)); err != nil {
		return Setting{}, err
	}
	return settingByID(ctx, tx, id)
}

func insertSetting(ctx context.Context, tx tenant.Tx, set Setting, now time.Time) error {
	var jwks []byte
	var readAt *time.Time
	if set.set.keys != nil {
		var err error
		if jwks, err = formatKeySet(set.set.keys); err != nil {
			return err
		}
		readAt = &set.set.readAt
	}
	_, err := tx.Exec(ctx, `
		insert into sso_setting (tenant_id, setting_id, way, issuer, audience, login_url, token_url, jwks_url, client_auth, answers_iss,
			jwks, jwks_read_at, jwks_tried_at, created_at)
		values ($1, $2, $3, $4, $5, $6, nullif($7, ''), nullif($8, ''), $9, $10, $11, $12, $12, $13)`,
		tx.Tenant(), [16]byte(set.ID), string(set.Way), set.Issuer, set.Audience, set.LoginURL, set.TokenURL, set.JWKSURL,
		string(set.clientAuth), set.answersIss, jwks, readAt, now)
	return err
}

func deleteSetting(ctx context.Context, tx tenant.Tx, id SettingID) error {
	_, err := tx.Exec(ctx, `delete from sso_setting where tenant_id = $1 and setting_id = $2`, tx.Tenant(), [16]byte(id))
	return err
}

func makeLive(ctx context.Context, tx tenant.Tx, id SettingID, now time.Time) error {
	_, err := tx.Exec(ctx, `update sso_setting set live_at = $3 where tenant_id = $1 and setting_id = $2`, tx.Tenant(), [16]byte(id), now)
	return err
}

func markTested(ctx context.Context, tx tenant.Tx, id SettingID, now time.Time) error {
	_, err := tx.Exec(ctx, `update sso_setting set tested_at = $3 where tenant_id = $1 and setting_id = $2`, tx.Tenant(), [16]byte(id), now)
	return err
}

// claimFetch reports whether this caller is the one that reads the key set now:
// of several at once, the row lock lets one find the old time.
func claimFetch(ctx context.Context, tx tenant.Tx, id SettingID, now, before time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `
		update sso_setting set jwks_tried_at = $3
		where tenant_id = $1 and setting_id = $2 and (jwks_tried_at is null or jwks_tried_at <= $4)`,
		tx.Tenant(), [16]byte(id), now, before)
	return n == 1, err
}

func updateKeySet(ctx context.Context, tx tenant.Tx, id SettingID, jwks []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		update sso_setting set jwks = $3, jwks_read_at = $4 where tenant_id = $1 and setting_id = $2`,
		tx.Tenant(), [16]byte(id), jwks, now)
	return err
}

// keyRow is a row of sso_key.
type keyRow struct {
	SlotKey
	der []byte
}

func selectKeyRows(ctx context.Context, tx tenant.Tx, id SettingID) (rows []keyRow, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var row keyRow
		err := scan(&row.Slot, &row.KID, (*string)(&row.Algorithm), &row.der)
		rows = append(rows, row)
		return err
	}, `select slot, kid, algorithm, public_key from sso_key where tenant_id = $1 and setting_id = $2 order by slot`,
		tx.Tenant(), [16]byte(id))
	return rows, err
}

func selectKeys(ctx context.Context, tx tenant.Tx, id SettingID) ([]SlotKey, error) {
	rows, err := selectKeyRows(ctx, tx, id)
	var keys []SlotKey
	for _, row := range rows {
		keys = append(keys, row.SlotKey)
	}
	return keys, err
}

func insertKey(ctx context.Context, tx tenant.Tx, id SettingID, slot int, key Key, der []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into sso_key (tenant_id, setting_id, slot, kid, algorithm, public_key, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		tx.Tenant(), [16]byte(id), slot, key.kid, string(key.algorithm), der, now)
	return err
}

func deleteKey(ctx context.Context, tx tenant.Tx, id SettingID, slot int) error {
	_, err := tx.Exec(ctx, `
		delete from sso_key where tenant_id = $1 and setting_id = $2 and slot = $3`, tx.Tenant(), [16]byte(id), slot)
	return err
}
