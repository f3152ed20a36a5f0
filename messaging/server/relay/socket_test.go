package relay_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
)

// serve puts a node behind a real HTTP server.
func (w *world) serve(n *node, who *account.Who) *httptest.Server {
	w.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(rw, r, relay.AcceptOptions())
		if err != nil {
			return
		}
		n.Serve(r.Context(), relay.NewSocket(conn), w.tenant, who)
	}))
	w.Cleanup(s.Close)
	return s
}

func dialSocket(t *testing.T, s *httptest.Server) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(s.URL, "http", "ws", 1), &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(wire.MaxFrame)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func greet(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageBinary, wire.AppendClient(nil, 0, &wire.Hello{Versions: []uint8{1}, Build: "test"})); err != nil {
		t.Fatal(err)
	}
	_, frame, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, m, err := wire.ParseServer(frame); err != nil {
		t.Fatal(err)
	} else if _, ok := m.(*wire.Welcome); !ok {
		t.Fatalf("got %T", m)
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, peer := w.dial(n, a, 1), dialSocket(t, w.serve(n, &account.Who{Account: b.id, Device: 1}))
	if peer.Subprotocol() != wire.Subprotocol {
		t.Errorf("subprotocol %q", peer.Subprotocol())
	}
	greet(t, peer)
	sender.accepted(send(a, b, 1, id, "through a socket"))
	for {
		_, frame, err := peer.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, m, _ := wire.ParseServer(frame); m != nil {
			if d, ok := m.(*wire.Deliver); ok {
				if string(d.Envelopes[0].Body) != "through a socket" {
					t.Errorf("got %q", d.Envelopes[0].Body)
				}
				break
			}
		}
	}
	n.Cut(w.tenant, b.id, 1, wire.CloseDeviceRemoved)
	for {
		if _, _, err := peer.Read(t.Context()); err != nil {
			if got := websocket.CloseStatus(err); got != websocket.StatusCode(wire.CloseDeviceRemoved) {
				t.Errorf("closed with %d: %v", got, err)
			}
			break
		}
	}
}

// MBX-27: what is not a conversation of this contract ends with its code.
func TestSocketRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1)
	s := w.serve(n, &account.Who{Account: a.id, Device: 1})
	text := func(conn *websocket.Conn) { conn.Write(t.Context(), websocket.MessageText, []byte("hello")) }
	large := func(conn *websocket.Conn) {
		conn.Write(t.Context(), websocket.MessageBinary, bytes.Repeat([]byte{1}, wire.MaxFrame+1))
	}
	malformed := func(conn *websocket.Conn) { conn.Write(t.Context(), websocket.MessageBinary, []byte{0xff}) }
	for name, c := range map[string]struct {
		do   func(*websocket.Conn)
		code wire.CloseCode
	}{"text": {text, wire.CloseUnsupported}, "too large": {large, wire.CloseTooBig}, "malformed": {malformed, wire.CloseMalformed}} {
		t.Run(name, func(t *testing.T) {
			conn := dialSocket(t, s)
			greet(t, conn)
			c.do(conn)
			for {
				if _, _, err := conn.Read(t.Context()); err != nil {
					if got := websocket.CloseStatus(err); got != websocket.StatusCode(c.code) {
						t.Errorf("expected %d, got %d: %v", c.code, got, err)
					}
					return
				}
			}
		})
	}
}

// MBX-27: bytes that no WebSocket sends. The server ends the connection and
// keeps nothing.
func TestSocketRawFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1)
	s := w.serve(n, &account.Who{Account: a.id, Device: 1})
	for name, raw := range map[string][]byte{
		"reserved bits":    {0xf2, 0x80, 0, 0, 0, 0},
		"2^63 bytes":       {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		"not masked":       {0x82, 0x01, 0x00},
		"long ping":        append([]byte{0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0}, make([]byte, 256)...),
		"unknown opcode":   {0x83, 0x80, 0, 0, 0, 0},
		"only a fragment":  {0x00, 0x80, 0, 0, 0, 0},
		"bad close reason": {0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			conn := rawSocket(t, s)
			if _, err := conn.Write(raw); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the server did not end it: %v", err)
			}
		})
	}
	w.eventually("nothing is left", func() bool { return n.Connections() == 0 })
}

func rawSocket(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+u.Host+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+wire.Subprotocol+"\r\n\r\n")
	head := make([]byte, 0, 512)
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := conn.Read(one); err != nil {
			t.Fatal(err)
		}
		head = append(head, one[0])
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		t.Fatalf("no upgrade: %q", head)
	}
	return conn
}
