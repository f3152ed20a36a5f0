package main

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/registry"
)

// watchEvery bounds how long the sockets of a tenant outlive its suspension or
// deletion; requests end as soon, by the registry's own cache.
const watchEvery = 5 * time.Second

// watcher cuts the sockets of tenants that another process suspended or deleted.
type watcher struct {
	list func(ctx context.Context, after tenant.ID, limit int) ([]registry.Tenant, error)
	cut  func(tenant.ID)

	served map[tenant.ID]bool // at the last look
}

// run looks until the context ends.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look compares the registry with the last time. A look that fails half way
// changes nothing: the database being away is no reason to cut anybody.
func (w *watcher) look(ctx context.Context) {
	const page = 500
	now := map[tenant.ID]bool{}
	for after := (tenant.ID{}); ; {
		list, err := w.list(ctx, after, page)
		if err != nil {
			return
		}
		for _, t := range list {
			if !t.Suspended {
				now[t.ID] = true
			}
			after = t.ID
		}
		if len(list) < page {
			break
		}
	}
	for id := range w.served {
		if !now[id] {
			w.cut(id)
		}
	}
	w.served = now
}
