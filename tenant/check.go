package tenant

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackTimeout bounds how long an abandoned transaction may hold its
// connection before the connection is destroyed.
const rollbackTimeout = 5 * time.Second

// checkServer refuses what would silently break isolation or durability
// (docs/operations.md, "What a start refuses").
func checkServer(ctx context.Context, pool *pgxpool.Pool, unsafeDurability bool) error {
	if err := checkRole(ctx, pool); err != nil {
		return err
	}
	if unsafeDurability {
		return nil
	}
	return checkDurability(ctx, pool)
}

// checkRole reads the catalogue for every way in which the role, or one that it
// can become, escapes row-level security.
func checkRole(ctx context.Context, pool *pgxpool.Pool) error {
	var role, power string
	err := pool.QueryRow(ctx, `
		select current_user, coalesce((
			select string_agg(distinct why, ', ') from (
				select unnest(array[
					case when r.rolsuper then 'SUPERUSER' end,
					case when r.rolbypassrls then 'BYPASSRLS' end,
					case when r.rolreplication then 'REPLICATION' end,
					case when exists (select from pg_class c where c.relowner = r.oid) then 'owner of tables' end
				]) as why
				from pg_roles r where pg_has_role(current_user, r.oid, 'MEMBER')
			) as powers
		), '')`).Scan(&role, &power)
	if err != nil {
		return fmt.Errorf("check database role: %w", clean(err))
	}
	if power != "" {
		return fmt.Errorf("check database role: expected a role that cannot bypass row-level security, received %q with: %s", role, power)
	}
	return nil
}

// checkDurability refuses settings under which PostgreSQL acknowledges what a
// crash can take back.
func checkDurability(ctx context.Context, pool *pgxpool.Pool) error {
	var off string
	err := pool.QueryRow(ctx, `
		select coalesce(string_agg(name, ', ' order by name), '') from pg_settings
		where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'`).Scan(&off)
	if err != nil {
		return fmt.Errorf("check database durability: %w", clean(err))
	}
	if off != "" {
		return fmt.Errorf("check database durability: expected fsync, full_page_writes and synchronous_commit on, received off: %s", off)
	}
	return nil
}
