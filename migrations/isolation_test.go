package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
)

// registry is what the operator's role may see and change of every tenant, by
// design; on every other table it has to find nothing.
var registry = map[string][]string{"app_operator": {"tenant", "tenant_host", "tenant_key"}}

// matrix is two tenants with a row in every table, and a connection that takes
// the part of one role after the other.
type matrix struct {
	*pgtest.Samples
	conn *pgx.Conn
	a, b tenant.ID
}

// sampleB is another number than A's samples have, 0.
const sampleB = 1

func newMatrix(t *testing.T) *matrix {
	m := &matrix{database.Samples(t), connect(t, database.AdminURL()), database.Tenant(t), database.Tenant(t)}
	m.Fill(t, m.a, 0)
	m.Fill(t, m.b, sampleB)
	return m
}

// Every table of the catalogue, every role, every verb: in tenant A's context,
// with B's identifiers, nothing is read and nothing is changed.
func TestIsolation(t *testing.T) {
	m := newMatrix(t)
	for _, role := range migrations.Roles() {
		for _, table := range m.Tables() {
			if slices.Contains(registry[role], table) {
				continue
			}
			t.Run(role+"/"+table, func(t *testing.T) { m.check(t, role, table) })
		}
	}
}

func (m *matrix) check(t *testing.T, role, table string) {
	rows, before := m.Count(t, table, m.b)
	if rows == 0 {
		t.Fatal("tenant B has no row here, so there is nothing to hide")
	}
	m.positive(t, role, table)
	verbs := map[string][]statement{
		"select": m.selects(table), "insert": m.inserts(t, table), "update": m.updates(table), "delete": m.deletes(table),
	}
	for verb, statements := range verbs {
		for _, s := range statements {
			m.as(t, role, m.a, func(tx pgx.Tx) {
				if n, err := s.run(t.Context(), tx); n != 0 || err != nil && !denied(err) {
					t.Errorf("%s: %s met %d rows, %v", verb, s.sql, n, err)
				} else if verb == "insert" && err == nil {
					t.Errorf("%s went through: %s", verb, s.sql)
				}
				m.unchanged(t, tx, verb, table, before)
			})
		}
	}
}

// positive shows that the matrix is not empty: in its own context a role that
// may read the table finds the row that it must not find in the other's.
func (m *matrix) positive(t *testing.T, role, table string) {
	m.as(t, role, m.b, func(tx pgx.Tx) {
		var may bool
		if err := tx.QueryRow(t.Context(), `select has_column_privilege($1, $2, 'tenant_id', 'select')`, role, table).Scan(&may); err != nil {
			t.Fatal(err)
		}
		if !may || role == migrations.Owner {
			return
		}
		s := statement{sql: `select tenant_id from ` + quote(table) + ` where tenant_id = $1`, args: []any{m.b}}
		if n, err := s.run(t.Context(), tx); n == 0 || err != nil {
			t.Errorf("the role may read the table but sees nothing of its own tenant: %d rows, %v", n, err)
		}
	})
}

type statement struct {
	sql  string
	args []any
}

func (s statement) run(ctx context.Context, tx pgx.Tx) (int64, error) {
	inner, err := tx.Begin(ctx) // a savepoint: a refusal must not hide what follows
	if err != nil {
		return 0, err
	}
	tag, err := inner.Exec(ctx, s.sql, s.args...)
	if err != nil {
		return 0, errors.Join(err, inner.Rollback(ctx))
	}
	return tag.RowsAffected(), inner.Commit(ctx)
}

func (m *matrix) selects(table string) []statement {
	statements := []statement{
		{`select tenant_id from ` + quote(table) + ` where tenant_id = $1`, []any{m.b}},
		{`select tenant_id from ` + quote(table) + ` where tenant_id <> $1`, []any{m.a}},
		{`select * from ` + quote(table) + ` where tenant_id = $1`, []any{m.b}},
		{`select * from ` + quote(table) + ` where tenant_id = $1 for update`, []any{m.b}},
	}
	for _, column := range m.Table(table).Columns {
		statements = append(statements, statement{`select ` + quote(column.Name) + ` from ` + quote(table) +
			` x where tenant_id = $1 group by 1`, []any{m.b}})
	}
	return statements
}

func (m *matrix) inserts(t *testing.T, table string) []statement {
	sql, args := m.Insert(table, m.Make(t, table, m.b, sampleB, true))
	own, ownArgs := m.Insert(table, m.Plant(t, table, m.b, sampleB))
	return []statement{{sql, args}, {own, ownArgs}, {own + ` on conflict do nothing`, ownArgs}}
}

func (m *matrix) updates(table string) []statement {
	statements := []statement{{`update ` + quote(table) + ` set tenant_id = $1 where tenant_id = $2`, []any{m.b, m.a}}}
	for _, column := range m.Table(table).Columns {
		if column.Generated {
			continue
		}
		name := quote(column.Name)
		statements = append(statements, statement{`update ` + quote(table) + ` set ` + name + ` = ` + name + ` where tenant_id = $1`, []any{m.b}})
	}
	return statements
}

func (m *matrix) deletes(table string) []statement {
	return []statement{{`delete from ` + quote(table) + ` where tenant_id = $1`, []any{m.b}}}
}

// as takes a role's part in a tenant's context, as tenant.DB does, and undoes
// everything.
func (m *matrix) as(t *testing.T, role string, id tenant.ID, fn func(pgx.Tx)) {
	t.Helper()
	tx, err := m.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	uuid := fmt.Sprintf("%x", id[:])
	for _, s := range []statement{
		{`select set_config('role', $1, true)`, []any{role}},
		{`select set_config('app.tenant_id', $1, true), set_config('app.tenant_ids', '{' || $1 || '}', true)`, []any{uuid}},
	} {
		if _, err := s.run(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	fn(tx)
}

// unchanged looks with the superuser's eyes, inside the same transaction.
func (m *matrix) unchanged(t *testing.T, tx pgx.Tx, verb, table string, before int64) {
	t.Helper()
	var after int64
	if _, err := tx.Exec(t.Context(), `reset role`); err != nil {
		t.Fatal(err)
	}
	err := tx.QueryRow(t.Context(), `select coalesce(sum(hashtextextended(x::text, 0) % 1000000007), 0)::bigint from `+
		quote(table)+` x where tenant_id = $1`, m.b).Scan(&after)
	if err != nil || after != before {
		t.Errorf("%s changed rows of tenant B: %v", verb, err)
	}
}

// A row of A that names B's row is refused whoever inserts it: foreign keys
// look past row-level security, so they carry the tenant themselves.
func TestForeignKeysStayInTheTenant(t *testing.T) {
	m := newMatrix(t)
	keys := 0
	for _, table := range m.Tables() {
		for _, key := range m.Table(table).Keys {
			if len(key.Columns) > 0 { // not that to the tenant itself
				keys++
				m.checkKey(t, table, key)
			}
		}
	}
	if keys == 0 {
		t.Fatal("the catalogue lists no foreign key")
	}
}

func (m *matrix) checkKey(t *testing.T, table string, key pgtest.ForeignKey) {
	own := database.Tenant(t) // has no row of this table yet
	foreign := m.Plant(t, key.Parent, m.b, sampleB)
	for _, full := range []bool{false, true} {
		row := m.Make(t, table, own, 0, full)
		if m.insert(t, own, table, row) != nil {
			continue // the table wants its nullable columns as well
		}
		for i, column := range key.Columns {
			row[column] = foreign[key.ParentColumns[i]]
		}
		var pg *pgconn.PgError
		if err := m.insert(t, own, table, row); !errors.As(err, &pg) || pg.Code != "23503" {
			t.Errorf("%s with a row of B's %s: expected a foreign key to refuse it, got %v", table, key.Parent, err)
		}
		return
	}
	t.Errorf("%s: no sample goes in", table)
}

// insert tries as the superuser and leaves nothing behind.
func (m *matrix) insert(t *testing.T, id tenant.ID, table string, row pgtest.Row) (err error) {
	t.Helper()
	sql, args := m.Insert(table, row)
	m.as(t, "none", id, func(tx pgx.Tx) { _, err = statement{sql, args}.run(t.Context(), tx) })
	return err
}

// A host's row shows itself to whoever asks for exactly that host, and nothing
// else of its tenant.
func TestHostLookupShowsOneRow(t *testing.T) {
	m := newMatrix(t)
	host := m.Plant(t, "tenant_host", m.b, sampleB)["host"]
	for role, want := range map[string]int64{"app_web": 1, "app_worker": 0} {
		m.as(t, role, m.a, func(tx pgx.Tx) {
			if _, err := tx.Exec(t.Context(), `select set_config('app.host', $1, true)`, host); err != nil {
				t.Fatal(err)
			}
			s := statement{`select tenant_id from tenant_host where tenant_id = $1`, []any{m.b}}
			if n, err := s.run(t.Context(), tx); n != want || err != nil {
				t.Errorf("%s sees %d rows, %v", role, n, err)
			}
			if n, _ := (statement{`select tenant_id from tenant where tenant_id = $1`, []any{m.b}}).run(t.Context(), tx); n != 0 {
				t.Errorf("%s sees the tenant behind the host", role)
			}
		})
	}
}

// The test must be able to fail: a table with grants and a policy that forgets
// the tenant is found by it.
func TestIsolationFindsAHole(t *testing.T) {
	m := newMatrix(t)
	m.as(t, "none", m.a, func(tx pgx.Tx) {
		for _, sql := range []string{
			`create policy hole on chat for select to app_web using (tenant_id is not null)`,
			`set local role app_web`,
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := m.selects("chat")[0].run(t.Context(), tx); n == 0 || err != nil {
			t.Errorf("the hole is not seen: %d rows, %v", n, err)
		}
	})
}

func denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
