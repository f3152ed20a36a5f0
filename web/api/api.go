// Package api is JSON over HTTP for a host's own software: members by the host's
// subject, their invites and QR codes, counts, webhooks. openapi.yaml beside this
// file is its contract, and a test holds every handler to it. Each request is one
// transaction: the key, the idempotency note and the effect are in it together.
package api

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/webhook"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/decode"
	"github.com/sottochat/sotto/web/problem"
)

// ErrNoKey is for a request that brings no API key at all.
var ErrNoKey = errors.New("api: expected an API key")

// API are the handlers.
type API struct {
	DB       *tenant.DB
	Secrets  *secret.Store
	Keys     *apikey.Service
	Once     *once.Service
	Accounts *account.Service
	Invites  *invite.Service
	Webhooks *webhook.Service
	// Cut ends the sockets of a member; of device 0: of all devices.
	Cut func(tenant.ID, messaging.AccountID)
	// Wake says that webhooks were noted.
	Wake func(tenant.ID)
}

//go:embed openapi.yaml
var contract []byte

// Contract serves openapi.yaml.
func (a API) Contract(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", contract)
}

// call is one request of a host inside its transaction.
type call struct {
	echo.Context
	ctx   context.Context
	tx    tenant.Tx
	site  auth.Site
	key   apikey.Key
	body  []byte
	after []func() // run when the transaction has committed
}

// reply is what a handler answers. A nil body is an empty answer.
type reply struct {
	status      int
	body        any
	contentType string // of a body of bytes; "" for JSON
}

func ok(body any) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

// handle runs a handler for keys with a scope.
func (a API) handle(scope apikey.Scope, do func(*call) (reply, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		token, err := bearer(c)
		if err != nil {
			return err
		}
		body, err := decode.Read(c)
		if err != nil {
			return err
		}
		r := call{Context: c, ctx: c.Request().Context(), site: auth.SiteOf(c), body: body}
		var out answer
		err = a.DB.In(r.ctx, r.site.Tenant, func(tx tenant.Tx) (err error) {
			r.tx = tx
			if r.key, err = a.Keys.Authenticate(r.ctx, tx, token); err != nil {
				return err
			}
			if !r.key.May(scope) {
				return fmt.Errorf("%w: expected %s", apikey.ErrScope, scope)
			}
			out, err = a.run(&r, token, do)
			return err
		})
		if err != nil {
			return err
		}
		for _, f := range r.after {
			f()
		}
		return out.send(c)
	}
}

func bearer(c echo.Context) (apikey.Token, error) {
	text, given := auth.Bearer(c.Request())
	if !given {
		return apikey.Token{}, ErrNoKey
	}
	return apikey.Parse(text)
}

// answer is a reply in the bytes that are sent, and kept for a repetition.
type answer struct {
	once.Answer
	contentType string
	repeated    bool
}

const jsonType = "application/json"

func (o answer) send(c echo.Context) error {
	if o.repeated {
		c.Response().Header().Set("Idempotency-Replayed", "true")
	}
	if len(o.Body) == 0 {
		return c.NoContent(o.Status)
	}
	return c.Blob(o.Status, o.contentType, o.Body)
}

const idempotencyHeader = "Idempotency-Key"

// run executes a handler, once for each idempotency key on a POST.
func (a API) run(r *call, token apikey.Token, do func(*call) (reply, error)) (out answer, err error) {
	out.contentType = jsonType
	keys := r.Request().Header.Values(idempotencyHeader)
	if r.Request().Method != http.MethodPost || len(keys) == 0 {
		out.Answer, out.contentType, err = render(do(r))
		return out, err
	}
	if len(keys) != 1 || once.CheckKey(keys[0]) != nil {
		return out, problem.Secret(idempotencyHeader, "once, 1 to 64 printable ASCII characters", len(keys[0]))
	}
	who := once.Caller{ID: [16]byte(r.key.ID), Seal: token.Seal()}
	// The path and not its pattern: the member is part of the route, in a hash.
	request := once.Request{Route: r.Path(), Key: keys[0], Body: append([]byte(r.Request().URL.Path+"\x00"), r.body...)}
	out.Answer, out.repeated, err = a.Once.Do(r.ctx, r.tx, who, request, func() (once.Answer, error) {
		answer, _, err := render(do(r))
		return answer, err
	})
	return out, err
}

func render(r reply, err error) (once.Answer, string, error) {
	if err != nil || r.body == nil {
		return once.Answer{Status: r.status}, jsonType, err
	}
	if raw, ok := r.body.([]byte); ok {
		return once.Answer{Status: r.status, Body: raw}, r.contentType, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(r.body)
	return once.Answer{Status: r.status, Body: out.Bytes()}, jsonType, err
}

// decode reads the request's JSON object into a struct.
func (r *call) decode(into any) error { return decode.Object(r.Request(), r.body, into) }

// empty refuses a body where a request has nothing to say.
func (r *call) empty() error { return decode.Nothing(r.body) }

const (
	defaultPage = 50
	maxPage     = 100
)

// page reads limit and cursor.
func (a API) page(r *call, list string) (after [16]byte, limit int, err error) {
	limit = defaultPage
	for name, values := range r.QueryParams() {
		if (name != "limit" && name != "cursor") || len(values) != 1 {
			return after, 0, problem.Field(name, "limit and cursor, each once", strconv.Itoa(len(values))+" values")
		}
	}
	if text := r.QueryParam("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage || strconv.Itoa(limit) != text {
			return after, 0, problem.Field("limit", fmt.Sprintf("a whole number from 1 to %d", maxPage), text)
		}
	}
	if text := r.QueryParam("cursor"); text != "" {
		after, err = a.openCursor(r, list, text)
	}
	return after, limit, err
}
