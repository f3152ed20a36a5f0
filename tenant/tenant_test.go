package tenant_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

func names(t *testing.T, db *tenant.DB, id tenant.ID) (seen []tenant.ID) {
	t.Helper()
	err := db.In(t.Context(), id, func(tx tenant.Tx) error {
		return tx.Query(t.Context(), func(scan func(...any) error) error {
			var row tenant.ID
			if err := scan(&row); err != nil {
				return err
			}
			seen = append(seen, row)
			return nil
		}, `select tenant_id from tenant`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestInSeesOneTenant(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	a, b := database.Tenant(t), database.Tenant(t)
	for _, id := range []tenant.ID{a, b, a} {
		if seen := names(t, db, id); len(seen) != 1 || seen[0] != id {
			t.Errorf("in %v: saw %v", id, seen)
		}
	}
}

func TestInRefusesNoTenant(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	err := db.In(t.Context(), tenant.ID{}, func(tenant.Tx) error { t.Error("ran"); return nil })
	if !errors.Is(err, tenant.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

// TI-04: before any tenant is set, and after a commit on the same connection,
// the connection shows nothing.
func TestConnectionShowsNothingOutside(t *testing.T) {
	t.Parallel()
	id := database.Tenant(t)
	conn, err := pgx.Connect(t.Context(), database.URL("app_web"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	count := func() (n int) {
		if err := conn.QueryRow(t.Context(), `select count(*) from tenant`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 0 {
		t.Errorf("a fresh connection sees %d rows", n)
	}
	for _, sql := range []string{`begin`, `select set_config('app.tenant_id', '` + strings.TrimSpace(uuidOf(t, conn, id)) + `', true)`, `commit`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 0 {
		t.Errorf("after a commit the connection sees %d rows", n)
	}
}

func uuidOf(t *testing.T, conn *pgx.Conn, id tenant.ID) (text string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `select $1::uuid::text`, id).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRollback(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	id := database.Tenant(t)
	wrong := errors.New("wrong")
	insert := func(tx tenant.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into tenant_key (tenant_id, version, master, wrapped) values ($1, 1, 'm', $2)`, id, make([]byte, 60))
		return err
	}
	err := db.In(t.Context(), id, func(tx tenant.Tx) error { return errors.Join(insert(tx), wrong) })
	if !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	func() {
		defer func() { recover() }()
		db.In(t.Context(), id, func(tx tenant.Tx) error { insert(tx); panic("crash") })
	}()
	var n int
	err = db.In(t.Context(), id, func(tx tenant.Tx) error {
		return tx.QueryRow(t.Context(), `select count(*) from tenant_key`).Scan(&n)
	})
	if err != nil || n != 0 {
		t.Errorf("an abandoned transaction left %d rows, %v", n, err)
	}
}

// A statement failed and the function hid it: the commit is a rollback, and the
// caller must hear of it.
func TestHiddenFailureIsReported(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	id := database.Tenant(t)
	err := db.In(t.Context(), id, func(tx tenant.Tx) error {
		tx.Exec(t.Context(), `select 1/0`)
		return nil
	})
	if !errors.Is(err, tenant.ErrStatement) {
		t.Errorf("got %v", err)
	}
}

// TI-13: what the database says about a violation holds no value of a row.
func TestErrorsHoldNoValue(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	id := database.Tenant(t)
	const canary = "canary-value"
	for name, c := range map[string]struct {
		sql  string
		args []any
		want error
	}{
		"check":     {`update tenant set color = $1`, []any{canary}, tenant.ErrCheck},
		"reference": {`insert into tenant_secret (tenant_id, name, key_version, sealed) values ($1, $2, 7, $3)`, []any{id, canary, make([]byte, 30)}, tenant.ErrReference},
		"cast":      {`select $1::text::uuid`, []any{canary}, tenant.ErrStatement},
		"not null":  {`update tenant set name = null where $1 <> ''`, []any{canary}, tenant.ErrCheck},
		"grant":     {`delete from tenant where name = $1`, []any{canary}, tenant.ErrDenied},
		"none":      {`select name from tenant where name = $1`, []any{canary}, tenant.ErrNotFound},
	} {
		err := db.In(t.Context(), id, func(tx tenant.Tx) error {
			var x any
			return tx.QueryRow(t.Context(), c.sql, c.args...).Scan(&x)
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error repeats a value: %v", name, err)
		}
	}
}

// TI-03 and MBX-05.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config tenant.Config
		says   string
	}{
		"superuser":  {tenant.Config{URL: database.AdminURL(), AllowUnsafeDurability: true}, "SUPERUSER"},
		"owner":      {tenant.Config{URL: database.URL(migrations.Owner), AllowUnsafeDurability: true}, "owner of tables"},
		"durability": {tenant.Config{URL: database.URL("app_web")}, "fsync"},
		"url":        {tenant.Config{URL: "postgres://u:hidden@:bad:/"}, "does not parse"},
	} {
		db, err := tenant.Open(t.Context(), c.config)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	a, b := database.Tenant(t), database.Tenant(t)
	operator, err := pgx.Connect(t.Context(), database.URL("app_operator"))
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close(context.Background())
	hostA, hostB := strings.ToLower(a.String())+".example", strings.ToLower(b.String())+".example"
	hostA, hostB = strings.ReplaceAll(hostA, "_", "-"), strings.ReplaceAll(hostB, "_", "-")
	for host, id := range map[string]tenant.ID{hostA: a, hostB: b} {
		if _, err := operator.Exec(t.Context(), `insert into tenant_host (tenant_id, host, purpose) values ($1, $2, 'chat')`, id, host); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := db.HostOf(t.Context(), hostA); got != a || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := db.HostOf(t.Context(), "elsewhere.example"); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := operator.Exec(t.Context(), `insert into tenant_host (tenant_id, host, purpose) values ($1, $2, 'chat')`, b, hostA); err == nil {
		t.Error("one host belongs to two tenants")
	}
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	db := database.Open(t)
	id := database.Tenant(t)
	err := db.In(t.Context(), id, func(tx tenant.Tx) error {
		changed, err := tx.Pipeline(t.Context(),
			tenant.Statement{SQL: `update tenant set name = $1`, Args: []any{"One"}},
			tenant.Statement{SQL: `update tenant set name = $1 where name = 'Other'`, Args: []any{"Two"}})
		if len(changed) != 2 || changed[0] != 1 || changed[1] != 0 {
			t.Errorf("changed %v", changed)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
