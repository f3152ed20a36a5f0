package tenant

import (
	"context"
	"fmt"
)

// Operator opens transactions as the role that keeps the registry of tenants.
// That role sees every tenant's entry, hosts and wrapped keys, and has no grant
// on anything that members do.
type Operator struct{ db *DB }

// OpenOperator connects as the operator's role; cfg.URL names it.
func OpenOperator(ctx context.Context, cfg Config) (*Operator, error) {
	db, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var may bool
	if err := db.pool.QueryRow(ctx, `select has_table_privilege('tenant', 'insert')`).Scan(&may); err != nil || !may {
		db.Close()
		return nil, fmt.Errorf("open database: expected the role of the operator: %w", ErrDenied)
	}
	return &Operator{db}, nil
}

// Close waits for the transactions in progress and closes the pool.
func (o *Operator) Close() { o.db.Close() }

// In runs fn in a transaction on the registry, of no tenant in particular: it
// commits when fn returns nil and rolls back otherwise.
func (o *Operator) In(ctx context.Context, fn func(Tx) error) error {
	return within(ctx, o.db.pool, setting{"app.tenant_id", ""}, ID{}, fn)
}

// For is In with a tenant, for what a Tx of one tenant joins.
func (o *Operator) For(ctx context.Context, id ID, fn func(Tx) error) error {
	return o.db.In(ctx, id, fn)
}
