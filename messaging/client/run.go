package client

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
)

// ErrStay is what Run returns when the server's close code says not to come back
// by itself; the Closed that it wraps says why.
var ErrStay = errors.New("client: the server says not to come back")

// Run connects, and connects again as the close codes say, until ctx ends, the
// Client is closed, or there is no coming back. dial makes one connection.
func (c *Client) Run(ctx context.Context, dial func(context.Context) (Transport, error)) error {
	for attempt := 0; ; attempt++ {
		code, welcomed, err := c.session(ctx, dial)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if welcomed {
			attempt = 0
		}
		wait, again := code.Comeback().Wait(attempt, c.random())
		if !again {
			return errors.Join(ErrStay, Closed{code})
		}
		if err := c.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return ErrClosed
	}
}

// random is uniform in [0, 1), to spread the clients of a server that restarts.
func (c *Client) random() float64 {
	var b [8]byte
	_ = c.do(context.Background(), func(d *device) error {
		_, err := d.rand.Read(b[:])
		return err
	})
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// session is one connection from dial to its end. Its two goroutines, this one
// reading and one writing, have ended when it returns.
func (c *Client) session(ctx context.Context, dial func(context.Context) (Transport, error)) (code wire.CloseCode, welcomed bool, err error) {
	t, err := dial(ctx)
	if err != nil {
		return wire.CloseLost, false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	w := newOutlet(t)
	var writer sync.WaitGroup
	writer.Go(func() { w.run(ctx) })
	defer func() {
		c.attach(nil)
		cancel()
		writer.Wait()
		err = errors.Join(err, c.do(context.Background(), func(d *device) error {
			welcomed = d.link.open
			return d.lost()
		}))
	}()
	c.attach(w)
	if err := c.do(ctx, func(d *device) error { d.connected(); return nil }); err != nil {
		return wire.CloseGoingAway, false, errors.Join(err, t.Close(wire.CloseGoingAway))
	}
	return c.read(ctx, t)
}

// read hands frames to the owner until the connection ends.
func (c *Client) read(ctx context.Context, t Transport) (wire.CloseCode, bool, error) {
	for {
		frame, err := t.Read(ctx)
		if err != nil {
			var closed Closed
			if errors.As(err, &closed) {
				return closed.Code, false, nil
			}
			_ = t.Close(wire.CloseGoingAway)
			return wire.CloseLost, false, nil
		}
		err = c.do(ctx, func(d *device) error { return d.frame(frame) })
		if errors.Is(err, messaging.ErrInvalid) {
			_ = t.Close(wire.CloseMalformed)
			return wire.CloseMalformed, false, nil
		}
		if err != nil {
			_ = t.Close(wire.CloseInternal)
			return wire.CloseInternal, false, err
		}
	}
}

func (c *Client) attach(w *outlet) {
	c.mu.Lock()
	c.wires = w
	c.mu.Unlock()
}

// hangUp closes the connection at hand.
func (c *Client) hangUp(code wire.CloseCode) {
	c.mu.Lock()
	w := c.wires
	c.mu.Unlock()
	if w != nil {
		_ = w.t.Close(code)
	}
}

// An outlet is the queue to a connection's writer. It is bounded by what the
// device has in flight, so that the owner never waits for the network.
type outlet struct {
	t      Transport
	mu     sync.Mutex
	frames [][]byte
	wake   chan struct{}
}

func newOutlet(t Transport) *outlet { return &outlet{t: t, wake: make(chan struct{}, 1)} }

func (w *outlet) put(frames [][]byte) {
	if len(frames) == 0 {
		return
	}
	w.mu.Lock()
	w.frames = append(w.frames, frames...)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *outlet) run(ctx context.Context) {
	for {
		w.mu.Lock()
		frames := w.frames
		w.frames = nil
		w.mu.Unlock()
		for _, f := range frames {
			if w.t.Write(ctx, f) != nil {
				_ = w.t.Close(wire.CloseGoingAway) // Run comes back
				return
			}
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}
