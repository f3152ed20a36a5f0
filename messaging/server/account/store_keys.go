package account

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// deviceRow is a row of device.
type deviceRow struct {
	id           messaging.DeviceID
	registration uint16
	identity     key.IdentityPublic
	signed       wire.SignedPreKey
	lastResort   wire.KEMPreKey
}

const deviceColumns = `device_id, registration_id, identity_key, signed_prekey_id, signed_prekey, signed_prekey_sig, last_resort_id, last_resort, last_resort_sig`

func (d *deviceRow) scan(scan func(...any) error) error {
	var id int16
	var registration int32
	var identity []byte
	var signedID, lastID int64
	err := scan(&id, &registration, &identity, &signedID, &d.signed.PublicKey, &d.signed.Signature,
		&lastID, &d.lastResort.PublicKey, &d.lastResort.Signature)
	if err != nil {
		return err
	}
	d.id, d.registration = messaging.DeviceID(id), uint16(registration)
	d.signed.ID, d.lastResort.ID, d.lastResort.LastResort = uint32(signedID), uint32(lastID), true
	d.identity, err = key.ParsePublic[key.RoleIdentity](identity)
	return err
}

func insertDevice(ctx context.Context, tx tenant.Tx, id messaging.AccountID, e devicelog.Entry, r wire.Registration, today time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into device (tenant_id, account_id, `+deviceColumns+`, last_seen_on, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		tx.Tenant(), [16]byte(id), int16(e.Device), int32(e.RegistrationID), e.Identity.Bytes(),
		int64(r.SignedPrekey.ID), r.SignedPrekey.PublicKey, r.SignedPrekey.Signature,
		int64(r.LastResort.ID), r.LastResort.PublicKey, r.LastResort.Signature, today, expiryOf(e))
	return err
}

func expiryOf(e devicelog.Entry) *time.Time {
	if e.ExpiryMS == 0 {
		return nil
	}
	at := time.UnixMilli(int64(e.ExpiryMS))
	return &at
}

// deleteDevice also ends the device's sessions; its keys go with the row.
func deleteDevice(ctx context.Context, tx tenant.Tx, id messaging.AccountID, device messaging.DeviceID) error {
	args := []any{tx.Tenant(), [16]byte(id), int16(device)}
	_, err := tx.Pipeline(ctx,
		tenant.Statement{SQL: `delete from device where tenant_id = $1 and account_id = $2 and device_id = $3`, Args: args},
		tenant.Statement{SQL: `delete from session where tenant_id = $1 and account_id = $2 and device_id = $3`, Args: args})
	return err
}

func lockDevice(ctx context.Context, tx tenant.Tx, a messaging.Address, now time.Time) (deviceRow, error) {
	rows, err := lockDevices(ctx, tx, a.Account, []messaging.DeviceID{a.Device}, now)
	if err == nil && len(rows) == 0 {
		err = ErrNotLinked
	}
	if err != nil {
		return deviceRow{}, err
	}
	return rows[0], nil
}

// lockDevices locks in the order of ids, so that two askers never wait for each
// other; who holds the row has the device's one-time keys to itself.
func lockDevices(ctx context.Context, tx tenant.Tx, id messaging.AccountID, devices []messaging.DeviceID, now time.Time) (rows []deviceRow, err error) {
	wanted := make([]int16, len(devices))
	for i, d := range devices {
		wanted[i] = int16(d)
	}
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var d deviceRow
		err := d.scan(scan)
		rows = append(rows, d)
		return err
	}, `
		select `+deviceColumns+` from device
		where tenant_id = $1 and account_id = $2 and (cardinality($3::smallint[]) = 0 or device_id = any ($3))
			and (expires_at is null or expires_at > $4)
		order by device_id for no key update`, tx.Tenant(), [16]byte(id), wanted, now)
	return rows, err
}

func replaceSigned(ctx context.Context, tx tenant.Tx, a messaging.Address, d deviceRow, m *wire.UploadKeys) error {
	signed, last := d.signed, d.lastResort
	if m.SignedPrekey.ID != 0 {
		signed = m.SignedPrekey
	}
	if m.LastResort.ID != 0 {
		last = m.LastResort
	}
	if signed.ID == d.signed.ID && !bytes.Equal(signed.PublicKey, d.signed.PublicKey) ||
		last.ID == d.lastResort.ID && !bytes.Equal(last.PublicKey, d.lastResort.PublicKey) {
		return ErrKeyReused
	}
	_, err := tx.Exec(ctx, `
		update device set signed_prekey_id = $4, signed_prekey = $5, signed_prekey_sig = $6,
			last_resort_id = $7, last_resort = $8, last_resort_sig = $9
		where tenant_id = $1 and account_id = $2 and device_id = $3`,
		tx.Tenant(), [16]byte(a.Account), int16(a.Device), int64(signed.ID), signed.PublicKey, signed.Signature,
		int64(last.ID), last.PublicKey, last.Signature)
	return err
}

// insertOneTimeEC skips ids that were spent and keys that are there already;
// another key under an id that is there is ErrKeyReused.
func insertOneTimeEC(ctx context.Context, tx tenant.Tx, a messaging.Address, keys []wire.ECPreKey) error {
	if len(keys) == 0 {
		return nil
	}
	ids, publics := make([]int64, len(keys)), make([][]byte, len(keys))
	for i, k := range keys {
		ids[i], publics[i] = int64(k.ID), k.PublicKey
	}
	args := []any{tx.Tenant(), [16]byte(a.Account), int16(a.Device), ids, publics}
	var clash bool
	if err := tx.QueryRow(ctx, `
		select exists (
			select from unnest($4::bigint[], $5::bytea[]) as n (id, public)
			join one_time_ec k on k.tenant_id = $1 and k.account_id = $2 and k.device_id = $3 and k.prekey_id = n.id
			where k.public_key <> n.public)`, args...).Scan(&clash); err != nil {
		return err
	}
	if clash {
		return ErrKeyReused
	}
	_, err := tx.Exec(ctx, `
		insert into one_time_ec (tenant_id, account_id, device_id, prekey_id, public_key)
		select $1, $2, $3, n.id, n.public from unnest($4::bigint[], $5::bytea[]) as n (id, public)
		where not exists (select from spent_prekey s where s.tenant_id = $1 and s.account_id = $2
			and s.device_id = $3 and s.kind = 'ec' and s.prekey_id = n.id)
		on conflict (tenant_id, account_id, device_id, prekey_id) do nothing`, args...)
	return err
}

// insertOneTimeKEM is insertOneTimeEC for KEM keys.
func insertOneTimeKEM(ctx context.Context, tx tenant.Tx, a messaging.Address, keys []wire.KEMPreKey) error {
	if len(keys) == 0 {
		return nil
	}
	ids, publics, signatures := make([]int64, len(keys)), make([][]byte, len(keys)), make([][]byte, len(keys))
	for i, k := range keys {
		ids[i], publics[i], signatures[i] = int64(k.ID), k.PublicKey, k.Signature
	}
	args := []any{tx.Tenant(), [16]byte(a.Account), int16(a.Device), ids, publics}
	var clash bool
	if err := tx.QueryRow(ctx, `
		select exists (
			select from unnest($4::bigint[], $5::bytea[]) as n (id, public)
			join one_time_kem k on k.tenant_id = $1 and k.account_id = $2 and k.device_id = $3 and k.prekey_id = n.id
			where k.public_key <> n.public)`, args...).Scan(&clash); err != nil {
		return err
	}
	if clash {
		return ErrKeyReused
	}
	_, err := tx.Exec(ctx, `
		insert into one_time_kem (tenant_id, account_id, device_id, prekey_id, public_key, signature)
		select $1, $2, $3, n.id, n.public, n.signature
		from unnest($4::bigint[], $5::bytea[], $6::bytea[]) as n (id, public, signature)
		where not exists (select from spent_prekey s where s.tenant_id = $1 and s.account_id = $2
			and s.device_id = $3 and s.kind = 'kem' and s.prekey_id = n.id)
		on conflict (tenant_id, account_id, device_id, prekey_id) do nothing`, append(args, signatures)...)
	return err
}

func selectCounts(ctx context.Context, tx tenant.Tx, a messaging.Address) (counts wire.KeyCounts, err error) {
	var ec, kem, signed, last int64
	err = tx.QueryRow(ctx, `
		select d.signed_prekey_id, d.last_resort_id,
			(select count(*) from one_time_ec k where k.tenant_id = $1 and k.account_id = $2 and k.device_id = $3),
			(select count(*) from one_time_kem k where k.tenant_id = $1 and k.account_id = $2 and k.device_id = $3)
		from device d where d.tenant_id = $1 and d.account_id = $2 and d.device_id = $3`,
		tx.Tenant(), [16]byte(a.Account), int16(a.Device)).Scan(&signed, &last, &ec, &kem)
	return wire.KeyCounts{OneTimeEC: uint32(ec), OneTimeKEM: uint32(kem), SignedPrekeyID: uint32(signed), LastResortID: uint32(last)}, err
}

// takeOneTimeEC deletes and returns the key with the lowest id. The caller holds
// the device's row.
func takeOneTimeEC(ctx context.Context, tx tenant.Tx, a messaging.Address) (k wire.ECPreKey, err error) {
	var id int64
	err = tx.QueryRow(ctx, `
		with taken as (
			delete from one_time_ec where tenant_id = $1 and account_id = $2 and device_id = $3
			and prekey_id = (select min(prekey_id) from one_time_ec where tenant_id = $1 and account_id = $2 and device_id = $3)
			returning prekey_id, public_key
		), spent as (
			insert into spent_prekey (tenant_id, account_id, device_id, kind, prekey_id, spent_on)
			select $1, $2, $3, 'ec', prekey_id, current_date from taken
		) select prekey_id, public_key from taken`,
		tx.Tenant(), [16]byte(a.Account), int16(a.Device)).Scan(&id, &k.PublicKey)
	k.ID = uint32(id)
	return k, err
}

// takeOneTimeKEM is takeOneTimeEC for KEM keys.
func takeOneTimeKEM(ctx context.Context, tx tenant.Tx, a messaging.Address) (k wire.KEMPreKey, err error) {
	var id int64
	err = tx.QueryRow(ctx, `
		with taken as (
			delete from one_time_kem where tenant_id = $1 and account_id = $2 and device_id = $3
			and prekey_id = (select min(prekey_id) from one_time_kem where tenant_id = $1 and account_id = $2 and device_id = $3)
			returning prekey_id, public_key, signature
		), spent as (
			insert into spent_prekey (tenant_id, account_id, device_id, kind, prekey_id, spent_on)
			select $1, $2, $3, 'kem', prekey_id, current_date from taken
		) select prekey_id, public_key, signature from taken`,
		tx.Tenant(), [16]byte(a.Account), int16(a.Device)).Scan(&id, &k.PublicKey, &k.Signature)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return k, err
	}
	k.ID = uint32(id)
	return k, err
}
