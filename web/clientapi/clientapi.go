// Package clientapi is the little JSON over HTTP that a member's app needs beside
// its socket: signing in without a browser of its own, a ticket for the socket,
// who am I, signing out. Everything else is frames (docs/protocol.md section 13).
package clientapi

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/auth"
)

// Accounts is what this package asks of accounts.
type Accounts interface {
	auth.Sessions
	IssueTicket(ctx context.Context, id tenant.ID, who account.Who) ([account.TicketSize]byte, error)
	SignOut(ctx context.Context, id tenant.ID, who account.Who) error
}

// API are the handlers.
type API struct{ Accounts Accounts }

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
