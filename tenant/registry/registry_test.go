package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// clock is moved by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func operator(t *testing.T) *registry.Operator {
	t.Helper()
	db, err := tenant.OpenOperator(t.Context(), tenant.Config{URL: database.URL("app_operator"), MaxConns: 2, AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return registry.NewOperator(db, time.Now)
}

var names int
var namesMu sync.Mutex

// name is a host that no other test has.
func name(t *testing.T) string {
	t.Helper()
	namesMu.Lock()
	defer namesMu.Unlock()
	names++
	return fmt.Sprintf("chat%d.example.com", names)
}

func create(t *testing.T, o *registry.Operator) registry.Tenant {
	t.Helper()
	made, err := o.Create(t.Context(), registry.Brand{Name: "Blue Door"}, registry.Free)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func addHost(t *testing.T, o *registry.Operator, id tenant.ID, host string, verified bool) {
	t.Helper()
	if _, err := o.AddHost(t.Context(), id, host, registry.Chat, verified); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheOperatorsRole(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"app_web", "app_relay", "app_worker"} {
		if _, err := tenant.OpenOperator(t.Context(), tenant.Config{URL: database.URL(role), AllowUnsafeDurability: true}); !errors.Is(err, tenant.ErrDenied) {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestTenantFromCreateToDelete(t *testing.T) {
	t.Parallel()
	o, host := operator(t), name(t)
	made := create(t, o)
	brand := registry.Brand{Name: "Red Door", Color: "#aa0000", Language: "de"}
	if err := o.Update(t.Context(), made.ID, brand, registry.Paid); err != nil {
		t.Fatal(err)
	}
	addHost(t, o, made.ID, strings.ToUpper(host), false)
	if err := errors.Join(o.VerifyHost(t.Context(), made.ID, host), o.Suspend(t.Context(), made.ID)); err != nil {
		t.Fatal(err)
	}
	got, hosts, err := o.Get(t.Context(), made.ID)
	if err != nil || got.Brand != brand || got.Mode != registry.Paid || !got.Suspended {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(hosts) != 1 || hosts[0] != (registry.Host{Name: host, Purpose: registry.Chat, Verified: true}) {
		t.Errorf("hosts %+v", hosts)
	}
	if err := errors.Join(o.Resume(t.Context(), made.ID), o.RemoveHost(t.Context(), made.ID, host)); err != nil {
		t.Fatal(err)
	}
	if err := o.Delete(t.Context(), made.ID); !errors.Is(err, registry.ErrActive) {
		t.Errorf("delete of an active tenant: %v", err)
	}
	if err := errors.Join(o.Suspend(t.Context(), made.ID), o.Delete(t.Context(), made.ID)); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"get":    second(o.Get(t.Context(), made.ID)),
		"update": o.Update(t.Context(), made.ID, brand, registry.Free),
		"delete": o.Delete(t.Context(), made.ID),
		"resume": o.Resume(t.Context(), made.ID),
		"verify": o.VerifyHost(t.Context(), made.ID, host),
		"remove": o.RemoveHost(t.Context(), made.ID, host),
	} {
		if !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("%s of a deleted tenant: %v", what, err)
		}
	}
	if _, err := o.AddHost(t.Context(), made.ID, host, registry.Chat, true); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("add host to a deleted tenant: %v", err)
	}
}

func second(_ registry.Tenant, _ []registry.Host, err error) error { return err }

func TestHostBelongsToOne(t *testing.T) {
	t.Parallel()
	o, host := operator(t), name(t)
	a, b := create(t, o), create(t, o)
	addHost(t, o, a.ID, host, true)
	for _, id := range []tenant.ID{a.ID, b.ID} {
		if _, err := o.AddHost(t.Context(), id, host, registry.Console, true); !errors.Is(err, registry.ErrHostTaken) {
			t.Errorf("a second time: %v", err)
		}
	}
	if err := o.RemoveHost(t.Context(), b.ID, host); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("removed another tenant's host: %v", err)
	}
}

func TestHostsAreBounded(t *testing.T) {
	t.Parallel()
	o := operator(t)
	made := create(t, o)
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := map[bool]int{}
	for range 24 {
		host := name(t)
		wg.Go(func() {
			_, err := o.AddHost(context.Background(), made.ID, host, registry.Chat, true)
			if err != nil && !errors.Is(err, registry.ErrHosts) {
				t.Error(err)
			}
			mu.Lock()
			results[err == nil]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if results[true] != 20 {
		t.Errorf("%d hosts went in at once, want 20", results[true])
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	o, c, host := operator(t), newClock(), name(t)
	r := registry.New(database.Open(t), c.now)
	made := create(t, o)
	expect := func(when string, want error) {
		t.Helper()
		site, err := r.Lookup(t.Context(), host)
		if !errors.Is(err, want) || err == nil && (site.Tenant != made.ID || site.Host != host || site.Brand.Name != "Blue Door" || site.Purpose != registry.Chat || site.Mode != registry.Free) {
			t.Errorf("%s: %+v, %v", when, site, err)
		}
	}
	expect("before", registry.ErrUnknown)
	addHost(t, o, made.ID, host, false)
	r.Forget(made.ID)
	expect("not verified", registry.ErrUnknown)
	if err := o.VerifyHost(t.Context(), made.ID, host); err != nil {
		t.Fatal(err)
	}
	expect("remembered", registry.ErrUnknown)
	c.add(5 * time.Second)
	expect("verified", nil)
	if err := o.Suspend(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	expect("remembered", nil)
	c.add(5*time.Second - 1)
	expect("still remembered", nil)
	c.add(1)
	expect("suspended", registry.ErrSuspended)
	if err := o.Resume(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	r.Forget(made.ID)
	expect("resumed", nil)
	if err := errors.Join(o.Suspend(t.Context(), made.ID), o.Delete(t.Context(), made.ID)); err != nil {
		t.Fatal(err)
	}
	r.Forget(made.ID)
	expect("deleted", registry.ErrUnknown)
}

func TestLookupReadsHeadersAsBrowsersWriteThem(t *testing.T) {
	t.Parallel()
	o, host := operator(t), name(t)
	r := registry.New(database.Open(t), time.Now)
	made := create(t, o)
	addHost(t, o, made.ID, host, true)
	unicode, local := "ü"+host, strings.Replace(host, ".example.com", ".localhost", 1)
	addHost(t, o, made.ID, unicode, true)
	addHost(t, o, made.ID, local+":8080", true)
	ascii, err := registry.Normalize(unicode, registry.Chat)
	if err != nil || !strings.HasPrefix(ascii, "xn--") {
		t.Fatalf("%q, %v", ascii, err)
	}
	for header, want := range map[string]error{
		host: nil, strings.ToUpper(host): nil, host + ":443": nil, ascii: nil, local + ":8080": nil,
		host + ":80": registry.ErrUnknown, host + ".": registry.ErrUnknown, "": registry.ErrUnknown, local: registry.ErrUnknown,
		unicode: registry.ErrUnknown, host + "/x": registry.ErrUnknown, "a@" + host: registry.ErrUnknown,
		strings.Repeat("a.", 200) + "com": registry.ErrUnknown, host + "\x00": registry.ErrUnknown, "': drop table tenant": registry.ErrUnknown,
	} {
		if _, err := r.Lookup(t.Context(), header); !errors.Is(err, want) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	fifty := strings.Repeat("a", 38) + ".example.com"
	for host, want := range map[string]string{
		"Chat.Example.COM": "chat.example.com", "bücher.example": "xn--bcher-kva.example", "localhost": "localhost", "LOCALHOST:80": "localhost:80",
		"a.localhost:8080": "a.localhost:8080", "127.0.0.1:8443": "127.0.0.1:8443", fifty: fifty,
	} {
		if got, err := registry.Normalize(host, registry.Chat); got != want || err != nil {
			t.Errorf("%q: %q, %v", host, got, err)
		}
	}
	for _, host := range []string{
		"", "com", "a..com", ".a.com", "a.com.", "-a.com", "a-.com", "a_b.com", "a b.com", "a.com:443", "a.com/x", "user@a.com", "10.0.0.1", "1.2.3.4:80",
		"[::1]", "a.123", "localhost:", "localhost:0", "localhost:080", "localhost:65536", "a.b.localhost:1", "127.0.0.2:80", "a.com\n", "a\u3002com\u3002", "\xff.com",
		strings.Repeat("a", 64) + ".com", "a" + fifty, "xn--a.com", strings.Repeat("ü", 200) + ".de",
	} {
		if got, err := registry.Normalize(host, registry.Chat); !errors.Is(err, registry.ErrHost) {
			t.Errorf("%q: %q, %v", host, got, err)
		}
	}
	if _, err := registry.Normalize("a"+fifty, registry.Console); err != nil {
		t.Errorf("a console needs no QR code: %v", err)
	}
	if _, err := registry.Normalize("a.com", "api"); !errors.Is(err, registry.ErrHost) {
		t.Errorf("another purpose: %v", err)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"chat.example.com", "bücher.example", "localhost:8080", "a.localhost", "1.2.3.4", "a\u3002com", "xn--bcher-kva.example", "ß.de"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		first, err := registry.Normalize(host, registry.Chat)
		if err != nil {
			return
		}
		if again, err := registry.Normalize(first, registry.Chat); again != first || err != nil {
			t.Errorf("%q became %q, and that %q, %v", host, first, again, err)
		}
		if len(first) > 50 || strings.Trim(first, "abcdefghijklmnopqrstuvwxyz0123456789-.:") != "" {
			t.Errorf("%q became %q", host, first)
		}
	})
}

func TestBrandIsChecked(t *testing.T) {
	t.Parallel()
	o := operator(t)
	for _, bad := range []registry.Brand{
		{}, {Name: strings.Repeat("é", 81)}, {Name: "a\nb"}, {Name: "a\u202eb"}, {Name: " a"}, {Name: "\xff"}, {Name: "a\u200bb"},
		{Name: "a", Color: "red"}, {Name: "a", Color: "#FFFFFF"}, {Name: "a", Color: "#12345}"}, {Name: "a", Color: "#1234567"},
		{Name: "a", Language: "EN"}, {Name: "a", Language: "eng"}, {Name: "a", Language: "e'"},
	} {
		if _, err := o.Create(t.Context(), bad, registry.Free); !errors.Is(err, registry.ErrBrand) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := o.Create(t.Context(), registry.Brand{Name: "a"}, "cheap"); !errors.Is(err, registry.ErrBrand) {
		t.Errorf("another mode: %v", err)
	}
	made := create(t, o)
	db := database.Open(t)
	r := registry.New(db, time.Now)
	want := registry.Brand{Name: strings.Repeat("é", 80), Color: "#000000", Language: "ar"}
	if err := db.In(t.Context(), made.ID, func(tx tenant.Tx) error { return r.SetBrand(t.Context(), tx, want) }); err != nil {
		t.Fatal(err)
	}
	if got, _, err := o.Get(t.Context(), made.ID); got.Brand != want || err != nil {
		t.Errorf("got %+v, %v", got.Brand, err)
	}
}

func TestChatHost(t *testing.T) {
	t.Parallel()
	o, db := operator(t), database.Open(t)
	r := registry.New(db, time.Now)
	made, host := create(t, o), name(t)
	get := func() (got string, err error) {
		err = db.In(t.Context(), made.ID, func(tx tenant.Tx) (err error) { got, err = r.ChatHost(t.Context(), tx); return err })
		return got, err
	}
	addHost(t, o, made.ID, "aa-"+host, false)
	if _, err := get(); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("without a verified host: %v", err)
	}
	addHost(t, o, made.ID, host, true)
	if got, err := get(); got != host || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Every page of the walk, and a second walk that finds nothing left to do. Not
// in parallel: it meets every tenant of the database, those of TestDelete with
// their made-up keys among them.
func TestRewrapWalksEveryTenant(t *testing.T) {
	o, db := operator(t), database.Open(t)
	old, both := store(t, "old"), store(t, "new", "old")
	const tenants = 120 // more than a page
	var ids []tenant.ID
	for range tenants {
		made := create(t, o)
		ids = append(ids, made.ID)
		if err := db.In(t.Context(), made.ID, func(tx tenant.Tx) error {
			return old.Put(t.Context(), tx, "x", []byte(made.ID.String()))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := o.Rewrap(t.Context(), both); changed != tenants || err != nil {
		t.Fatalf("rewrapped %d, %v", changed, err)
	}
	if changed, err := o.Rewrap(t.Context(), both); changed != 0 || err != nil {
		t.Errorf("rewrapped %d again, %v", changed, err)
	}
	fresh := store(t, "new")
	for _, id := range ids {
		if err := db.In(t.Context(), id, func(tx tenant.Tx) error {
			value, err := fresh.Get(t.Context(), tx, "x")
			if string(value) != id.String() {
				t.Errorf("got %q", value)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func store(t *testing.T, masters ...string) *secret.Store {
	t.Helper()
	var pairs []string
	for _, name := range masters {
		pairs = append(pairs, name+":"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(name[:1]), 32)))
	}
	ring, err := secret.ParseKeyring(strings.Join(pairs, ","))
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(ring)
}

// TI-21: of a deleted tenant no table of the catalogue keeps a row, and the
// other tenant's rows are what they were.
func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	o := operator(t)
	samples := database.Samples(t)
	a, b := create(t, o), create(t, o)
	samples.Fill(t, a.ID, 0)
	samples.Fill(t, b.ID, 1)
	type state struct{ rows, sum int64 }
	before := map[string]state{}
	for _, table := range samples.Tables() {
		if rows, _ := samples.Count(t, table, a.ID); rows == 0 {
			t.Errorf("%s had no row to delete", table)
		}
		rows, sum := samples.Count(t, table, b.ID)
		before[table] = state{rows, sum}
	}
	if err := errors.Join(o.Suspend(t.Context(), a.ID), o.Delete(t.Context(), a.ID)); err != nil {
		t.Fatal(err)
	}
	for _, table := range samples.Tables() {
		if rows, _ := samples.Count(t, table, a.ID); rows != 0 {
			t.Errorf("%s keeps %d rows", table, rows)
		}
		if rows, sum := samples.Count(t, table, b.ID); before[table] != (state{rows, sum}) {
			t.Errorf("%s of the other tenant changed", table)
		}
	}
	if err := errors.Join(o.Suspend(t.Context(), b.ID), o.Delete(t.Context(), b.ID)); err != nil {
		t.Fatal(err)
	}
}
