package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/secret"
)

const (
	workers = 4
	// batch bounds what is taken of one tenant at a time, so that one with many
	// slow endpoints does not keep the workers.
	batch = 8
	// leaseTime is above batch times egress.MaxTime: no delivery is taken twice
	// while it is being tried.
	leaseTime = 3 * time.Minute
	// sweepEvery bounds how late a retry is, and an event whose hint was lost.
	sweepEvery = 30 * time.Second
	// keepFor is how long a delivery can be replayed.
	keepFor = 7 * 24 * time.Hour
	maxHint = 4096
	// maxAnswer is how much of an answer is read, for the connection's sake; none
	// of it is kept.
	maxAnswer = 64 << 10
)

// backoff is the wait after each attempt: a restart, a deployment, an outage of
// a night, of a day. After the last one the delivery has failed.
func backoff() []time.Duration {
	return []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// Sender is what this package asks of egress.
type Sender interface {
	Do(*http.Request) (*http.Response, error)
}

// Deliverer sends what is noted. Run owns its goroutines.
type Deliverer struct {
	DB      *tenant.DB // as the worker's role
	Secrets *secret.Store
	Client  Sender
	// Tenants returns a page of tenants after an identifier.
	Tenants func(ctx context.Context, after tenant.ID, limit int) ([]tenant.ID, error)
	Now     func() time.Time
	Log     *slog.Logger

	once   sync.Once
	hints  chan tenant.ID
	mu     sync.Mutex
	hinted map[tenant.ID]bool
}

func (d *Deliverer) prepare() {
	d.once.Do(func() { d.hints, d.hinted = make(chan tenant.ID, maxHint), map[tenant.ID]bool{} })
}

// Wake says that something was noted for a tenant. It never waits.
func (d *Deliverer) Wake(id tenant.ID) {
	d.prepare()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hinted[id] {
		return
	}
	select {
	case d.hints <- id:
		d.hinted[id] = true
	default: // the sweep finds it
	}
}

// Run delivers until the context ends, and returns when its goroutines have.
func (d *Deliverer) Run(ctx context.Context) {
	d.prepare()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { d.work(ctx) })
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		d.sweep(ctx)
		select {
		case <-ctx.Done():
			wg.Wait()
			return
		case <-tick.C:
		}
	}
}

func (d *Deliverer) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-d.hints:
			d.mu.Lock()
			delete(d.hinted, id)
			d.mu.Unlock()
			more, err := d.Deliver(ctx, id)
			if err != nil && ctx.Err() == nil {
				d.Log.Error("webhook", "tenant", id.String(), "error", err.Error())
			}
			if more {
				d.Wake(id)
			}
		}
	}
}

func (d *Deliverer) sweep(ctx context.Context) {
	const page = 200
	for after := (tenant.ID{}); ctx.Err() == nil; {
		ids, err := d.Tenants(ctx, after, page)
		if err != nil || len(ids) == 0 {
			return
		}
		for _, id := range ids {
			d.Wake(id)
		}
		after = ids[len(ids)-1]
	}
}

// Deliver tries what is due for a tenant, at most a batch, and reports whether
// there may be more.
func (d *Deliverer) Deliver(ctx context.Context, id tenant.ID) (more bool, err error) {
	var jobs []job
	keys := map[EndpointID][][]byte{}
	err = d.DB.In(ctx, id, func(tx tenant.Tx) error {
		if err := deleteOld(ctx, tx, d.Now().Add(-keepFor)); err != nil {
			return err
		}
		if jobs, err = lease(ctx, tx, d.Now(), d.Now().Add(leaseTime), batch); err != nil {
			return err
		}
		for _, j := range jobs {
			if keys[j.endpoint] == nil {
				if keys[j.endpoint], err = d.keys(ctx, tx, j.endpoint); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, j := range jobs {
		if err := d.attempt(ctx, id, j, keys[j.endpoint]); err != nil {
			return false, err
		}
	}
	return len(jobs) == batch, nil
}

// keys returns the endpoint's secret and, for a day after a rotation, the one
// before.
func (d *Deliverer) keys(ctx context.Context, tx tenant.Tx, endpoint EndpointID) ([][]byte, error) {
	key, err := d.Secrets.Get(ctx, tx, secretName(endpoint))
	if err != nil {
		return nil, err
	}
	old, err := d.Secrets.Get(ctx, tx, oldName(endpoint))
	switch {
	case errors.Is(err, secret.ErrUnknown):
		return [][]byte{key}, nil
	case err != nil:
		return nil, err
	case len(old) < 8 || d.Now().Unix() > int64(binary.BigEndian.Uint64(old)):
		return [][]byte{key}, nil
	}
	return [][]byte{key, old[8:]}, nil
}

func (d *Deliverer) attempt(ctx context.Context, id tenant.ID, j job, keys [][]byte) error {
	start := d.Now()
	status, err := d.send(ctx, j, keys, start)
	if ctx.Err() != nil {
		return ctx.Err() // we stop: the lease brings it back
	}
	a := Attempt{Number: j.attempt, At: start, Status: status, Result: resultOf(status, err), Took: d.Now().Sub(start)}
	state, due := d.next(j, a)
	return d.DB.In(ctx, id, func(tx tenant.Tx) error { return record(ctx, tx, j, a, state, due) })
}

func (d *Deliverer) next(j job, a Attempt) (state string, due time.Time) {
	waits := backoff()
	switch {
	case a.Result == "delivered":
		return stateDelivered, d.Now()
	case j.attempt > len(waits):
		return stateFailed, d.Now()
	}
	return statePending, d.Now().Add(waits[j.attempt-1])
}

// send returns the status of the answer. Redirects are not followed (package
// egress), and nothing of the answer is kept.
func (d *Deliverer) send(ctx context.Context, j job, keys [][]byte, now time.Time) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.url, bytes.NewReader(j.body))
	if err != nil {
		return 0, egress.ErrAddress
	}
	name := "msg_" + id.Text("", j.event)
	at := strconv.FormatInt(now.Unix(), 10)
	req.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"webhook"},
		"Webhook-Id":        {name},
		"Webhook-Timestamp": {at},
		"Webhook-Signature": {Sign(keys, name, at, j.body)},
	}
	res, err := d.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	return res.StatusCode, nil
}

// Sign returns the value of webhook-signature: HMAC-SHA-256 over id, time and
// body joined by dots, one for each key.
func Sign(keys [][]byte, name, at string, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(name + "." + at + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

func resultOf(status int, err error) string {
	switch {
	case err == nil && status >= 200 && status < 300:
		return "delivered"
	case err == nil, errors.Is(err, egress.ErrRedirect):
		return "refused"
	case errors.Is(err, egress.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, egress.ErrAddress):
		return "forbidden"
	}
	return "unreachable"
}
