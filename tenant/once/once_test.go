package once_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

type bench struct {
	*testing.T
	db     *tenant.DB
	tenant tenant.ID
	who    once.Caller
	clock  time.Time
	runs   atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t), clock: time.Now()}
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error {
		key, token, err := apikey.New(time.Now).Create(t.Context(), tx, "n", apikey.Scopes(), time.Time{})
		b.who = once.Caller{ID: [16]byte(key.ID), Seal: token.Seal()}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var errEffect = errors.New("effect")

// do runs one request; the effect answers with the number of its run.
func (b *bench) do(who once.Caller, r once.Request, fail error) (a once.Answer, repeated bool, err error) {
	err = b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		a, repeated, err = once.New(func() time.Time { return b.clock }).Do(b.Context(), tx, who, r, func() (once.Answer, error) {
			n := b.runs.Add(1)
			return once.Answer{Status: 201, Body: bytes.Repeat([]byte{byte(n)}, 100)}, fail
		})
		return err
	})
	return a, repeated, err
}

// PAY-03's rule: of 100 requests at once one runs, and all get its answer.
func TestParallel(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	limit := make(chan struct{}, 8)
	for range 100 {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			a, _, err := b.do(b.who, once.Request{"r", "k", []byte("body")}, nil)
			if err != nil || a.Status != 201 || a.Body[0] != 1 {
				t.Errorf("%v %v", a, err)
			}
		})
	}
	wg.Wait()
	if b.runs.Load() != 1 {
		t.Errorf("%d runs", b.runs.Load())
	}
}

func TestScope(t *testing.T) {
	b := newBench(t)
	first := once.Request{"r", "k", []byte("body")}
	b.do(b.who, first, nil)
	if _, _, err := b.do(b.who, once.Request{"r", "k", []byte("body ")}, nil); !errors.Is(err, once.ErrReuse) {
		t.Errorf("another body: %v", err)
	}
	for _, r := range []once.Request{{"r2", "k", []byte("body")}, {"r", "k2", []byte("body")}} {
		if _, repeated, err := b.do(b.who, r, nil); repeated || err != nil {
			t.Errorf("%v: %v, %v", r, repeated, err)
		}
	}
	other := b.who
	other.Seal[0] ^= 1
	if a, _, err := b.do(other, first, nil); err == nil {
		t.Errorf("an answer opens under another key: %v", a)
	}
	b.clock = b.clock.Add(24*time.Hour + time.Second)
	if _, repeated, err := b.do(b.who, first, nil); repeated || err != nil {
		t.Errorf("a day later: %v, %v", repeated, err)
	}
}

func TestFailureLeavesNoNote(t *testing.T) {
	b := newBench(t)
	r := once.Request{"r", "k", nil}
	if _, _, err := b.do(b.who, r, errEffect); !errors.Is(err, errEffect) {
		t.Fatal(err)
	}
	if a, repeated, err := b.do(b.who, r, nil); repeated || err != nil || a.Body[0] != 2 {
		t.Errorf("%v %v %v", a, repeated, err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for key, good := range map[string]bool{"a": true, strings.Repeat("k", 64): true, "!~": true, "": false, strings.Repeat("k", 65): false, "a b": false, "ä": false, "a\n": false, "\x7f": false} {
		if err := once.CheckKey(key); (err == nil) != good || err != nil && !errors.Is(err, once.ErrKey) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// The sweep forgets what would not be given any more, and only that.
func TestSweep(t *testing.T) {
	b := newBench(t)
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	b.clock = b.clock.Truncate(time.Millisecond) // finer than the column
	samples := database.Samples(t)
	sweep := func(rows int64) {
		t.Helper()
		if err := worker.In(t.Context(), b.tenant, func(tx tenant.Tx) error {
			return once.New(func() time.Time { return b.clock }).Sweep(t.Context(), tx)
		}); err != nil {
			t.Fatal(err)
		}
		if n, _ := samples.Count(t, "idempotency", b.tenant); n != rows {
			t.Errorf("%d rows, expected %d", n, rows)
		}
	}
	first := once.Request{"r", "first", []byte("body")}
	b.do(b.who, first, nil)
	b.clock = b.clock.Add(24*time.Hour - time.Millisecond)
	b.do(b.who, once.Request{"r", "second", []byte("body")}, nil)
	sweep(2)
	if _, repeated, err := b.do(b.who, first, nil); err != nil || !repeated {
		t.Errorf("in its last moment: %v, %v", repeated, err)
	}
	b.clock = b.clock.Add(time.Millisecond)
	sweep(1)
}
