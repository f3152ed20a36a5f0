//go:build !js

package native

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/wire"
)

const (
	// pingEvery is the silence after which the transport says that it is there,
	// and deadAfter the silence after which the server is not (docs/protocol.md
	// section 13.11).
	pingEvery = 15 * time.Second
	deadAfter = 45 * time.Second

	// pingRequest numbers the transport's own pings: far above those of a client,
	// which counts up from 1, so that it drops the answers as nobody's.
	pingRequest = 1 << 62
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
	return newSocket(ws), nil
}

// ended is a connection that the server refused for good: what a client makes of
// its code is what it makes of a close.
type ended struct{ code wire.CloseCode }

func (e ended) Read(context.Context) ([]byte, error)      { return nil, client.Closed{Code: e.code} }
func (e ended) Write(ctx context.Context, _ []byte) error { return client.Closed{Code: e.code} }
func (ended) Close(wire.CloseCode) error                  { return nil }

// socket is a client.Transport over a WebSocket, with one goroutine that keeps it
// alive; Close, and the Read that finds the end, end it and wait for it.
type socket struct {
	ws    *websocket.Conn
	stop  context.CancelFunc
	pulse sync.WaitGroup
	wrote atomic.Bool // since the last beat
	heard atomic.Bool

	mu   sync.Mutex
	code wire.CloseCode // ours; 0: not closed by us
}

func newSocket(ws *websocket.Conn) *socket {
	ctx, stop := context.WithCancel(context.Background())
	t := &socket{ws: ws, stop: stop}
	t.pulse.Go(func() { t.keepAlive(ctx) })
	return t
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
	t.heard.Store(true)
	return frame, nil
}

// Write implements client.Transport.
func (t *socket) Write(ctx context.Context, frame []byte) error {
	t.wrote.Store(true)
	return t.ws.Write(ctx, websocket.MessageBinary, frame)
}

// Close implements client.Transport.
func (t *socket) Close(code wire.CloseCode) error {
	if t.setCode(code) {
		t.stop()
		_ = t.ws.Close(websocket.StatusCode(code), "")
	}
	t.pulse.Wait()
	return nil
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
	t.stop()
	t.pulse.Wait()
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

// keepAlive sends a Ping when nothing else went out, and gives the connection up
// when nothing comes in: a dead network does not close it.
func (t *socket) keepAlive(ctx context.Context) {
	beat := time.NewTicker(pingEvery)
	defer beat.Stop()
	for silent := 0; ; {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		if silent++; t.heard.Swap(false) {
			silent = 0
		}
		if silent >= int(deadAfter/pingEvery) {
			t.setCode(wire.CloseLost)
			_ = t.ws.CloseNow()
			return
		}
		if !t.wrote.Swap(false) && t.Write(ctx, wire.AppendClient(nil, pingRequest, &wire.Ping{})) != nil {
			return
		}
		t.wrote.Store(false)
	}
}
