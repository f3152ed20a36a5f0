package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

func pair(name string, fill byte) string {
	return name + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func store(t *testing.T, pairs ...string) *secret.Store {
	t.Helper()
	ring, err := secret.ParseKeyring(strings.Join(pairs, ","))
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(ring)
}

func in(t *testing.T, db *tenant.DB, id tenant.ID, fn func(tenant.Tx) error) {
	t.Helper()
	if err := db.In(t.Context(), id, fn); err != nil {
		t.Fatal(err)
	}
}

func TestPutGet(t *testing.T) {
	t.Parallel()
	db, a, b := database.Open(t), database.Tenant(t), database.Tenant(t)
	s := store(t, pair("one", 1))
	for _, value := range []string{"first", "second", ""} {
		in(t, db, a, func(tx tenant.Tx) error { return s.Put(t.Context(), tx, "idp", []byte(value)) })
		in(t, db, a, func(tx tenant.Tx) error {
			got, err := s.Get(t.Context(), tx, "idp")
			if string(got) != value {
				t.Errorf("got %q, want %q", got, value)
			}
			return err
		})
	}
	in(t, db, b, func(tx tenant.Tx) error {
		if _, err := s.Get(t.Context(), tx, "idp"); !errors.Is(err, secret.ErrUnknown) {
			t.Errorf("the other tenant got %v", err)
		}
		return nil
	})
	in(t, db, a, func(tx tenant.Tx) error { return s.Delete(t.Context(), tx, "idp") })
	in(t, db, a, func(tx tenant.Tx) error {
		if _, err := s.Get(t.Context(), tx, "idp"); !errors.Is(err, secret.ErrUnknown) {
			t.Errorf("after delete: %v", err)
		}
		return nil
	})
}

func TestEnsureGivesAllTheSame(t *testing.T) {
	t.Parallel()
	db, id := database.Open(t), database.Tenant(t)
	s := store(t, pair("one", 1))
	var wg sync.WaitGroup
	values := make([][]byte, 16)
	for i := range values {
		wg.Go(func() {
			if err := db.In(t.Context(), id, func(tx tenant.Tx) (err error) {
				values[i], err = s.Ensure(t.Context(), tx, "subject", 32)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, v := range values {
		if len(v) != 32 || !bytes.Equal(v, values[0]) {
			t.Fatalf("callers got different secrets of %d and %d bytes", len(v), len(values[0]))
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	db, id := database.Open(t), database.Tenant(t)
	old, both, fresh := store(t, pair("old", 1)), store(t, pair("new", 2), pair("old", 1)), store(t, pair("new", 2))
	in(t, db, id, func(tx tenant.Tx) error { return old.Put(t.Context(), tx, "idp", []byte("value")) })
	in(t, db, id, func(tx tenant.Tx) error {
		if _, err := fresh.Get(t.Context(), tx, "idp"); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("before rotation the new key alone got %v", err)
		}
		return nil
	})
	for _, want := range []int{1, 0} {
		operator(t, id, func(tx tenant.Tx) error {
			changed, err := both.Rewrap(t.Context(), tx)
			if changed != want {
				t.Errorf("rewrapped %d keys, want %d", changed, want)
			}
			return err
		})
	}
	in(t, db, id, func(tx tenant.Tx) error {
		got, err := fresh.Get(t.Context(), tx, "idp")
		if string(got) != "value" {
			t.Errorf("after rotation got %q", got)
		}
		return err
	})
}

// operator runs fn as the role that may change wrapped keys.
func operator(t *testing.T, id tenant.ID, fn func(tenant.Tx) error) {
	t.Helper()
	db, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_operator"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	in(t, db, id, fn)
}

// A ciphertext that somebody moves to another name, tenant or version, or
// changes in any byte, does not open.
func TestMovedOrChangedDoesNotOpen(t *testing.T) {
	t.Parallel()
	db, a := database.Open(t), database.Tenant(t)
	s := store(t, pair("one", 1))
	in(t, db, a, func(tx tenant.Tx) error {
		return errors.Join(s.Put(t.Context(), tx, "x", []byte("value of x")), s.Put(t.Context(), tx, "y", []byte("value of y")))
	})
	admin, err := pgx.Connect(t.Context(), database.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	refused := func(why string) {
		t.Helper()
		in(t, db, a, func(tx tenant.Tx) error {
			if _, err := s.Get(t.Context(), tx, "x"); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("%s: got %v", why, err)
			}
			return nil
		})
	}
	var sealed []byte
	if err := admin.QueryRow(t.Context(), `select sealed from tenant_secret where tenant_id = $1 and name = 'x'`, a).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := admin.Exec(t.Context(), `update tenant_secret set sealed = $2 where tenant_id = $1 and name = 'x'`, a, flipped); err != nil {
			t.Fatal(err)
		}
		refused(fmt.Sprint("byte ", i))
	}
	if _, err := admin.Exec(t.Context(), `update tenant_secret x set sealed = y.sealed from tenant_secret y
		where x.tenant_id = $1 and y.tenant_id = $1 and x.name = 'x' and y.name = 'y'`, a); err != nil {
		t.Fatal(err)
	}
	refused("moved")
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	db, id := database.Open(t), database.Tenant(t)
	s := store(t, pair("one", 1))
	in(t, db, id, func(tx tenant.Tx) error {
		if err := s.Put(t.Context(), tx, "x", make([]byte, 16356)); err != nil {
			t.Errorf("at the ceiling: %v", err)
		}
		for _, err := range []error{s.Put(t.Context(), tx, "x", make([]byte, 16357)), s.Put(t.Context(), tx, strings.Repeat("x", 65), nil)} {
			if !errors.Is(err, secret.ErrTooLong) {
				t.Errorf("above the ceiling: %v", err)
			}
		}
		return nil
	})
}

func TestParseKeyring(t *testing.T) {
	t.Parallel()
	good := pair("one", 7)
	ring, err := secret.ParseKeyring(good + ", " + pair("two", 8))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", ring, ring, ring, secret.New(ring)); strings.Contains(text, "7") || strings.Contains(text, "Bw") {
		t.Errorf("printing shows a key: %s", text)
	}
	key := strings.TrimPrefix(good, "one:")
	for _, bad := range []string{"", "one", ":" + key, good + "," + good, "one:" + key[:10], "one:" + key + "AAAA", strings.Repeat("n", 33) + ":" + key, good + ","} {
		_, err := secret.ParseKeyring(bad)
		if !errors.Is(err, secret.ErrKeyring) {
			t.Errorf("%q: got %v", bad, err)
		} else if strings.Contains(err.Error(), key[:10]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}
