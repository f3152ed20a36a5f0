// Package migrations holds the database's schema and brings a database to it.
// Every table with a tenant_id has row-level security enabled and forced; a test
// asks the catalogue.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

//go:embed *.up.sql *.down.sql
var files embed.FS

//go:embed roles.sql
var roles string

// Owner is the role that owns every table and that migrations run as. Nothing
// that serves requests may log in as it.
const Owner = "app_owner"

// CreateRoles creates the roles that are missing. url must log in as a role
// that may create roles; it is needed once a cluster.
func CreateRoles(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("create roles: cannot connect with the given URL")
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, roles); err != nil {
		return fmt.Errorf("create roles: %w", err)
	}
	return nil
}

// Up brings the database to the newest schema. url must log in as Owner.
func Up(url string) error {
	return run(url, func(m *migrate.Migrate) error { return m.Up() })
}

// Down removes everything. It is for tests.
func Down(url string) error {
	return run(url, func(m *migrate.Migrate) error { return m.Down() })
}

func run(url string, do func(*migrate.Migrate) error) (err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("migrate: expected a PostgreSQL connection string or URI, received one that does not parse")
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	m, err := migrator(db)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() {
		sourceErr, dbErr := m.Close()
		err = errors.Join(err, sourceErr, dbErr)
	}()
	if err := do(m); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrator(db *sql.DB) (*migrate.Migrate, error) {
	source, err := iofs.New(files, ".")
	if err != nil {
		return nil, err
	}
	target, err := migratepgx.WithInstance(db, &migratepgx.Config{MigrationsTable: "schema_version"})
	if err != nil {
		return nil, err
	}
	return migrate.NewWithInstance("iofs", source, "pgx5", target)
}

// Roles are the roles that serve requests and jobs, and Owner.
func Roles() []string {
	return []string{Owner, "app_web", "app_relay", "app_worker", "app_operator"}
}
