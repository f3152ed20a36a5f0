package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/webhook"
)

type endpoint struct {
	ID        string          `json:"id"`
	URL       string          `json:"url"`
	Events    []webhook.Event `json:"events"`
	Enabled   bool            `json:"enabled"`
	CreatedOn string          `json:"created_on"`
}

// newEndpoint shows the secret once.
type newEndpoint struct {
	endpoint
	Secret string `json:"secret"`
}

type endpointList struct {
	Webhooks []endpoint `json:"webhooks"`
}

func shownEndpoint(e webhook.Endpoint) endpoint {
	return endpoint{e.ID.String(), e.URL, e.Events, e.Enabled, e.Created.Format(day)}
}

func (r *call) webhook() (webhook.EndpointID, error) {
	id, err := webhook.ParseEndpointID(r.Param("webhook"))
	if err != nil {
		err = webhook.ErrUnknown
	}
	return id, err
}

// ListWebhooks shows all endpoints.
func (a API) ListWebhooks() echo.HandlerFunc {
	return a.handle(apikey.WebhooksRead, func(r *call) (reply, error) {
		list, err := a.Webhooks.List(r.ctx, r.tx)
		if err != nil {
			return reply{}, err
		}
		out := endpointList{[]endpoint{}}
		for _, e := range list {
			out.Webhooks = append(out.Webhooks, shownEndpoint(e))
		}
		return ok(out)
	})
}

// CreateWebhook makes an endpoint; the answer has its secret.
func (a API) CreateWebhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		var in struct {
			URL    string          `json:"url"`
			Events []webhook.Event `json:"events"`
		}
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		e, secret, err := a.Webhooks.Create(r.ctx, r.tx, in.URL, in.Events)
		if err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusCreated, body: newEndpoint{shownEndpoint(e), secret}}, nil
	})
}

// Webhook shows an endpoint.
func (a API) Webhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksRead, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err != nil {
			return reply{}, err
		}
		e, err := a.Webhooks.Get(r.ctx, r.tx, id)
		if err != nil {
			return reply{}, err
		}
		return ok(shownEndpoint(e))
	})
}

// UpdateWebhook changes what is given and leaves the rest.
func (a API) UpdateWebhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err != nil {
			return reply{}, err
		}
		var in struct {
			URL     *string         `json:"url"`
			Events  []webhook.Event `json:"events"`
			Enabled *bool           `json:"enabled"`
		}
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		e, err := a.Webhooks.Get(r.ctx, r.tx, id)
		if err != nil {
			return reply{}, err
		}
		if in.URL != nil {
			e.URL = *in.URL
		}
		if in.Events != nil {
			e.Events = in.Events
		}
		if in.Enabled != nil {
			e.Enabled = *in.Enabled
		}
		if err := a.Webhooks.Update(r.ctx, r.tx, e); err != nil {
			return reply{}, err
		}
		return ok(shownEndpoint(e))
	})
}

// DeleteWebhook removes an endpoint with what waits for it.
func (a API) DeleteWebhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err == nil {
			err = a.Webhooks.Delete(r.ctx, r.tx, id)
		}
		return reply{status: http.StatusNoContent}, err
	})
}

type newSecret struct {
	Secret string `json:"secret"`
}

// RotateWebhook gives an endpoint a new secret.
func (a API) RotateWebhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err == nil {
			err = r.empty()
		}
		if err != nil {
			return reply{}, err
		}
		secret, err := a.Webhooks.Rotate(r.ctx, r.tx, id)
		if err != nil {
			return reply{}, err
		}
		return ok(newSecret{secret})
	})
}

type deliveryRef struct {
	ID string `json:"id"`
}

// PingWebhook notes a test event.
func (a API) PingWebhook() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err == nil {
			err = r.empty()
		}
		if err != nil {
			return reply{}, err
		}
		d, err := a.Webhooks.Ping(r.ctx, r.tx, id)
		if err != nil {
			return reply{}, err
		}
		tenant := r.site.Tenant
		r.after = append(r.after, func() { a.Wake(tenant) })
		return reply{status: http.StatusAccepted, body: deliveryRef{d.String()}}, nil
	})
}

type attempt struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Result string    `json:"result"`
	TookMS int64     `json:"took_ms"`
}

type delivery struct {
	ID        string        `json:"id"`
	Event     string        `json:"event"`
	Type      webhook.Event `json:"type"`
	State     string        `json:"state"`
	CreatedAt time.Time     `json:"created_at"`
	Attempts  []attempt     `json:"attempts"`
}

type deliveryList struct {
	Deliveries []delivery `json:"deliveries"`
	NextCursor *string    `json:"next_cursor"`
}

// Deliveries shows what was sent to an endpoint, and how it went.
func (a API) Deliveries() echo.HandlerFunc {
	return a.handle(apikey.WebhooksRead, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err != nil {
			return reply{}, err
		}
		list := "deliveries/" + id.String()
		after, limit, err := a.page(r, list)
		if err != nil {
			return reply{}, err
		}
		page, next, err := a.Webhooks.Deliveries(r.ctx, r.tx, id, webhook.DeliveryID(after), limit)
		if err != nil {
			return reply{}, err
		}
		out := deliveryList{Deliveries: make([]delivery, len(page))}
		for i, d := range page {
			out.Deliveries[i] = shownDelivery(d)
		}
		out.NextCursor, err = a.cursor(r, list, [16]byte(next))
		return reply{status: http.StatusOK, body: out}, err
	})
}

func shownDelivery(d webhook.Delivery) delivery {
	out := delivery{d.ID.String(), "msg_" + id.Text("", d.Event), d.Type, d.State, d.Created.UTC(), []attempt{}}
	for _, t := range d.Log {
		out.Attempts = append(out.Attempts, attempt{t.Number, t.At.UTC(), t.Status, t.Result, t.Took.Milliseconds()})
	}
	return out
}

// Replay sends a delivery again.
func (a API) Replay() echo.HandlerFunc {
	return a.handle(apikey.WebhooksWrite, func(r *call) (reply, error) {
		id, err := r.webhook()
		if err == nil {
			err = r.empty()
		}
		if err != nil {
			return reply{}, err
		}
		d, err := webhook.ParseDeliveryID(r.Param("delivery"))
		if err != nil {
			return reply{}, webhook.ErrUnknown
		}
		if err := a.Webhooks.Replay(r.ctx, r.tx, id, d); err != nil {
			return reply{}, err
		}
		tenant := r.site.Tenant
		r.after = append(r.after, func() { a.Wake(tenant) })
		return reply{status: http.StatusAccepted, body: deliveryRef{d.String()}}, nil
	})
}
