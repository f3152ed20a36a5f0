package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Table is a tenant table as the catalogue describes it.
type Table struct {
	Name    string
	Columns []Column
	Keys    []ForeignKey
	checks  []string
}

// Column is a column and what an insert must give it.
type Column struct {
	Name, Type                   string
	Nullable, Default, Generated bool
}

// ForeignKey refers from a tenant table to another.
type ForeignKey struct {
	Parent                 string
	Columns, ParentColumns []string // without tenant_id
	Nullable               bool     // some column may be null
}

func readTables(ctx context.Context, conn *pgx.Conn) (map[string]*Table, []string, error) {
	tables, order := map[string]*Table{}, []string{}
	rows, err := conn.Query(ctx, `
		select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,
			a.atthasdef and a.attgenerated = '', a.attgenerated <> '' or a.attidentity = 'a'
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
			and exists (select from pg_attribute x where x.attrelid = c.oid and x.attname = 'tenant_id' and not x.attisdropped)
		order by c.relname, a.attnum`)
	if err != nil {
		return nil, nil, err
	}
	var table string
	var column Column
	if _, err := pgx.ForEachRow(rows, []any{&table, &column.Name, &column.Type, &column.Nullable, &column.Default, &column.Generated}, func() error {
		if tables[table] == nil {
			tables[table], order = &Table{Name: table}, append(order, table)
		}
		tables[table].Columns = append(tables[table].Columns, column)
		return nil
	}); err != nil {
		return nil, nil, err
	}
	return tables, order, readConstraints(ctx, conn, tables)
}

func readConstraints(ctx context.Context, conn *pgx.Conn, tables map[string]*Table) error {
	rows, err := conn.Query(ctx, `
		select c.conrelid::regclass::text, c.contype::text, coalesce(c.confrelid::regclass::text, ''), pg_get_constraintdef(c.oid),
			coalesce((select array_agg(a.attname::text order by u.n) from unnest(c.conkey) with ordinality u(k, n)
				join pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.k where a.attname <> 'tenant_id'), '{}'),
			coalesce((select array_agg(a.attname::text order by u.n) from unnest(c.confkey) with ordinality u(k, n)
				join pg_attribute a on a.attrelid = c.confrelid and a.attnum = u.k where a.attname <> 'tenant_id'), '{}'),
			coalesce((select bool_or(not a.attnotnull) from unnest(c.conkey) k
				join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k), false)
		from pg_constraint c where c.contype in ('c', 'f') and c.conrelid <> 0 order by c.oid`)
	if err != nil {
		return err
	}
	var table, kind, definition string
	var key ForeignKey
	_, err = pgx.ForEachRow(rows, []any{&table, &kind, &key.Parent, &definition, &key.Columns, &key.ParentColumns, &key.Nullable}, func() error {
		switch t := tables[table]; {
		case t == nil:
		case kind == "f":
			t.Keys = append(t.Keys, key)
		default:
			t.checks = append(t.checks, definition)
		}
		return nil
	})
	return err
}

// bound finds "expression >= 12" and the like in the table's checks. expression
// is a regular expression.
func (t *Table) bound(expression, operator string) (int, bool) {
	pattern := regexp.MustCompile(`\(` + expression + ` ` + operator + ` \(?'?(-?\d+)`)
	for _, check := range t.checks {
		if m := pattern.FindStringSubmatch(check); m != nil {
			n, err := strconv.Atoi(m[1])
			return n, err == nil
		}
	}
	return 0, false
}

// choice finds the first of the values that a check lists for a column.
func (t *Table) choice(column string) (string, bool) {
	pattern := regexp.MustCompile(`\(` + column + ` = ANY \(ARRAY\['?([^',\]]*)`)
	for _, check := range t.checks {
		if m := pattern.FindStringSubmatch(check); m != nil {
			return m[1], true
		}
	}
	return "", false
}

// size is a length that the checks allow a column, as near as they let it to
// wanted: one byte would soon be the same twice.
func (t *Table) size(column string, wanted int) int {
	length := `(?:octet_length|char_length|length)\(` + column + `\)`
	if n, ok := t.bound(length, "="); ok {
		return n
	}
	if n, ok := t.bound(length, ">="); ok {
		wanted = max(n, wanted)
	}
	if n, ok := t.bound(length, "<="); ok {
		wanted = min(n, wanted)
	}
	return wanted
}

// least is the smallest number that a check allows a column.
func (t *Table) least(column string) int {
	if n, ok := t.bound(column, ">="); ok {
		return n
	}
	if n, ok := t.bound(column, ">"); ok {
		return n + 1
	}
	return 0
}

func (s *Samples) value(t testing.TB, table string, c Column, n int) string {
	t.Helper()
	described := s.tables[table]
	kind, _, _ := strings.Cut(c.Type, "(")
	switch kind {
	case "uuid":
		return hex.EncodeToString(random(16))
	case "bytea":
		return `\x` + hex.EncodeToString(random(described.size(c.Name, 32)))
	case "text", "character varying":
		if value, ok := described.choice(c.Name); ok {
			return value
		}
		size := described.size(c.Name, 16)
		return hex.EncodeToString(random((size + 1) / 2))[:size]
	case "smallint", "integer", "bigint", "numeric":
		if value, ok := described.choice(c.Name); ok {
			return value
		}
		return strconv.Itoa(described.least(c.Name) + n)
	case "boolean":
		return "false"
	case "date":
		return "2030-01-01"
	case "timestamp with time zone":
		return "2030-01-01 00:00:00+00"
	case "interval":
		return "1 day"
	case "json", "jsonb":
		return "{}"
	case "text[]":
		return "{sample}"
	}
	t.Fatalf("table %s, column %s: there is no sample of type %s; put a value in fixtures of tenant/pgtest/sample.go", table, c.Name, c.Type)
	return ""
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
