package migrations_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// lint returns what the catalogue lint finds, one line a finding.
func lint(t *testing.T, conn interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}) []string {
	t.Helper()
	sql, err := os.ReadFile("testdata/rls_lint.sql")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), string(sql), strings.Join(migrations.Roles()[1:], ","))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var rule, object, detail string
		err := row.Scan(&rule, &object, &detail)
		return fmt.Sprint(rule, ": ", object, " ", detail), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func TestCatalogueIsClean(t *testing.T) {
	for _, finding := range lint(t, connect(t, database.AdminURL())) {
		t.Error(finding)
	}
}

// Each statement is what a careless migration would hold. The lint must name it.
func TestCatalogueLintFinds(t *testing.T) {
	careless := map[string]string{
		"L04": `create table t (tenant_id uuid not null); grant select on t to app_web`,
		"L05": `create table t (tenant_id uuid not null); alter table t enable row level security`,
		"L06": `create table t (a int); grant select on t to app_web`,
		"L07": `create table t (tenant_id uuid not null); alter table t enable row level security; alter table t force row level security`,
		"L08": `create table t (tenant_id uuid not null); alter table t enable row level security; create policy p on t using (true)`,
		"L10": `create table t (tenant_id uuid)`,
		"L11": `create view v as select * from tenant; grant select on v to app_web`,
		"L13": `create function f() returns int language sql security definer return 1`,
		"L14": `create table t (tenant_id uuid not null, a int unique)`,
		"L16": `grant truncate on tenant to app_web`,
		"L18": `create table t (tenant_id uuid not null, a bigint generated always as identity)`,
		"L19": `grant create on schema public to app_web`,
		"L20": `grant select on tenant to public`,
	}
	conn := connect(t, database.AdminURL())
	for rule, sql := range careless {
		t.Run(rule, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.Background())
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			if found := strings.Join(lint(t, tx), "\n"); !strings.Contains(found, rule) {
				t.Errorf("the lint does not find %s after %q; it found %q", rule, sql, found)
			}
		})
	}
}

// The catalogue decides which tables hold tenants' rows: each has the column
// first in its primary key.
func TestTenantLeadsEveryPrimaryKey(t *testing.T) {
	conn := connect(t, database.AdminURL())
	rows, err := conn.Query(t.Context(), `
		select c.relname,
			coalesce((select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
				where i.indrelid = c.oid and i.indisprimary), 'none')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'schema_version'`)
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	var table, first string
	if _, err := pgx.ForEachRow(rows, []any{&table, &first}, func() error {
		tables++
		if first != "tenant_id" {
			t.Errorf("table %s: expected tenant_id first in the primary key, found %s", table, first)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if tables == 0 {
		t.Fatal("the catalogue lists no table")
	}
}

func TestUpDownUp(t *testing.T) {
	admin := connect(t, database.AdminURL())
	name := strings.TrimPrefix(admin.Config().Database, "sotto_test_")
	name = "sotto_updown_" + name
	if _, err := admin.Exec(t.Context(), `create database `+name+` owner `+migrations.Owner); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Exec(context.Background(), `drop database `+name+` with (force)`) })
	url := strings.Replace(database.URL(migrations.Owner), admin.Config().Database, name, 1)
	for _, step := range []func(string) error{migrations.Up, migrations.Down, migrations.Up, migrations.Up} {
		if err := step(url); err != nil {
			t.Fatal(err)
		}
	}
}
