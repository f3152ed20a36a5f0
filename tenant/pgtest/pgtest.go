// Package pgtest gives a test a migrated PostgreSQL database and a fresh tenant
// in it. Tests run as the roles of production, never as the owner, in parallel.
//
// A package's TestMain calls Main. The server is the one that
// SOTTO_TEST_DATABASE_URL names (a login that may create roles and databases),
// or a private cluster that Main starts and removes.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/pglocal"
)

// URLVariable names the environment variable of an existing server.
const URLVariable = "SOTTO_TEST_DATABASE_URL"

// Database is one migrated database.
type Database struct{ admin *url.URL }

// Main prepares a database, runs the tests of a package and removes the
// database. A machine without PostgreSQL skips the package's tests, except
// where CI is set: there it fails.
func Main(m *testing.M, use func(*Database)) {
	db, cleanup, err := prepare(context.Background())
	if errors.Is(err, pglocal.ErrMissing) && os.Getenv("CI") == "" {
		fmt.Fprintln(os.Stderr, "skipped:", err)
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		os.Exit(1)
	}
	use(db)
	code := m.Run()
	cleanup()
	os.Exit(code)
}

func prepare(ctx context.Context) (*Database, func(), error) {
	admin, stop, err := server(ctx)
	if err != nil {
		return nil, nil, err
	}
	name := id.Text("sotto_test_", id.Random())
	db, err := create(ctx, admin, name)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return db, func() {
		if err := execute(ctx, admin, `drop database `+name+` with (force)`); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: drop database:", err)
		}
		stop()
	}, nil
}

func server(ctx context.Context) (admin *url.URL, stop func(), err error) {
	if given := os.Getenv(URLVariable); given != "" {
		admin, err = url.Parse(given)
		return admin, func() {}, err
	}
	dir, err := os.MkdirTemp("", "sotto-pg-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, nil, err
	}
	cluster, err := pglocal.Start(ctx, pglocal.Config{Dir: dir, Roles: migrations.Roles(), Settings: fast})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	admin, err = url.Parse(cluster.URL(pglocal.Superuser, "postgres"))
	return admin, func() { cluster.Stop(); os.RemoveAll(dir) }, err
}

// fast trades durability, which only tests with a cluster of their own look at,
// for speed.
var fast = map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}

func create(ctx context.Context, admin *url.URL, name string) (*Database, error) {
	if err := migrations.CreateRoles(ctx, admin.String()); err != nil {
		return nil, err
	}
	if err := execute(ctx, admin, `create database `+name+` owner `+migrations.Owner); err != nil {
		return nil, err
	}
	at := *admin
	at.Path = "/" + name
	db := &Database{&at}
	return db, migrations.Up(db.URL(migrations.Owner))
}

func execute(ctx context.Context, admin *url.URL, sql string) error {
	conn, err := pgx.Connect(ctx, admin.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// URL names the database as a role.
func (d *Database) URL(role string) string {
	u := *d.admin
	u.User = url.User(role)
	return u.String()
}

// AdminURL names the database as the cluster's superuser, for tests that look
// at the catalogue or plant a row that no role of ours could.
func (d *Database) AdminURL() string { return d.admin.String() }

// Open opens the database as the role of requests; the test closes it.
func (d *Database) Open(t testing.TB) *tenant.DB {
	t.Helper()
	db, err := tenant.Open(t.Context(), tenant.Config{URL: d.URL("app_web"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Tenant makes a fresh tenant in free mode.
func (d *Database) Tenant(t testing.TB) tenant.ID {
	t.Helper()
	id := tenant.NewID()
	conn, err := pgx.Connect(t.Context(), d.URL("app_operator"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `insert into tenant (tenant_id, name, mode) values ($1, 'Test', 'free')`, id); err != nil {
		t.Fatal(err)
	}
	return id
}
