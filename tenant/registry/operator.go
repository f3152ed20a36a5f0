package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/secret"
)

// maxHosts bounds the hosts of one tenant.
const maxHosts = 20

// Tenant is an entry of the registry.
type Tenant struct {
	ID        tenant.ID
	Brand     Brand
	Mode      Mode
	Suspended bool
	CreatedAt time.Time
}

// Host is a name under which a tenant is reached. It serves nobody before it is
// verified.
type Host struct {
	Name     string
	Purpose  Purpose
	Verified bool
}

// Operator changes the registry, as the operator's database role. The caller
// tells each node's Registry to Forget what changed.
type Operator struct {
	db  *tenant.Operator
	now func() time.Time
}

// NewOperator makes the operator's side; now is the server's clock.
func NewOperator(db *tenant.Operator, now func() time.Time) *Operator {
	return &Operator{db, now}
}

// Create enters a tenant. Color and Language may be empty.
func (o *Operator) Create(ctx context.Context, brand Brand, mode Mode) (Tenant, error) {
	t := Tenant{ID: tenant.NewID(), Brand: brand.withDefaults(), Mode: mode, CreatedAt: o.now()}
	if err := errors.Join(t.Brand.check(), mode.check()); err != nil {
		return Tenant{}, err
	}
	err := o.db.For(ctx, t.ID, func(tx tenant.Tx) error { return insertTenant(ctx, tx, t) })
	if err != nil {
		return Tenant{}, fmt.Errorf("create tenant: %w", err)
	}
	return t, nil
}

// Update changes a tenant's looks and mode.
func (o *Operator) Update(ctx context.Context, id tenant.ID, brand Brand, mode Mode) error {
	if err := errors.Join(brand.check(), mode.check()); err != nil {
		return err
	}
	return o.change(ctx, id, "update tenant", func(tx tenant.Tx) (int64, error) { return updateTenant(ctx, tx, brand, mode) })
}

// Suspend stops serving a tenant; nothing is deleted. The caller cuts its
// sockets.
func (o *Operator) Suspend(ctx context.Context, id tenant.ID) error {
	return o.change(ctx, id, "suspend tenant", func(tx tenant.Tx) (int64, error) { return updateStatus(ctx, tx, statusSuspended) })
}

// Resume serves a suspended tenant again.
func (o *Operator) Resume(ctx context.Context, id tenant.ID) error {
	return o.change(ctx, id, "resume tenant", func(tx tenant.Tx) (int64, error) { return updateStatus(ctx, tx, statusActive) })
}

// Delete removes a suspended tenant and every row of every table that is its
// own, data keys included: what lies elsewhere sealed under them opens no more.
// One that is still served is ErrActive. Objects in the media store are the
// caller's.
func (o *Operator) Delete(ctx context.Context, id tenant.ID) error {
	return o.change(ctx, id, "delete tenant", func(tx tenant.Tx) (int64, error) {
		t, err := selectTenant(ctx, tx)
		switch {
		case errors.Is(err, tenant.ErrNotFound):
			return 0, ErrUnknown
		case err == nil && !t.Suspended:
			return 0, ErrActive
		case err != nil:
			return 0, err
		}
		return deleteTenant(ctx, tx)
	})
}

// AddHost gives a tenant a host and returns it in its stored form. verified says
// that the operator vouches for it; else it waits for VerifyHost.
func (o *Operator) AddHost(ctx context.Context, id tenant.ID, host string, purpose Purpose, verified bool) (Host, error) {
	name, err := Normalize(host, purpose)
	if err != nil {
		return Host{}, err
	}
	h := Host{name, purpose, verified}
	err = o.db.For(ctx, id, func(tx tenant.Tx) error {
		if err := lockTenant(ctx, tx); err != nil {
			return err
		}
		n, err := countHosts(ctx, tx)
		if err != nil {
			return err
		}
		if n >= maxHosts {
			return fmt.Errorf("%w: expected at most %d", ErrHosts, maxHosts)
		}
		return insertHost(ctx, tx, h, o.verifiedAt(verified))
	})
	switch {
	case errors.Is(err, tenant.ErrConflict):
		return Host{}, ErrHostTaken
	case errors.Is(err, tenant.ErrNotFound):
		return Host{}, ErrUnknown
	case err != nil:
		return Host{}, fmt.Errorf("add host: %w", err)
	}
	return h, nil
}

// VerifyHost records that the host answered with our certificate.
func (o *Operator) VerifyHost(ctx context.Context, id tenant.ID, host string) error {
	return o.change(ctx, id, "verify host", func(tx tenant.Tx) (int64, error) {
		return updateHost(ctx, tx, host, o.verifiedAt(true))
	})
}

// RemoveHost takes a host from a tenant; from then on anybody may register it.
func (o *Operator) RemoveHost(ctx context.Context, id tenant.ID, host string) error {
	return o.change(ctx, id, "remove host", func(tx tenant.Tx) (int64, error) { return deleteHost(ctx, tx, host) })
}

// Get returns a tenant's entry and hosts.
func (o *Operator) Get(ctx context.Context, id tenant.ID) (t Tenant, hosts []Host, err error) {
	err = o.db.For(ctx, id, func(tx tenant.Tx) (err error) {
		if t, err = selectTenant(ctx, tx); err != nil {
			return err
		}
		hosts, err = selectHosts(ctx, tx)
		return err
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return Tenant{}, nil, ErrUnknown
	}
	return t, hosts, err
}

// List returns up to limit tenants whose identifier follows after, in the order
// of identifiers; the zero ID begins.
func (o *Operator) List(ctx context.Context, after tenant.ID, limit int) (list []Tenant, err error) {
	err = o.db.In(ctx, func(tx tenant.Tx) (err error) {
		list, err = selectTenants(ctx, tx, after, limit)
		return err
	})
	return list, err
}

// Rewrap wraps the data keys of every tenant under the newest master key, a
// transaction for each, and reports how many it changed. It may be stopped and
// run again; once it returns without an error, older master keys can go.
func (o *Operator) Rewrap(ctx context.Context, secrets *secret.Store) (changed int, err error) {
	const page = 100
	for after := (tenant.ID{}); ; {
		list, err := o.List(ctx, after, page)
		if err != nil || len(list) == 0 {
			return changed, err
		}
		for _, t := range list {
			err := o.db.For(ctx, t.ID, func(tx tenant.Tx) error {
				n, err := secrets.Rewrap(ctx, tx)
				changed += n
				return err
			})
			if err != nil {
				return changed, fmt.Errorf("rewrap the keys of %s: %w", t.ID, err)
			}
		}
		after = list[len(list)-1].ID
	}
}

// change runs one statement on one tenant; ErrUnknown when it met no row.
func (o *Operator) change(ctx context.Context, id tenant.ID, what string, do func(tenant.Tx) (int64, error)) error {
	err := o.db.For(ctx, id, func(tx tenant.Tx) error {
		n, err := do(tx)
		if err == nil && n == 0 {
			err = ErrUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (o *Operator) verifiedAt(verified bool) *time.Time {
	if !verified {
		return nil
	}
	at := o.now()
	return &at
}
