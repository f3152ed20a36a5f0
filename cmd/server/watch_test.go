package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/registry"
)

// Who is suspended or gone is cut once; who was away from the list because the
// database was is not.
func TestWatcher(t *testing.T) {
	t.Parallel()
	a, b, c := tenant.ID{1}, tenant.ID{2}, tenant.ID{3}
	var list []registry.Tenant
	var fault error
	var cut []tenant.ID
	w := watcher{cut: func(id tenant.ID) { cut = append(cut, id) },
		list: func(_ context.Context, after tenant.ID, _ int) ([]registry.Tenant, error) { return list, fault }}
	look := func(want ...tenant.ID) {
		t.Helper()
		cut = nil
		w.look(t.Context())
		slices.SortFunc(cut, func(x, y tenant.ID) int { return int(x[0]) - int(y[0]) })
		if !slices.Equal(cut, want) {
			t.Errorf("cut %v, want %v", cut, want)
		}
	}
	list = []registry.Tenant{{ID: a}, {ID: b}, {ID: c}}
	look()
	fault, list = errors.New("away"), nil
	look()
	fault, list = nil, []registry.Tenant{{ID: a}, {ID: b, Suspended: true}}
	look(b, c)
	look()
	list = []registry.Tenant{{ID: a}, {ID: b}}
	look()
	list = nil
	look(a, b)
}
