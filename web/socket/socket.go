// Package socket upgrades a request to the WebSocket of docs/protocol.md section
// 13 and hands it over. It checks what only HTTP knows (origin, subprotocol,
// session) and speaks no frame.
package socket

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/auth"
)

// What an upgrade can meet.
var (
	ErrOrigin      = errors.New("socket: the page belongs to another origin")
	ErrSubprotocol = errors.New("socket: expected the subprotocol " + wire.Subprotocol)
	ErrUpgrade     = errors.New("socket: expected a WebSocket handshake")
)

// Relay serves a connection until it ends. who is the holder of the session that
// came with the upgrade, or nil: then the first frame brings a ticket, which
// Accounts.UseTicket takes. Serve closes the connection.
type Relay interface {
	Serve(ctx context.Context, conn *websocket.Conn, id tenant.ID, who *account.Who)
}

// Socket is the handler.
type Socket struct {
	Accounts auth.Sessions
	Relay    Relay
}

// Serve upgrades. A browser sends its page's origin, which must be ours exactly; a
// native client sends none. A cookie counts only with an origin, a bearer only
// without: what a foreign page could make a browser send opens nothing.
func (s Socket) Serve(c echo.Context) error {
	r, site := c.Request(), auth.SiteOf(c)
	if err := check(r, site); err != nil {
		return err
	}
	who, err := s.who(c)
	if err != nil {
		return err
	}
	conn, err := websocket.Accept(c.Response(), r, &websocket.AcceptOptions{
		Subprotocols:       []string{wire.Subprotocol},
		InsecureSkipVerify: true, // check has compared the whole origin; the library compares hosts
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil // the library has answered
	}
	conn.SetReadLimit(wire.MaxFrame)
	s.Relay.Serve(context.WithoutCancel(r.Context()), conn, site.Tenant, who)
	return nil
}

func check(r *http.Request, site auth.Site) error {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) > 1 || len(origins) == 1 && origins[0] != site.Origin():
		return ErrOrigin
	case !headerHas(r, "Connection", "upgrade") || !headerHas(r, "Upgrade", "websocket"):
		return ErrUpgrade
	case !headerHas(r, "Sec-WebSocket-Protocol", wire.Subprotocol):
		return ErrSubprotocol
	}
	return nil
}

func headerHas(r *http.Request, name, token string) bool {
	for _, value := range r.Header.Values(name) {
		if slices.ContainsFunc(strings.Split(value, ","), func(part string) bool { return strings.EqualFold(strings.TrimSpace(part), token) }) {
			return true
		}
	}
	return false
}

// who returns the session of the upgrade, nil when none came with it.
func (s Socket) who(c echo.Context) (*account.Who, error) {
	var p auth.Person
	var err error
	switch {
	case c.Request().Header.Get("Authorization") != "" && c.Request().Header.Get("Origin") == "":
		p, err = auth.ByBearer(c, s.Accounts)
	case c.Request().Header.Get("Origin") != "" && auth.HasSession(c):
		p, err = auth.ByCookie(c, s.Accounts)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &p.Who, nil
}
