package client

import (
	"context"
	"fmt"

	"github.com/sottochat/sotto/messaging/wire"
)

// Transport is one connection to the server: a stream of whole frames in both
// directions. Read is called by one goroutine, Write by another; Close may be
// called by any and ends both.
type Transport interface {
	// Read returns the next frame; the caller may keep the slice. When the
	// connection has ended it returns a Closed.
	Read(ctx context.Context) ([]byte, error)
	// Write hands over one frame and keeps nothing of the slice.
	Write(ctx context.Context, frame []byte) error
	// Close ends the connection with a code of package wire. Read then returns
	// that code, unless the server's came first. It may be called twice.
	Close(code wire.CloseCode) error
}

// Closed is how a Transport reports its end. Code says whether to come back.
type Closed struct{ Code wire.CloseCode }

func (c Closed) Error() string { return fmt.Sprintf("client: connection closed with code %d", c.Code) }
