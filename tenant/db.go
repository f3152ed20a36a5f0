package tenant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says how to reach PostgreSQL.
type Config struct {
	// URL is a PostgreSQL connection string or URI. The user must be one of the
	// roles of migrations/roles.sql: it owns nothing and cannot bypass row-level
	// security. Example: postgres://app_web@/sotto?host=/run/postgresql.
	URL string
	// MaxConns bounds the pool; 0 means 8.
	MaxConns int
	// AllowUnsafeDurability lets a test run on a cluster that may lose what it
	// acknowledged (fsync, full_page_writes or synchronous_commit off).
	AllowUnsafeDurability bool
}

const defaultMaxConns = 8

// DB opens transactions confined to one tenant. The pool stays inside: a query
// outside a tenant cannot be written.
type DB struct{ pool *pgxpool.Pool }

// Open connects and refuses a role or a cluster with which the promises of this
// package do not hold.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &DB{pool}, nil
}

func openPool(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	poolConfig, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		// The driver's error may repeat the URL, and with it a password.
		return nil, fmt.Errorf("open database: expected a PostgreSQL connection string or URI, received one that does not parse")
	}
	poolConfig.MaxConns = int32(cfg.MaxConns)
	if cfg.MaxConns <= 0 {
		poolConfig.MaxConns = defaultMaxConns
	}
	poolConfig.ConnConfig.RuntimeParams["application_name"] = "sotto"
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", clean(err))
	}
	if err := checkServer(ctx, pool, cfg.AllowUnsafeDurability); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// Close waits for the transactions in progress and closes the pool.
func (db *DB) Close() { db.pool.Close() }

// Ping reports whether a connection can be had and answers.
func (db *DB) Ping(ctx context.Context) error { return clean(db.pool.Ping(ctx)) }

// In runs fn in a transaction that sees and changes rows of one tenant only. It
// commits when fn returns nil and rolls back otherwise. fn must not keep the Tx.
func (db *DB) In(ctx context.Context, id ID, fn func(Tx) error) error {
	if id.IsZero() {
		return fmt.Errorf("%w: expected a tenant, received none", ErrDenied)
	}
	return within(ctx, db.pool, setting{"app.tenant_id", id.uuid()}, id, fn)
}

// HostOf returns the tenant that a host name belongs to, or ErrNotFound. It
// reads under a policy that shows the row of exactly this host.
func (db *DB) HostOf(ctx context.Context, host string) (id ID, err error) {
	err = within(ctx, db.pool, setting{"app.host", host}, ID{}, func(tx Tx) error {
		return tx.QueryRow(ctx, `select tenant_id from tenant_host where host = $1`, host).Scan(&id)
	})
	return id, err
}

type setting struct{ name, value string }

// within opens the transaction and makes its one setting, and runs what more
// says, in the same round trip. The setting is local to the transaction (third argument true): the next
// borrower of the connection finds the empty string, which app_tenant() reads
// as no tenant.
func within(ctx context.Context, pool *pgxpool.Pool, s setting, id ID, fn func(Tx) error, more ...string) (err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return clean(err)
	}
	defer conn.Release() // destroys a connection whose transaction is still open

	var begin pgx.Batch
	begin.Queue(`begin`)
	begin.Queue(`select set_config($1, $2, true)`, s.name, s.value)
	for _, sql := range more {
		begin.Queue(sql)
	}
	if err := conn.SendBatch(ctx, &begin).Close(); err != nil {
		return clean(err)
	}
	committed := false
	defer func() {
		if !committed {
			rollback(conn.Conn())
		}
	}()
	if err := fn(Tx{conn: conn.Conn(), tenant: id}); err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, `commit`)
	if err != nil {
		return clean(err)
	}
	committed = true
	if tag.String() == "ROLLBACK" {
		return ErrStatement // a statement had failed and fn hid it
	}
	return nil
}

// rollback uses no caller's context: a cancelled request must not leave the
// transaction open. A connection on which it fails is destroyed at release.
func rollback(conn *pgx.Conn) {
	if conn.PgConn().TxStatus() == 'I' || conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	_, _ = conn.Exec(ctx, `rollback`)
}

// Tx is a transaction confined to one tenant. It is valid inside the function
// that it was given to.
type Tx struct {
	conn   *pgx.Conn
	tenant ID
}

// Tenant names whose rows the transaction sees.
func (tx Tx) Tenant() ID { return tx.tenant }

// Exec runs one statement with parameters and returns how many rows it changed.
func (tx Tx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := tx.conn.Exec(ctx, sql, args...)
	return tag.RowsAffected(), clean(err)
}

// QueryRow runs a statement that gives at most one row; Scan returns
// ErrNotFound when there is none.
func (tx Tx) QueryRow(ctx context.Context, sql string, args ...any) Row {
	return Row{tx.conn.QueryRow(ctx, sql, args...)}
}

// Row is the answer to QueryRow.
type Row struct{ row pgx.Row }

// Scan copies the columns.
func (r Row) Scan(dst ...any) error { return clean(r.row.Scan(dst...)) }

// Query runs a statement and calls each for every row with a function that
// copies its columns; an error from each ends the walk and is returned.
func (tx Tx) Query(ctx context.Context, each func(scan func(dst ...any) error) error, sql string, args ...any) error {
	rows, err := tx.conn.Query(ctx, sql, args...)
	if err != nil {
		return clean(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(func(dst ...any) error { return clean(rows.Scan(dst...)) }); err != nil {
			return err
		}
	}
	return clean(rows.Err())
}

// Pipeline sends several statements in one round trip. It stops at the first
// error; changed holds the rows that each statement changed.
func (tx Tx) Pipeline(ctx context.Context, statements ...Statement) (changed []int64, err error) {
	var batch pgx.Batch
	changed = make([]int64, 0, len(statements))
	for _, s := range statements {
		batch.Queue(s.SQL, s.Args...).Exec(func(tag pgconn.CommandTag) error {
			changed = append(changed, tag.RowsAffected())
			return nil
		})
	}
	return changed, clean(tx.conn.SendBatch(ctx, &batch).Close())
}

// Statement is one statement of a Pipeline.
type Statement struct {
	SQL  string
	Args []any
}
