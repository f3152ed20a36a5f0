package web_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// echoRelay answers the first frame with who holds the session.
type echoRelay struct{}

func (echoRelay) Serve(ctx context.Context, conn *websocket.Conn, _ tenant.ID, who *account.Who) {
	defer conn.CloseNow()
	kind, frame, err := conn.Read(ctx)
	if err != nil {
		return
	}
	if who != nil {
		frame = []byte(who.Account.String())
	}
	if conn.Write(ctx, kind, frame) == nil {
		conn.Close(websocket.StatusNormalClosure, "")
	}
}

func (p *place) dial(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(p.Context(), strings.Replace(p.http.URL, "http", "ws", 1)+"/client/v1/socket",
		&websocket.DialOptions{Host: p.host, HTTPHeader: header, Subprotocols: protocols})
}

// The upgrade takes the tenant's own origin or none, the subprotocol, and a
// session that is good or absent.
func TestSocketUpgrade(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	other := b.place(".example")
	account, token := p.member("member")
	_, foreign := other.member("member")
	bearer := func(text string) http.Header { return http.Header{"Authorization": {"Bearer " + text}} }
	for name, test := range map[string]struct {
		header    http.Header
		protocols []string
		status    int
	}{
		"native":              {bearer(token.Reveal()), []string{wire.Subprotocol}, 101},
		"ticket later":        {nil, []string{wire.Subprotocol}, 101},
		"own origin":          {http.Header{"Origin": {"https://" + p.host}}, []string{wire.Subprotocol}, 101},
		"foreign origin":      {http.Header{"Origin": {"https://" + other.host}}, []string{wire.Subprotocol}, 403},
		"own name, no TLS":    {http.Header{"Origin": {"http://" + p.host}}, []string{wire.Subprotocol}, 403},
		"null origin":         {http.Header{"Origin": {"null"}}, []string{wire.Subprotocol}, 403},
		"two origins":         {http.Header{"Origin": {"https://" + p.host, "https://evil.example"}}, []string{wire.Subprotocol}, 403},
		"no subprotocol":      {bearer(token.Reveal()), nil, 400},
		"other subprotocol":   {bearer(token.Reveal()), []string{"graphql-ws"}, 400},
		"unknown session":     {bearer("ses_" + strings.Repeat("A", 43)), []string{wire.Subprotocol}, 401},
		"another's session":   {bearer(foreign.Reveal()), []string{wire.Subprotocol}, 401},
		"malformed session":   {bearer("x"), []string{wire.Subprotocol}, 401},
		"two authorizations":  {http.Header{"Authorization": {"Bearer " + token.Reveal(), "Bearer x"}}, []string{wire.Subprotocol}, 401},
		"cookie of no origin": {http.Header{"Cookie": {"__Host-session=" + token.Reveal()}}, []string{wire.Subprotocol}, 101},
	} {
		conn, res, err := p.dial(test.header, test.protocols...)
		if res == nil || res.StatusCode != test.status {
			t.Errorf("%s: %v, want %d: %v", name, res, test.status, err)
		}
		if conn == nil {
			continue
		}
		must(t, conn.Write(t.Context(), websocket.MessageBinary, []byte("hello")))
		_, frame, err := conn.Read(t.Context())
		must(t, err)
		want := "hello"
		if name == "native" {
			want = account.String()
		}
		if string(frame) != want || conn.Subprotocol() != wire.Subprotocol {
			t.Errorf("%s: relay saw %q over %q", name, frame, conn.Subprotocol())
		}
		conn.CloseNow()
	}
}

// A frame above the contract's ceiling ends the connection with 1009.
func TestSocketReadLimit(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	conn, _, err := p.dial(nil, wire.Subprotocol)
	must(t, err)
	defer conn.CloseNow()
	must(t, conn.Write(t.Context(), websocket.MessageBinary, make([]byte, wire.MaxFrame+1)))
	if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("got %v", err)
	}
}

// WEB-14: a ticket works once, and for its own tenant.
func TestTicket(t *testing.T) {
	b := newBench(t)
	p, other := b.place(".example"), b.place(".example")
	owner, token := p.member("member")
	get := func() []byte {
		a := p.do("POST", "/client/v1/tickets", "", "Authorization: Bearer "+token.Reveal())
		raw, err := base64.RawURLEncoding.DecodeString(a.json(t)["ticket"].(string))
		must(t, err)
		return raw
	}
	ticket := get()
	if _, err := b.accounts.UseTicket(t.Context(), other.tenant, ticket); err == nil {
		t.Error("another tenant takes the ticket")
	}
	who, err := b.accounts.UseTicket(t.Context(), p.tenant, ticket)
	if err != nil || who.Account != owner || who.Device != 1 {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := b.accounts.UseTicket(t.Context(), p.tenant, ticket); err == nil {
		t.Error("a ticket works twice")
	}
	old := get()
	for range 15 {
		get()
	}
	if a := p.do("POST", "/client/v1/tickets", "", "Authorization: Bearer "+token.Reveal()); a.status != 429 {
		t.Errorf("the 17th waiting ticket: %d", a.status)
	}
	late := account.New(b.db, b.secrets, ahead)
	if _, err := late.UseTicket(t.Context(), p.tenant, old); err == nil {
		t.Error("an old ticket works")
	}
}

// ahead is a clock past every ticket's life.
func ahead() time.Time { return time.Now().Add(31 * time.Second) }
