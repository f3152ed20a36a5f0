package pgtest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sottochat/sotto/tenant"
)

// Samples makes rows of every tenant table from the catalogue: types, checks
// and foreign keys say what a row needs, so a new table is filled, and tested,
// without anybody thinking of it. Where the catalogue is not enough, a value
// stands in fixtures; where that is missing too, the test fails.
type Samples struct {
	conn   *pgx.Conn
	tables map[string]*Table
	order  []string
	rows   map[place]Row
}

// Row is a sample: its values by column, as PostgreSQL reads them from text.
type Row map[string]string

type place struct {
	table  string
	tenant tenant.ID
	n      int
}

// fixtures are values that the catalogue cannot tell, "table.column" to text.
var fixtures = map[string]string{
	"tenant.name": "Sample",
}

// Samples reads the catalogue. The samples are planted as the superuser, who
// stands above row-level security but not above constraints.
func (d *Database) Samples(t testing.TB) *Samples {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	s := &Samples{conn: conn, rows: map[place]Row{}}
	if s.tables, s.order, err = readTables(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if len(s.order) == 0 {
		t.Fatal("the catalogue lists no tenant table")
	}
	return s
}

// Tables lists every table that has a tenant_id, sorted.
func (s *Samples) Tables() []string { return s.order }

// Table describes one of them.
func (s *Samples) Table(name string) *Table { return s.tables[name] }

// Fill plants a row for a tenant in every table. Two tenants that take another
// n share no number that is part of a key.
func (s *Samples) Fill(t testing.TB, id tenant.ID, n int) {
	t.Helper()
	for _, table := range s.order {
		s.Plant(t, table, id, n)
	}
}

// Plant makes sure that the tenant's nth sample of a table, and all that it
// refers to, is in the database, and returns it.
func (s *Samples) Plant(t testing.TB, table string, id tenant.ID, n int) Row {
	t.Helper()
	if row, ok := s.rows[place{table, id, n}]; ok {
		return row
	}
	var err error
	for _, full := range []bool{false, true} {
		row := s.Make(t, table, id, n, full)
		if err = s.insert(t.Context(), table, row); err == nil {
			s.rows[place{table, id, n}] = row
			return row
		}
	}
	t.Fatalf("table %s: no sample row can be derived from the catalogue; put what it needs in fixtures of tenant/pgtest/sample.go: %v", table, err)
	return nil
}

// Make returns the nth sample without planting it; what it refers to is
// planted. full gives nullable columns a value too.
func (s *Samples) Make(t testing.TB, table string, id tenant.ID, n int, full bool) Row {
	t.Helper()
	row := Row{"tenant_id": hex.EncodeToString(id[:])}
	described := s.tables[table]
	seen, loose := map[string]int{}, map[string]bool{}
	for _, key := range described.Keys {
		if key.Nullable {
			for _, column := range key.Columns {
				loose[column] = true
			}
		}
		if key.Nullable || len(key.Columns) == 0 {
			continue
		}
		// A second reference to the same table is to another of its rows.
		parent := s.Plant(t, key.Parent, id, n+seen[key.Parent])
		seen[key.Parent]++
		for i, column := range key.Columns {
			row[column] = parent[key.ParentColumns[i]]
		}
	}
	for _, column := range described.Columns {
		if _, done := row[column.Name]; done || column.Generated {
			continue
		}
		value, given := fixtures[table+"."+column.Name]
		if !given && (column.Default || loose[column.Name] || column.Nullable && !full) {
			continue
		}
		if !given {
			value = s.value(t, table, column, n)
		}
		row[column.Name] = value
	}
	return row
}

func (s *Samples) insert(ctx context.Context, table string, row Row) error {
	sql, args := s.Insert(table, row)
	_, err := s.conn.Exec(ctx, sql, args...)
	var pg *pgconn.PgError
	if table == "tenant" && errors.As(err, &pg) && pg.Code == "23505" {
		return nil // the caller made the tenant itself
	}
	return err
}

// Insert writes the statement for a row. Names come from the catalogue.
func (s *Samples) Insert(table string, row Row) (sql string, args []any) {
	var names, values []string
	for _, column := range s.tables[table].Columns {
		value, ok := row[column.Name]
		if !ok {
			continue
		}
		args = append(args, value)
		names = append(names, pgx.Identifier{column.Name}.Sanitize())
		values = append(values, fmt.Sprintf("$%d::text::%s", len(args), column.Type))
	}
	return fmt.Sprintf("insert into %s (%s) values (%s)", pgx.Identifier{table}.Sanitize(),
		strings.Join(names, ", "), strings.Join(values, ", ")), args
}

// Count returns how many rows a tenant has in a table, and a checksum of them.
func (s *Samples) Count(t testing.TB, table string, id tenant.ID) (rows, checksum int64) {
	t.Helper()
	err := s.conn.QueryRow(t.Context(), `select count(*), coalesce(sum(hashtextextended(x::text, 0) % 1000000007), 0)::bigint from `+
		pgx.Identifier{table}.Sanitize()+` x where tenant_id = $1`, id).Scan(&rows, &checksum)
	if err != nil {
		t.Fatal(err)
	}
	return rows, checksum
}
