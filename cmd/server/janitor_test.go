package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
)

// TI-19: the janitor's role can delete what is over, of one tenant, and does.
func TestJanitorSweepsOneTenant(t *testing.T) {
	t.Parallel()
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return time.Now().AddDate(100, 0, 0) }
	secrets := secret.New(ring)
	rows := over(sso.New(sso.Config{DB: worker, Secrets: secrets, Now: later}), account.New(worker, secrets, later), apikey.New(later), once.New(later))

	own, other := database.Tenant(t), database.Tenant(t)
	samples := database.Samples(t)
	tables := []string{"sso_visit", "sso_used", "socket_ticket", "idempotency", "api_key"}
	theirs := map[string]int64{}
	for _, table := range tables {
		samples.Plant(t, table, own, 1)
		samples.Plant(t, table, other, 2)
		_, theirs[table] = samples.Count(t, table, other)
	}
	run := func(ended ...string) {
		t.Helper()
		for _, sweep := range rows {
			if err := worker.In(t.Context(), own, func(tx tenant.Tx) error { return sweep(t.Context(), tx) }); err != nil {
				t.Error(err)
			}
		}
		for _, table := range ended {
			if n, _ := samples.Count(t, table, own); n != 0 {
				t.Errorf("%s keeps %d rows that are over", table, n)
			}
		}
	}
	run(tables[:4]...)
	// A sampled key never ends, and what refers to a key goes with it: it is
	// revoked when all the rest is gone.
	web := database.Open(t)
	if err := web.In(t.Context(), own, func(tx tenant.Tx) error {
		_, err := tx.Exec(t.Context(), `update api_key set revoked_at = now() where tenant_id = $1`, tx.Tenant())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	run(tables...)
	for _, table := range tables {
		if n, sum := samples.Count(t, table, other); n == 0 || sum != theirs[table] {
			t.Errorf("%s: another tenant's rows changed", table)
		}
	}
}
