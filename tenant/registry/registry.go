// Package registry knows which tenants there are, under which hosts they are
// reached and how they look. Operator changes them, as the operator's database
// role; Registry answers for requests, as theirs. It does not know members.
package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrUnknown   = errors.New("registry: no such tenant or host")
	ErrSuspended = errors.New("registry: the tenant is suspended")
	ErrActive    = errors.New("registry: a tenant is suspended before it is deleted")
	ErrHostTaken = errors.New("registry: the host belongs to a tenant already")
	ErrBrand     = errors.New("registry: not a usable name, color, language or mode")
	ErrHosts     = errors.New("registry: the tenant has all the hosts it may have")
)

// Site is what a request's host name stands for.
type Site struct {
	Tenant  tenant.ID
	Host    string // as Normalize returns it
	Purpose Purpose
	Brand   Brand
	Mode    Mode
}

// Registry answers for requests. Its answers are at most lookupLife old.
type Registry struct {
	db    *tenant.DB
	sites *cache
}

// New makes the registry; now is the server's clock.
func New(db *tenant.DB, now func() time.Time) *Registry {
	return &Registry{db, newCache(now)}
}

// Lookup returns the site of a request's Host header. Hosts that nobody has,
// that are not verified or not a host's name at all are ErrUnknown; those of a
// suspended tenant ErrSuspended.
func (r *Registry) Lookup(ctx context.Context, header string) (Site, error) {
	host, err := normalizeHeader(header)
	if err != nil {
		return Site{}, ErrUnknown
	}
	if site, err, ok := r.sites.get(host); ok {
		return site, err
	}
	mark := r.sites.mark()
	site, err := r.find(ctx, host)
	if err == nil || errors.Is(err, ErrUnknown) || errors.Is(err, ErrSuspended) {
		r.sites.put(mark, host, site, err)
	}
	return site, err
}

func (r *Registry) find(ctx context.Context, host string) (site Site, err error) {
	id, err := r.db.HostOf(ctx, host)
	if err == nil {
		err = r.db.In(ctx, id, func(tx tenant.Tx) (err error) {
			site, err = selectSite(ctx, tx, host)
			return err
		})
	}
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return Site{}, ErrUnknown
	case errors.Is(err, ErrSuspended):
		return Site{}, ErrSuspended
	case err != nil:
		return Site{}, fmt.Errorf("look up host: %w", err)
	}
	return site, nil
}

// Forget drops what is remembered about a tenant, or about hosts nobody had.
// Whoever changes a tenant on this node calls it; other nodes need no more than
// lookupLife.
func (r *Registry) Forget(id tenant.ID) { r.sites.forget(id) }

// SetBrand changes how a tenant looks, on behalf of its own staff.
func (r *Registry) SetBrand(ctx context.Context, tx tenant.Tx, brand Brand) error {
	if err := brand.check(); err != nil {
		return err
	}
	return updateBrand(ctx, tx, brand)
}

// ChatHost returns the verified host on which a tenant's members chat: the
// first in the alphabet where there are several.
func (r *Registry) ChatHost(ctx context.Context, tx tenant.Tx) (string, error) {
	host, err := chatHost(ctx, tx)
	if errors.Is(err, tenant.ErrNotFound) {
		return "", ErrUnknown
	}
	return host, err
}
