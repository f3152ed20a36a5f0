// Package clientapi is the little JSON over HTTP that a member's app needs beside
// its socket: signing in without a browser of its own, a ticket for the socket,
// who am I, signing out. Everything else is frames (docs/protocol.md section 13).
package clientapi

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/decode"
)

// Accounts is what this package asks of accounts.
type Accounts interface {
	auth.Sessions
	SignIn(ctx context.Context, id tenant.ID, subject string) (account.Token, account.Who, error)
	IssueTicket(ctx context.Context, id tenant.ID, who account.Who) ([account.TicketSize]byte, error)
	SignOut(ctx context.Context, id tenant.ID, who account.Who) error
}

// Visits is what this package asks of package sso.
type Visits interface {
	Begin(ctx context.Context, id tenant.ID, req sso.BeginRequest) (sso.Visit, error)
	Poll(ctx context.Context, id tenant.ID, secret sso.Secret) (sso.Identity, error)
}

// API are the handlers.
type API struct {
	Accounts Accounts
	SSO      Visits
	// SignedIn tells the member's devices of a new session; nil: nobody is told.
	SignedIn func(ctx context.Context, id tenant.ID, who account.Who)
}

type visit struct {
	Secret    string `json:"secret"`     // for Poll; it stays in the app
	LoginURL  string `json:"login_url"`  // for a browser
	Code      string `json:"code"`       // what the member types there
	ExpiresIn int    `json:"expires_in"` // seconds
	Interval  int    `json:"interval"`   // seconds between two polls
}

// The visit's life is that of package sso; two seconds between polls are soon
// enough for somebody who has just typed a code.
const (
	visitSeconds = 600
	pollSeconds  = 2
)

// Begin starts the sign-in of an app that has no browser (as RFC 8628 does).
func (a API) Begin(c echo.Context) error {
	site := auth.SiteOf(c)
	v, err := a.SSO.Begin(c.Request().Context(), site.Tenant, sso.BeginRequest{Return: "/", Origin: site.Origin(), Terminal: true})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, visit{v.Secret.Reveal(), v.LoginURL, v.Code, visitSeconds, pollSeconds})
}

type polled struct {
	Status string `json:"status"` // "pending" or "signed_in"
	Token  string `json:"token,omitempty"`
}

// Poll gives the session's token, once, when the member has typed the code.
func (a API) Poll(c echo.Context) error {
	ctx, id := c.Request().Context(), auth.SiteOf(c).Tenant
	var in struct {
		Secret string `json:"secret"`
	}
	if err := decode.Body(c, &in); err != nil {
		return err
	}
	secret, err := sso.ParseSecret(in.Secret)
	if err != nil {
		return err
	}
	who, err := a.SSO.Poll(ctx, id, secret)
	if errors.Is(err, sso.ErrPending) {
		return c.JSON(http.StatusAccepted, polled{Status: "pending"})
	}
	if err != nil {
		return err
	}
	token, member, err := a.Accounts.SignIn(ctx, id, who.Subject)
	if err != nil {
		return err
	}
	if a.SignedIn != nil {
		a.SignedIn(ctx, id, member)
	}
	return c.JSON(http.StatusOK, polled{"signed_in", token.Reveal()})
}

type me struct {
	Tenant  string `json:"tenant"`
	Name    string `json:"name"`
	Account string `json:"account"`
	Device  int    `json:"device"` // 0: the session belongs to no device yet
}

// Me says whom the session belongs to.
func (a API) Me(c echo.Context) error {
	p, err := auth.ByBearer(c, a.Accounts)
	if err != nil {
		return err
	}
	site := auth.SiteOf(c)
	return c.JSON(http.StatusOK, me{site.Tenant.String(), site.Name, p.Account.String(), int(p.Device)})
}

// SignOut ends the session.
func (a API) SignOut(c echo.Context) error {
	p, err := auth.ByBearer(c, a.Accounts)
	if err != nil {
		return err
	}
	if err := a.Accounts.SignOut(c.Request().Context(), auth.SiteOf(c).Tenant, p.Who); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

type ticket struct {
	Ticket    string `json:"ticket"`     // base64url of Hello.ticket
	ExpiresIn int    `json:"expires_in"` // seconds
}

// ticketSeconds is what a ticket promises (docs/protocol.md section 13.3).
const ticketSeconds = 30

// Ticket gives the session a ticket for one connection. A browser's page asks by
// its cookie, and only its own origin may (CrossOriginProtection and no CORS).
func (a API) Ticket(c echo.Context) error {
	p, err := auth.ByBearer(c, a.Accounts)
	if err != nil {
		if p, err = auth.ByCookie(c, a.Accounts); err != nil {
			return err
		}
	}
	raw, err := a.Accounts.IssueTicket(c.Request().Context(), auth.SiteOf(c).Tenant, p.Who)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ticket{base64.RawURLEncoding.EncodeToString(raw[:]), ticketSeconds})
}
