package apikey_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

type bench struct {
	*testing.T
	db      *tenant.DB
	service *apikey.Service
	tenant  tenant.ID
	clock   time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t), clock: time.Now()}
	b.service = apikey.New(func() time.Time { return b.clock })
	return b
}

func (b *bench) create(name string, expires time.Time, scopes ...apikey.Scope) (key apikey.Key, token apikey.Token, err error) {
	b.Helper()
	err = b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		key, token, err = b.service.Create(b.Context(), tx, name, scopes, expires)
		return err
	})
	return key, token, err
}

func (b *bench) authenticate(id tenant.ID, token apikey.Token) (key apikey.Key, err error) {
	b.Helper()
	err = b.db.In(b.Context(), id, func(tx tenant.Tx) error {
		key, err = b.service.Authenticate(b.Context(), tx, token)
		return err
	})
	return key, err
}

// API-04: scoped, revoked at once, expired, and nothing in another tenant.
func TestKey(t *testing.T) {
	b := newBench(t)
	key, token, err := b.create("site", b.clock.Add(time.Hour), apikey.MembersRead)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := apikey.Parse(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.authenticate(b.tenant, parsed)
	if err != nil || got.ID != key.ID || !got.May(apikey.MembersRead) || got.May(apikey.MembersWrite) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.authenticate(database.Tenant(t), parsed); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("another tenant: %v", err)
	}
	b.clock = b.clock.Add(time.Hour)
	if _, err := b.authenticate(b.tenant, parsed); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("expired: %v", err)
	}
	key, token, _ = b.create("other", time.Time{}, apikey.Scopes()...)
	for n, want := range []error{nil, apikey.ErrUnknown} {
		err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.Revoke(t.Context(), tx, key.ID) })
		if !errors.Is(err, want) {
			t.Errorf("revocation %d: %v", n+1, err)
		}
	}
	if _, err := b.authenticate(b.tenant, token); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("revoked: %v", err)
	}
}

func TestText(t *testing.T) {
	b := newBench(t)
	_, token, err := b.create("site", time.Time{}, apikey.Statistics)
	if err != nil {
		t.Fatal(err)
	}
	text := token.Reveal()
	if !strings.HasPrefix(text, "hostkey_") || strings.Contains(fmt.Sprintf("%v %+v %#v %s %x", token, token, token, token, token), text[8:20]) {
		t.Error("a key prints itself, or scanners cannot find it")
	}
	for i := range len(text) {
		bent := []byte(text)
		if bent[i] ^= 1; string(bent) == text {
			continue
		}
		if _, err := apikey.Parse(string(bent)); !errors.Is(err, apikey.ErrMalformed) {
			t.Errorf("with one bit off at %d it parses", i)
		}
	}
	for _, bad := range []string{"", text + "0", text[:len(text)-1], " " + text, strings.ToUpper(text)} {
		if _, err := apikey.Parse(bad); !errors.Is(err, apikey.ErrMalformed) {
			t.Errorf("%q parses", bad)
		}
	}
}

func TestBounds(t *testing.T) {
	b := newBench(t)
	for name, want := range map[string]error{"": apikey.ErrName, strings.Repeat("n", 65): apikey.ErrName, "a\nb": apikey.ErrName, "\u202e": apikey.ErrName, "\xff": apikey.ErrName} {
		if _, _, err := b.create(name, time.Time{}, apikey.Statistics); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, scopes := range [][]apikey.Scope{nil, {"all"}, {apikey.Statistics, apikey.Statistics}} {
		if _, _, err := b.create("n", time.Time{}, scopes...); !errors.Is(err, apikey.ErrScopes) {
			t.Errorf("%v: %v", scopes, err)
		}
	}
	for range 50 {
		if _, _, err := b.create("n", time.Time{}, apikey.Statistics); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.create("n", time.Time{}, apikey.Statistics); !errors.Is(err, apikey.ErrFull) {
		t.Errorf("the 51st: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("hostkey_" + strings.Repeat("A", 43) + "00000000")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if token, err := apikey.Parse(text); err == nil && token.Reveal() != text {
			t.Errorf("%q has another text", text)
		}
	})
}

// A key that ended stays for a month, one that is live stays.
func TestSweep(t *testing.T) {
	b := newBench(t)
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	b.clock = b.clock.Truncate(time.Millisecond) // finer than the column
	revoked, _, _ := b.create("revoked", time.Time{}, apikey.Statistics)
	b.create("expires", b.clock.Add(time.Second), apikey.Statistics)
	b.create("expires later", b.clock.AddDate(1, 0, 0), apikey.Statistics)
	_, token, err := b.create("stays", time.Time{}, apikey.Statistics)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.Revoke(t.Context(), tx, revoked.ID) }); err != nil {
		t.Fatal(err)
	}
	samples, month := database.Samples(t), 30*24*time.Hour
	for _, step := range []struct {
		after time.Duration
		rows  int64
	}{{month - time.Millisecond, 4}, {time.Millisecond, 3}, {time.Second, 2}, {month, 2}} {
		b.clock = b.clock.Add(step.after)
		if err := worker.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.Sweep(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		if n, _ := samples.Count(t, "api_key", b.tenant); n != step.rows {
			t.Errorf("%s later: %d rows, expected %d", step.after, n, step.rows)
		}
	}
	if _, err := b.authenticate(b.tenant, token); err != nil {
		t.Errorf("the live key: %v", err)
	}
}
