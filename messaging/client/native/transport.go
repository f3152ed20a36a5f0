//go:build !js

package native

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/wire"
)

// Dial opens the connection of this session.
func (s *Site) Dial(ctx context.Context) (client.Transport, error) {
	header := http.Header{}
	if !s.token.IsZero() {
		header.Set("Authorization", "Bearer "+s.token.text)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	address := "ws" + strings.TrimPrefix(s.origin, "http") + "/client/v1/socket"
	ws, answer, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient: s.http, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol},
		CompressionMode: websocket.CompressionDisabled,
	})
	if answer != nil && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return ended{wire.CloseSessionEnded}, nil
	}
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(wire.MaxFrame)
	return &socket{ws: ws}, nil
}

// ended is a connection that the server refused for good: what a client makes of
// its code is what it makes of a close.
type ended struct{ code wire.CloseCode }

func (e ended) Read(context.Context) ([]byte, error)      { return nil, client.Closed{Code: e.code} }
func (e ended) Write(ctx context.Context, _ []byte) error { return client.Closed{Code: e.code} }
func (ended) Close(wire.CloseCode) error                  { return nil }

// socket is a client.Transport over a WebSocket. It starts no goroutine: the
// Client itself notices a connection that is silent.
type socket struct {
	ws *websocket.Conn

	mu   sync.Mutex
	code wire.CloseCode // ours; 0: not closed by us
}

// Read implements client.Transport.
func (t *socket) Read(ctx context.Context) ([]byte, error) {
	kind, frame, err := t.ws.Read(ctx)
	if err != nil {
		return nil, client.Closed{Code: t.closedBy(err)}
	}
	if kind != websocket.MessageBinary {
		_ = t.Close(wire.CloseUnsupported)
		return nil, client.Closed{Code: wire.CloseUnsupported}
	}
	return frame, nil
}

// Write implements client.Transport.
func (t *socket) Write(ctx context.Context, frame []byte) error {
	return t.ws.Write(ctx, websocket.MessageBinary, frame)
}

// Close implements client.Transport.
func (t *socket) Close(code wire.CloseCode) error {
	if !t.setCode(code) {
		return nil
	}
	if code == wire.CloseLost { // never sent
		return t.ws.CloseNow()
	}
	return t.ws.Close(websocket.StatusCode(code), "")
}

// setCode reports whether this was the first of our reasons to end.
func (t *socket) setCode(code wire.CloseCode) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.code == 0
	if first {
		t.code = code
	}
	return first
}

// closedBy tells whose close ended the connection, and with which code.
func (t *socket) closedBy(err error) wire.CloseCode {
	_ = t.ws.CloseNow()
	t.mu.Lock()
	defer t.mu.Unlock()
	var theirs websocket.CloseError
	switch {
	case t.code != 0:
		return t.code
	case errors.As(err, &theirs):
		return wire.CloseCode(theirs.Code)
	case errors.Is(err, websocket.ErrMessageTooBig):
		return wire.CloseTooBig
	}
	return wire.CloseLost
}
