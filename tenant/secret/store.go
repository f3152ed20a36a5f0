package secret

import (
	"context"

	"github.com/sottochat/sotto/tenant"
)

func newestKey(ctx context.Context, tx tenant.Tx) (row keyRow, err error) {
	err = tx.QueryRow(ctx, `
		select version, master, wrapped from tenant_key where tenant_id = $1
		order by version desc limit 1`, tx.Tenant()).Scan(&row.version, &row.master, &row.wrapped)
	return row, err
}

func selectKeys(ctx context.Context, tx tenant.Tx) (rows []keyRow, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var row keyRow
		err := scan(&row.version, &row.master, &row.wrapped)
		rows = append(rows, row)
		return err
	}, `select version, master, wrapped from tenant_key where tenant_id = $1 order by version`, tx.Tenant())
	return rows, err
}

func insertKey(ctx context.Context, tx tenant.Tx, row keyRow) error {
	_, err := tx.Exec(ctx, `
		insert into tenant_key (tenant_id, version, master, wrapped) values ($1, $2, $3, $4)
		on conflict (tenant_id, version) do nothing`, tx.Tenant(), row.version, row.master, row.wrapped)
	return err
}

func updateKey(ctx context.Context, tx tenant.Tx, row keyRow) error {
	_, err := tx.Exec(ctx, `
		update tenant_key set master = $3, wrapped = $4 where tenant_id = $1 and version = $2`,
		tx.Tenant(), row.version, row.master, row.wrapped)
	return err
}

func selectSealed(ctx context.Context, tx tenant.Tx, name string) (sealed []byte, row keyRow, err error) {
	err = tx.QueryRow(ctx, `
		select s.sealed, k.version, k.master, k.wrapped
		from tenant_secret s join tenant_key k on k.tenant_id = s.tenant_id and k.version = s.key_version
		where s.tenant_id = $1 and s.name = $2`, tx.Tenant(), name).Scan(&sealed, &row.version, &row.master, &row.wrapped)
	return sealed, row, err
}

func putSealed(ctx context.Context, tx tenant.Tx, name string, version int, sealed []byte) error {
	_, err := tx.Exec(ctx, `
		insert into tenant_secret (tenant_id, name, key_version, sealed) values ($1, $2, $3, $4)
		on conflict (tenant_id, name) do update
		set key_version = excluded.key_version, sealed = excluded.sealed, updated_at = now()`,
		tx.Tenant(), name, version, sealed)
	return err
}

func insertSealed(ctx context.Context, tx tenant.Tx, name string, version int, sealed []byte) error {
	_, err := tx.Exec(ctx, `
		insert into tenant_secret (tenant_id, name, key_version, sealed) values ($1, $2, $3, $4)
		on conflict (tenant_id, name) do nothing`, tx.Tenant(), name, version, sealed)
	return err
}

func deleteSealed(ctx context.Context, tx tenant.Tx, name string) error {
	_, err := tx.Exec(ctx, `delete from tenant_secret where tenant_id = $1 and name = $2`, tx.Tenant(), name)
	return err
}
