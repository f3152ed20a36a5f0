package relay

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging/wire"
)

// Transport is one connection to a client: whole frames in both directions.
// ReadFrame is called by one goroutine, WriteFrames by another; Close may be
// called by any, more than once, and ends both.
type Transport interface {
	// ReadFrame appends the next frame to buf.
	ReadFrame(ctx context.Context, buf []byte) ([]byte, error)
	// WriteFrames sends frames, together where it can, and keeps nothing of them.
	WriteFrames(ctx context.Context, frames [][]byte) error
	// Close tells the client why and ends the connection.
	Close(code wire.CloseCode)
}

// errText reports a text message: the contract is binary.
var errText = errors.New("relay: text message")

// socket is a WebSocket (RFC 6455). Compression is off: bodies are ciphertext.
type socket struct{ conn *websocket.Conn }

// AcceptOptions are those with which package web upgrades a request; it adds
// whose Origin it takes.
func AcceptOptions() *websocket.AcceptOptions {
	return &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled}
}

// NewSocket makes a Transport of an upgraded connection.
func NewSocket(conn *websocket.Conn) Transport {
	conn.SetReadLimit(wire.MaxFrame)
	return &socket{conn}
}

func (s *socket) ReadFrame(ctx context.Context, buf []byte) ([]byte, error) {
	kind, r, err := s.conn.Reader(ctx)
	if err != nil {
		return buf, err
	}
	if kind != websocket.MessageBinary {
		s.Close(wire.CloseUnsupported)
		return buf, errText
	}
	return readInto(buf, r)
}

// readInto is io.ReadAll into a buffer that is used again. The reader ends at
// the read limit.
func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

func (s *socket) WriteFrames(ctx context.Context, frames [][]byte) error {
	for _, frame := range frames {
		if err := s.conn.Write(ctx, websocket.MessageBinary, frame); err != nil {
			return err
		}
	}
	return nil
}

// closeWait bounds how long a client that does not read may hold up its end:
// the close frame cannot overtake what fills its connection.
const closeWait = 2 * time.Second

func (s *socket) Close(code wire.CloseCode) {
	if code == wire.CloseLost { // never sent
		_ = s.conn.CloseNow()
		return
	}
	abort := time.AfterFunc(closeWait, func() { _ = s.conn.CloseNow() })
	defer abort.Stop()
	_ = s.conn.Close(websocket.StatusCode(code), "")
}
