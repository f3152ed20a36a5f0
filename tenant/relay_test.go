package tenant_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sottochat/sotto/tenant"
)

func openRelay(t *testing.T, role string) (*tenant.RelayDB, error) {
	t.Helper()
	db, err := tenant.OpenRelay(t.Context(), tenant.Config{URL: database.URL(role), AllowUnsafeDurability: true, MaxConns: 1})
	if err == nil {
		t.Cleanup(db.Close)
	}
	return db, err
}

// seenBySet returns the tenants whose accounts the transaction sees.
func seenBySet(t *testing.T, db *tenant.RelayDB, ids []tenant.ID) (seen []tenant.ID) {
	t.Helper()
	err := db.InSet(t.Context(), ids, func(tx tenant.SetTx) error {
		return tx.Query(t.Context(), func(scan func(...any) error) error {
			var id tenant.ID
			err := scan(&id)
			seen = append(seen, id)
			return err
		}, `select tenant_id from account`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestInSetSeesTheSetOnly(t *testing.T) {
	t.Parallel()
	web := database.Open(t)
	relay, err := openRelay(t, "app_relay")
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := database.Tenant(t), database.Tenant(t), database.Tenant(t)
	for _, id := range []tenant.ID{a, b, c} {
		if err := web.In(t.Context(), id, func(tx tenant.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into account (tenant_id, account_id, subject_hash, created_on) values ($1, $2, $3, current_date)`,
				id, [16]byte(tenant.NewID()), make([]byte, 32))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	// One connection in the pool: each set follows another one on it.
	for _, set := range [][]tenant.ID{{a}, {a, b}, {c}, {b, c, a}, {b}} {
		seen := seenBySet(t, relay, set)
		if len(seen) != len(set) || slices.ContainsFunc(seen, func(id tenant.ID) bool { return !slices.Contains(set, id) }) {
			t.Errorf("in a set of %d tenants: saw %d rows", len(set), len(seen))
		}
	}
}

func TestInSetRefuses(t *testing.T) {
	t.Parallel()
	relay, err := openRelay(t, "app_relay")
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string][]tenant.ID{"no tenant": nil, "a zero tenant": {tenant.NewID(), {}}, "too many": make([]tenant.ID, tenant.MaxSet+1)} {
		if err := relay.InSet(t.Context(), set, func(tenant.SetTx) error { t.Error("ran"); return nil }); !errors.Is(err, tenant.ErrDenied) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOpenRelayRefusesTheOwner(t *testing.T) {
	t.Parallel()
	if _, err := openRelay(t, "app_owner"); err == nil {
		t.Error("opened as the owner of the tables")
	}
}
