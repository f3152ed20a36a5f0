package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/webhook"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// bench is a tenant with a host that takes webhooks.
type bench struct {
	*testing.T
	db        *tenant.DB
	service   *webhook.Service
	deliverer *webhook.Deliverer
	tenant    tenant.ID
	host      *httptest.Server

	mu      sync.Mutex
	clock   time.Time
	answer  http.HandlerFunc
	arrived []arrival
}

type arrival struct {
	header http.Header
	body   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	must(t, err)
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t), clock: time.Now()}
	b.host = httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(b.host.Close)
	out, err := egress.New(egress.Config{Allow: []string{b.host.Listener.Addr().String()}})
	must(t, err)
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), MaxConns: 2, AllowUnsafeDurability: true})
	must(t, err)
	t.Cleanup(worker.Close)
	secrets := secret.New(ring)
	b.service = webhook.New(secrets, out, b.now)
	b.deliverer = &webhook.Deliverer{DB: worker, Secrets: secrets, Client: out, Now: b.now, Log: slog.New(slog.DiscardHandler)}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

func (b *bench) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.arrived = append(b.arrived, arrival{r.Header, string(body)})
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func (b *bench) in(f func(tenant.Tx) error) {
	b.Helper()
	must(b, b.db.In(b.Context(), b.tenant, f))
}

func (b *bench) create(events ...webhook.Event) (e webhook.Endpoint, text string) {
	b.Helper()
	b.in(func(tx tenant.Tx) (err error) {
		e, text, err = b.service.Create(b.Context(), tx, b.host.URL+"/in?who=us", events)
		return err
	})
	return e, text
}

func (b *bench) emit(event webhook.Event) {
	b.Helper()
	b.in(func(tx tenant.Tx) error {
		return b.service.Emit(b.Context(), tx, event, map[string]string{"member": "acct_x"})
	})
}

func (b *bench) deliver() {
	b.Helper()
	_, err := b.deliverer.Deliver(b.Context(), b.tenant)
	must(b, err)
}

func (b *bench) deliveries(e webhook.Endpoint) (page []webhook.Delivery) {
	b.Helper()
	b.in(func(tx tenant.Tx) (err error) {
		page, _, err = b.service.Deliveries(b.Context(), tx, e.ID, webhook.DeliveryID{}, 100)
		return err
	})
	return page
}

// signedBy checks an arrival as Standard Webhooks says a receiver does.
func signedBy(t *testing.T, a arrival, text string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	must(t, err)
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, a.header.Get("webhook-id")+"."+a.header.Get("webhook-timestamp")+"."+a.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for s := range strings.FieldsSeq(a.header.Get("webhook-signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return true
		}
	}
	return false
}

func TestDelivery(t *testing.T) {
	b := newBench(t)
	e, text := b.create(webhook.MemberDeleted)
	b.emit(webhook.MemberDeleted)
	b.emit(webhook.InviteCreated) // nobody subscribed
	b.deliver()
	b.deliver()
	if len(b.arrived) != 1 {
		t.Fatalf("%d arrivals", len(b.arrived))
	}
	a := b.arrived[0]
	var told struct {
		Type, Timestamp string
		Data            map[string]string
	}
	must(t, json.Unmarshal([]byte(a.body), &told))
	if told.Type != "member.deleted" || told.Data["member"] != "acct_x" || !signedBy(t, a, text) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", a.header, a.body)
	}
	if signedBy(t, arrival{a.header, a.body + " "}, text) {
		t.Error("a changed body verifies")
	}
	if d := b.deliveries(e); len(d) != 1 || d[0].State != "delivered" || len(d[0].Log) != 1 || d[0].Log[0].Status != 200 {
		t.Errorf("%+v", d)
	}
}

// An event whose transaction rolls back was never noted.
func TestEmitJoinsTheTransaction(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	wrong := errors.New("wrong")
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error {
		must(t, b.service.Emit(t.Context(), tx, webhook.MemberDeleted, nil))
		return wrong
	})
	b.deliver()
	if !errors.Is(err, wrong) || len(b.deliveries(e)) != 0 || len(b.arrived) != 0 {
		t.Errorf("%v, %d arrivals", err, len(b.arrived))
	}
}

// API-01: a host that is down is asked again and again, later each time, and in
// the end no more; then a replay brings the same event.
func TestRetries(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	b.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		io.WriteString(w, strings.Repeat("x", 1<<20))
	}
	b.emit(webhook.MemberDeleted)
	waits := []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	for n, wait := range waits {
		b.deliver()
		if len(b.arrived) != n+1 {
			t.Fatalf("after %d tries: %d arrivals", n+1, len(b.arrived))
		}
		b.advance(wait - time.Second)
		b.deliver()
		if len(b.arrived) != n+1 {
			t.Fatalf("try %d came early", n+2)
		}
		b.advance(time.Second)
	}
	b.deliver()
	b.advance(100 * time.Hour)
	b.deliver()
	d := b.deliveries(e)
	if len(b.arrived) != 9 || len(d) != 1 || d[0].State != "failed" || len(d[0].Log) != 9 || d[0].Log[0].Result != "refused" {
		t.Fatalf("%d arrivals, %+v", len(b.arrived), d)
	}
	b.answer = nil
	b.in(func(tx tenant.Tx) error { return b.service.Replay(t.Context(), tx, e.ID, d[0].ID) })
	b.deliver()
	last := b.arrived[len(b.arrived)-1]
	if len(b.arrived) != 10 || last.header.Get("webhook-id") != b.arrived[0].header.Get("webhook-id") || last.body != b.arrived[0].body {
		t.Error("the replay is another event")
	}
	if b.deliveries(e)[0].State != "delivered" {
		t.Error("the replay is not noted")
	}
}

// A delivery that is being tried is not taken a second time, and comes back when
// whoever took it is gone.
func TestLease(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	b.emit(webhook.MemberDeleted)
	entered, leave := make(chan struct{}), make(chan struct{})
	b.answer = func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-leave }
	done := make(chan struct{})
	go func() { defer close(done); b.deliver() }()
	<-entered
	b.deliver() // finds nothing, or would wait for ever
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.Replay(t.Context(), tx, e.ID, b.deliveries(e)[0].ID) })
	if !errors.Is(err, webhook.ErrPending) {
		t.Errorf("replaying what is being tried: %v", err)
	}
	close(leave)
	<-done
	if len(b.arrived) != 1 {
		t.Errorf("%d arrivals", len(b.arrived))
	}
}

func TestResults(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		result string
	}{
		"redirect":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "refused"},
		"gone":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, "refused"},
		"broken":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable"},
		"empty":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "delivered"},
		"a long body": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 100<<10)) }, "delivered"},
	} {
		b.answer = test.answer
		before := len(b.arrived)
		b.emit(webhook.MemberDeleted)
		b.deliver()
		if len(b.arrived) != before+1 {
			t.Errorf("%s: %d arrivals", name, len(b.arrived)-before)
		}
		found := false
		for _, d := range b.deliveries(e) {
			found = found || d.Log[0].Result == test.result
		}
		if !found {
			t.Errorf("%s: no attempt is %s", name, test.result)
		}
		b.advance(100 * time.Hour)
		b.answer = nil
		b.deliver()
	}
}

// A rotated secret signs at once; the old one goes on for a day beside it.
func TestRotation(t *testing.T) {
	b := newBench(t)
	e, old := b.create(webhook.MemberDeleted)
	var fresh string
	b.in(func(tx tenant.Tx) (err error) { fresh, err = b.service.Rotate(t.Context(), tx, e.ID); return err })
	b.emit(webhook.MemberDeleted)
	b.deliver()
	b.advance(25 * time.Hour)
	b.emit(webhook.MemberDeleted)
	b.deliver()
	if a := b.arrived[0]; !signedBy(t, a, old) || !signedBy(t, a, fresh) {
		t.Error("within a day: not signed by both")
	}
	if a := b.arrived[1]; signedBy(t, a, old) || !signedBy(t, a, fresh) {
		t.Error("after a day: not signed by the new one alone")
	}
}

func TestDisabledAndPing(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	b.emit(webhook.MemberDeleted)
	e.Enabled = false
	b.in(func(tx tenant.Tx) error { return b.service.Update(t.Context(), tx, e) })
	b.emit(webhook.MemberDeleted)
	b.deliver()
	if len(b.arrived) != 0 {
		t.Errorf("a disabled endpoint is told")
	}
	b.in(func(tx tenant.Tx) error { _, err := b.service.Ping(t.Context(), tx, e.ID); return err })
	b.deliver()
	if len(b.arrived) != 1 || !strings.Contains(b.arrived[0].body, `"ping"`) {
		t.Errorf("%d arrivals", len(b.arrived))
	}
}

// API-15 and the egress guard: endpoints are few, and public.
func TestEndpointBounds(t *testing.T) {
	b := newBench(t)
	try := func(url string, events ...webhook.Event) error {
		return b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { _, _, err := b.service.Create(t.Context(), tx, url, events); return err })
	}
	for _, url := range []string{"", "http://hooks.example/", "ftp://hooks.example/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "https://user:pw@hooks.example/",
		"//hooks.example", "https://hooks.example/" + strings.Repeat("a", 2048)} {
		if err := try(url, webhook.MemberDeleted); !errors.Is(err, egress.ErrAddress) {
			t.Errorf("%.40q: %v", url, err)
		}
	}
	good := "https://hooks.example/in"
	for _, events := range [][]webhook.Event{nil, {"member.exploded"}, {webhook.MemberDeleted, webhook.MemberDeleted}, {webhook.Ping}} {
		if err := try(good, events...); !errors.Is(err, webhook.ErrEvents) {
			t.Errorf("%v: %v", events, err)
		}
	}
	for range 10 {
		must(t, try(good, webhook.MemberDeleted))
	}
	if err := try(good, webhook.MemberDeleted); !errors.Is(err, webhook.ErrFull) {
		t.Errorf("the 11th: %v", err)
	}
}

// TI-19: a deliverer for one tenant sees no other's events.
func TestOtherTenant(t *testing.T) {
	b := newBench(t)
	e, _ := b.create(webhook.MemberDeleted)
	b.emit(webhook.MemberDeleted)
	other := database.Tenant(t)
	if more, err := b.deliverer.Deliver(t.Context(), other); more || err != nil || len(b.arrived) != 0 {
		t.Errorf("%v %v %d", more, err, len(b.arrived))
	}
	for name, f := range map[string]func(tenant.Tx) error{
		"get":    func(tx tenant.Tx) error { _, err := b.service.Get(t.Context(), tx, e.ID); return err },
		"delete": func(tx tenant.Tx) error { return b.service.Delete(t.Context(), tx, e.ID) },
		"rotate": func(tx tenant.Tx) error { _, err := b.service.Rotate(t.Context(), tx, e.ID); return err },
		"ping":   func(tx tenant.Tx) error { _, err := b.service.Ping(t.Context(), tx, e.ID); return err },
		"update": func(tx tenant.Tx) error { return b.service.Update(t.Context(), tx, e) },
	} {
		if err := b.db.In(t.Context(), other, f); !errors.Is(err, webhook.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
