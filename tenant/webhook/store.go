package webhook

import (
	"context"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const (
	statePending   = "pending"
	stateDelivered = "delivered"
	stateFailed    = "failed"
)

func texts(events []Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = string(e)
	}
	return out
}

func scanEndpoint(scan func(...any) error) (e Endpoint, err error) {
	var events []string
	err = scan((*[16]byte)(&e.ID), &e.URL, &events, &e.Enabled, &e.Created)
	for _, event := range events {
		e.Events = append(e.Events, Event(event))
	}
	return e, err
}

func insertEndpoint(ctx context.Context, tx tenant.Tx, e Endpoint) error {
	_, err := tx.Exec(ctx, `
		insert into webhook_endpoint (tenant_id, endpoint_id, url, events, enabled, created_on) values ($1, $2, $3, $4, $5, $6)`,
		tx.Tenant(), [16]byte(e.ID), e.URL, texts(e.Events), e.Enabled, e.Created)
	return err
}

func updateEndpoint(ctx context.Context, tx tenant.Tx, e Endpoint) (int64, error) {
	return tx.Exec(ctx, `
		update webhook_endpoint set url = $3, events = $4, enabled = $5 where tenant_id = $1 and endpoint_id = $2`,
		tx.Tenant(), [16]byte(e.ID), e.URL, texts(e.Events), e.Enabled)
}

func deleteEndpoint(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (int64, error) {
	return tx.Exec(ctx, `delete from webhook_endpoint where tenant_id = $1 and endpoint_id = $2`, tx.Tenant(), [16]byte(endpoint))
}

func countEndpoints(ctx context.Context, tx tenant.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from webhook_endpoint where tenant_id = $1`, tx.Tenant()).Scan(&n)
	return n, err
}

const endpointColumns = `endpoint_id, url, events, enabled, created_on`

func selectEndpoint(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (Endpoint, error) {
	return scanEndpoint(tx.QueryRow(ctx, `
		select `+endpointColumns+` from webhook_endpoint where tenant_id = $1 and endpoint_id = $2`, tx.Tenant(), [16]byte(endpoint)).Scan)
}

func selectEndpoints(ctx context.Context, tx tenant.Tx) (list []Endpoint, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		e, err := scanEndpoint(scan)
		list = append(list, e)
		return err
	}, `select `+endpointColumns+` from webhook_endpoint where tenant_id = $1 order by endpoint_id`, tx.Tenant())
	return list, err
}

func insertOutbox(ctx context.Context, tx tenant.Tx, d DeliveryID, endpoint EndpointID, event [16]byte, kind Event, body []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into outbox (tenant_id, outbox_id, endpoint_id, event_id, type, payload, created_at, due_at) values ($1, $2, $3, $4, $5, $6, $7, $7)`,
		tx.Tenant(), [16]byte(d), [16]byte(endpoint), event, string(kind), body, now)
	return err
}

func emit(ctx context.Context, tx tenant.Tx, event [16]byte, kind Event, body []byte, now time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into outbox (tenant_id, outbox_id, endpoint_id, event_id, type, payload, created_at, due_at)
		select tenant_id, gen_random_uuid(), endpoint_id, $2, $3::text, $4, $5, $5 from webhook_endpoint
		where tenant_id = $1 and enabled and $3::text = any (events)`,
		tx.Tenant(), event, string(kind), body, now)
	return err
}

func selectDeliveries(ctx context.Context, tx tenant.Tx, endpoint EndpointID, after DeliveryID, limit int) (page []Delivery, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var d Delivery
		err := scan((*[16]byte)(&d.ID), &d.Event, (*string)(&d.Type), &d.State, &d.Attempts, &d.Created)
		page = append(page, d)
		return err
	}, `
		select outbox_id, event_id, type, state, attempts, created_at from outbox
		where tenant_id = $1 and endpoint_id = $2 and outbox_id > $3 order by outbox_id limit $4`,
		tx.Tenant(), [16]byte(endpoint), [16]byte(after), limit)
	return page, err
}

func selectAttempts(ctx context.Context, tx tenant.Tx, d DeliveryID) (log []Attempt, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var a Attempt
		var took int64
		err := scan(&a.Number, &a.At, &a.Status, &a.Result, &took)
		a.Took = time.Duration(took) * time.Millisecond
		log = append(log, a)
		return err
	}, `
		select attempt, at, status, result, took_ms from webhook_attempt where tenant_id = $1 and outbox_id = $2 order by attempt desc limit 20`,
		tx.Tenant(), [16]byte(d))
	return log, err
}

func selectState(ctx context.Context, tx tenant.Tx, endpoint EndpointID, d DeliveryID) (state string, err error) {
	err = tx.QueryRow(ctx, `
		select state from outbox where tenant_id = $1 and endpoint_id = $2 and outbox_id = $3`,
		tx.Tenant(), [16]byte(endpoint), [16]byte(d)).Scan(&state)
	return state, err
}

// retry counts on from the attempts that were: their numbers name rows of the log.
func retry(ctx context.Context, tx tenant.Tx, d DeliveryID, now time.Time) (int64, error) {
	return tx.Exec(ctx, `
		update outbox set state = 'pending', due_at = $3 where tenant_id = $1 and outbox_id = $2`, tx.Tenant(), [16]byte(d), now)
}

// job is a leased delivery.
type job struct {
	id       DeliveryID
	endpoint EndpointID
	event    [16]byte
	url      string
	body     []byte
	attempt  int
}

// lease takes deliveries that are due. They are due again when the lease ends, so
// a node that dies loses none.
func lease(ctx context.Context, tx tenant.Tx, now time.Time, until time.Time, limit int) (jobs []job, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var j job
		err := scan((*[16]byte)(&j.id), (*[16]byte)(&j.endpoint), &j.event, &j.url, &j.body, &j.attempt)
		jobs = append(jobs, j)
		return err
	}, `
		update outbox o set attempts = o.attempts + 1, due_at = $3
		from webhook_endpoint e
		where o.tenant_id = $1 and e.tenant_id = o.tenant_id and e.endpoint_id = o.endpoint_id and o.outbox_id in (
			select p.outbox_id from outbox p join webhook_endpoint q on q.tenant_id = p.tenant_id and q.endpoint_id = p.endpoint_id
			where p.tenant_id = $1 and p.state = 'pending' and p.due_at <= $2 and (q.enabled or p.type = 'ping')
			order by p.due_at limit $4 for update of p skip locked)
		returning o.outbox_id, o.endpoint_id, o.event_id, e.url, o.payload, o.attempts`,
		tx.Tenant(), now, until, limit)
	return jobs, err
}

func record(ctx context.Context, tx tenant.Tx, j job, a Attempt, state string, due time.Time) error {
	_, err := tx.Pipeline(ctx,
		tenant.Statement{SQL: `
			insert into webhook_attempt (tenant_id, outbox_id, attempt, at, status, result, took_ms) values ($1, $2, $3, $4, $5, $6, $7)`,
			Args: []any{tx.Tenant(), [16]byte(j.id), j.attempt, a.At, a.Status, a.Result, a.Took.Milliseconds()}},
		tenant.Statement{SQL: `
			update outbox set state = $3, due_at = $4 where tenant_id = $1 and outbox_id = $2 and attempts = $5`,
			Args: []any{tx.Tenant(), [16]byte(j.id), state, due, j.attempt}})
	return err
}

func deleteOld(ctx context.Context, tx tenant.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, `delete from outbox where tenant_id = $1 and state <> 'pending' and created_at < $2`, tx.Tenant(), before)
	return err
}
