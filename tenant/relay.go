package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// MaxSet bounds the tenants of one transaction: a relay batches at most 256
// envelopes and 1024 acknowledgements, and the policy compares each row with
// each tenant of the set.
const MaxSet = 512

// RelayDB opens transactions confined to a set of tenants, for the one role
// whose work is batched across them (app_relay). What the role may touch at all
// is a matter of grants: mailboxes, and who is addressed.
type RelayDB struct{ pool *pgxpool.Pool }

// OpenRelay connects as Open does, with the same refusals.
func OpenRelay(ctx context.Context, cfg Config) (*RelayDB, error) {
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &RelayDB{pool}, nil
}

// Close waits for the transactions in progress and closes the pool.
func (db *RelayDB) Close() { db.pool.Close() }

// Ping reports whether a connection can be had and answers.
func (db *RelayDB) Ping(ctx context.Context) error { return clean(db.pool.Ping(ctx)) }

// InSet runs fn in a transaction that sees and changes rows of the given
// tenants only, 1 to MaxSet of them. The set lives exactly as long as the
// transaction. It commits when fn returns nil and rolls back otherwise. fn must
// not keep the SetTx.
func (db *RelayDB) InSet(ctx context.Context, ids []ID, fn func(SetTx) error) error {
	if len(ids) == 0 || len(ids) > MaxSet || slices.Contains(ids, ID{}) {
		return fmt.Errorf("%w: expected 1 to %d tenants, received %d", ErrDenied, MaxSet, len(ids))
	}
	return within(ctx, db.pool, setting{"app.tenant_ids", setOf(ids)}, ID{}, func(tx Tx) error { return fn(SetTx{tx}) }, relayPlans)
}

// relayPlans fixes how a relay's statements are carried out, for the
// transaction. They take arrays of any length: planned anew for each, over the
// partitions, they cost more to plan than to run. And each looks rows up by whole
// primary keys: a plan that was made while a table was small or not analysed yet
// must not read all of it later.
const relayPlans = `select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
	set_config('enable_bitmapscan', 'off', true), set_config('enable_material', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true)`

// setOf is the text form of uuid[].
func setOf(ids []ID) string {
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = id.uuid()
	}
	return "{" + strings.Join(text, ",") + "}"
}

// SetTx is a transaction confined to a set of tenants. It is valid inside the
// function that it was given to, and it cannot pass for a Tx, which is one
// tenant's.
type SetTx struct{ tx Tx }

// Exec is Tx.Exec.
func (tx SetTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	return tx.tx.Exec(ctx, sql, args...)
}

// QueryRow is Tx.QueryRow.
func (tx SetTx) QueryRow(ctx context.Context, sql string, args ...any) Row {
	return tx.tx.QueryRow(ctx, sql, args...)
}

// Query is Tx.Query.
func (tx SetTx) Query(ctx context.Context, each func(scan func(dst ...any) error) error, sql string, args ...any) error {
	return tx.tx.Query(ctx, each, sql, args...)
}
