package registry

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const (
	statusActive    = "active"
	statusSuspended = "suspended"
)

func insertTenant(ctx context.Context, tx tenant.Tx, t Tenant) error {
	_, err := tx.Exec(ctx, `
		insert into tenant (tenant_id, name, mode, color, language, created_at) values ($1, $2, $3, $4, $5, $6)`,
		t.ID, t.Brand.Name, string(t.Mode), t.Brand.Color, t.Brand.Language, t.CreatedAt)
	return err
}

func updateTenant(ctx context.Context, tx tenant.Tx, b Brand, mode Mode) (int64, error) {
	return tx.Exec(ctx, `
		update tenant set name = $2, color = $3, language = $4, mode = $5 where tenant_id = $1`,
		tx.Tenant(), b.Name, b.Color, b.Language, string(mode))
}

func updateBrand(ctx context.Context, tx tenant.Tx, b Brand) error {
	_, err := tx.Exec(ctx, `
		update tenant set name = $2, color = $3, language = $4 where tenant_id = $1`,
		tx.Tenant(), b.Name, b.Color, b.Language)
	return err
}

func updateStatus(ctx context.Context, tx tenant.Tx, status string) (int64, error) {
	return tx.Exec(ctx, `update tenant set status = $2 where tenant_id = $1`, tx.Tenant(), status)
}

// deleteTenant relies on every table's foreign key, by way of others or not, and
// on the mailbox's trigger: TestDeleteLeavesNothing asks the catalogue for each.
func deleteTenant(ctx context.Context, tx tenant.Tx) (int64, error) {
	return tx.Exec(ctx, `delete from tenant where tenant_id = $1`, tx.Tenant())
}

// lockTenant lets those that count before they insert come one after another.
func lockTenant(ctx context.Context, tx tenant.Tx) error {
	var id tenant.ID
	return tx.QueryRow(ctx, `select tenant_id from tenant where tenant_id = $1 for no key update`, tx.Tenant()).Scan(&id)
}

func selectTenant(ctx context.Context, tx tenant.Tx) (t Tenant, err error) {
	err = tx.QueryRow(ctx, `
		select tenant_id, name, color, language, mode, status = 'suspended', created_at from tenant where tenant_id = $1`,
		tx.Tenant()).Scan(t.fields()...)
	return t, err
}

func selectTenants(ctx context.Context, tx tenant.Tx, after tenant.ID, limit int) (list []Tenant, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var t Tenant
		err := scan(t.fields()...)
		list = append(list, t)
		return err
	}, `select tenant_id, name, color, language, mode, status = 'suspended', created_at from tenant
		where tenant_id > $1 order by tenant_id limit $2`, after, limit)
	return list, err
}

func (t *Tenant) fields() []any {
	return []any{&t.ID, &t.Brand.Name, &t.Brand.Color, &t.Brand.Language, (*string)(&t.Mode), &t.Suspended, &t.CreatedAt}
}

func countHosts(ctx context.Context, tx tenant.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from tenant_host where tenant_id = $1`, tx.Tenant()).Scan(&n)
	return n, err
}

func insertHost(ctx context.Context, tx tenant.Tx, h Host, verifiedAt *time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into tenant_host (tenant_id, host, purpose, verified_at) values ($1, $2, $3, $4)`,
		tx.Tenant(), h.Name, string(h.Purpose), verifiedAt)
	return err
}

func updateHost(ctx context.Context, tx tenant.Tx, host string, verifiedAt *time.Time) (int64, error) {
	return tx.Exec(ctx, `
		update tenant_host set verified_at = $3 where tenant_id = $1 and host = $2`, tx.Tenant(), host, verifiedAt)
}

func deleteHost(ctx context.Context, tx tenant.Tx, host string) (int64, error) {
	return tx.Exec(ctx, `delete from tenant_host where tenant_id = $1 and host = $2`, tx.Tenant(), host)
}

func selectHosts(ctx context.Context, tx tenant.Tx) (hosts []Host, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var h Host
		err := scan(&h.Name, (*string)(&h.Purpose), &h.Verified)
		hosts = append(hosts, h)
		return err
	}, `select host, purpose, verified_at is not null from tenant_host where tenant_id = $1 order by host`, tx.Tenant())
	return hosts, err
}

func chatHost(ctx context.Context, tx tenant.Tx) (host string, err error) {
	err = tx.QueryRow(ctx, `
		select host from tenant_host where tenant_id = $1 and purpose = 'chat' and verified_at is not null
		order by host limit 1`, tx.Tenant()).Scan(&host)
	return host, err
}

// selectSite finds a verified host; ErrSuspended tells a tenant that has it from none.
func selectSite(ctx context.Context, tx tenant.Tx, host string) (Site, error) {
	site := Site{Tenant: tx.Tenant(), Host: host}
	var suspended bool
	err := tx.QueryRow(ctx, `
		select h.purpose, t.name, t.color, t.language, t.mode, t.status = 'suspended'
		from tenant_host h join tenant t on t.tenant_id = h.tenant_id
		where h.tenant_id = $1 and h.host = $2 and h.verified_at is not null`, tx.Tenant(), host).
		Scan((*string)(&site.Purpose), &site.Brand.Name, &site.Brand.Color, &site.Brand.Language, (*string)(&site.Mode), &suspended)
	if err == nil && suspended {
		err = ErrSuspended
	}
	return site, err
}
