package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

const (
	// memoryLimit bounds what a connection keeps in memory in each direction
	// beside the frame at hand: unanswered sends, and answers that wait to be
	// written. Above it the server stops reading.
	memoryLimit = wire.MaxFrame
	// maxPending bounds hints for a connection that does not read; the oldest go.
	maxPending = 64
	// maxWatches bounds the slots that a connection waits for: a linking uses four.
	maxWatches = 4
)

// conn is one connection.
type conn struct {
	hub       *Hub
	transport Transport
	tenant    tenant.ID

	// Set by the reader before known is closed, and not changed after it.
	who   account.Who
	owner Owner // of who; device 0: a session that is no device
	box   *mailbox.Box
	line  *mailbox.Line
	known chan struct{}

	wake chan struct{} // the sender should look

	mu       sync.Mutex
	room     sync.Cond // something of what mu guards became smaller, or the connection ends
	answers  [][]byte  // encoded frames
	waiting  int       // bytes of answers
	accepted []messaging.MessageID
	hints    [][]byte // frames that may be lost
	watches  []watch
	look     bool          // the mailbox should be read
	open     bool          // the welcome is there, and what follows it may be sent
	welcome  *wire.Welcome // not sent yet
	emptied  bool          // QueueEmpty was sent
	flight   int           // unanswered sends
	bytes    int           // of them
	draining bool
	ended    wire.CloseCode // 0: not yet
	arrived  int64          // when the oldest thing to look for came in, Unix microseconds

	// Unix nanoseconds.
	lastRead  atomic.Int64
	lastLook  atomic.Int64
	lastAck   atomic.Int64
	writing   atomic.Int64 // since when a write is under way; 0: none
	greeted   atomic.Bool  // Hello came
	stalled   atomic.Bool  // the window is full
	aborted   atomic.Bool
	refusals  int  // in a row, of the reader
	askedLink bool // of the reader
}

// watch is a GetSlot that waits for its slot.
type watch struct {
	request uint64
	slot    [wire.SlotSize]byte
	until   time.Time
}

// Serve carries out one connection and returns when it has ended. who is the
// holder of the session that came with the upgrade; nil: the first frame brings
// a ticket.
func (h *Hub) Serve(ctx context.Context, t Transport, id tenant.ID, who *account.Who) {
	c := &conn{hub: h, transport: t, tenant: id, known: make(chan struct{}), wake: make(chan struct{}, 1)}
	c.room.L = &c.mu
	c.lastRead.Store(h.options.Now().UnixNano())
	code, ok := h.admit(c)
	if !ok {
		t.Close(code)
		return
	}
	defer h.remove(c)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sender := make(chan struct{})
	go func() {
		defer close(sender)
		c.send(ctx)
	}()
	c.end(c.read(ctx, who))
	<-sender
	if c.flying() {
		c.mu.Lock()
		for c.flight > 0 { // their bytes are the mailbox's until it has answered
			c.room.Wait()
		}
		c.mu.Unlock()
	}
}

func (c *conn) flying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight > 0
}

// whose returns the connection's account and device, false before they are known.
func (c *conn) whose() (Owner, bool) {
	select {
	case <-c.known:
		return c.owner, true
	default:
		return Owner{}, false
	}
}

// end closes the connection, once; the sender first writes what it has.
func (c *conn) end(code wire.CloseCode) {
	c.mu.Lock()
	if c.ended == 0 {
		c.ended = code
		c.hub.options.Metrics.Closed.WithLabelValues(codeLabel(code)).Inc()
	}
	c.room.Broadcast()
	c.mu.Unlock()
	c.signal()
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// poke makes the sender read the mailbox.
func (c *conn) poke(at int64) {
	c.mu.Lock()
	c.look = true
	if at != 0 && c.arrived == 0 {
		c.arrived = at
	}
	c.mu.Unlock()
	c.signal()
}

func (c *conn) pokeWatches() {
	c.mu.Lock()
	n := len(c.watches)
	c.mu.Unlock()
	if n > 0 {
		c.signal()
	}
}

// answer queues a frame; the reader waits in it while too much is queued.
func (c *conn) answer(request uint64, m wire.ServerMessage) {
	frame := wire.AppendServer(nil, request, m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue(frame)
	c.signal()
	for c.waiting > memoryLimit && c.ended == 0 {
		c.room.Wait()
	}
}

// queue is called with mu held.
func (c *conn) queue(frame []byte) {
	c.answers = append(c.answers, frame)
	c.waiting += len(frame)
}

// pushHint queues a frame that may be lost.
func (c *conn) pushHint(frame []byte) {
	c.mu.Lock()
	if len(c.hints) == maxPending {
		copy(c.hints, c.hints[1:])
		c.hints = c.hints[:maxPending-1]
	}
	c.hints = append(c.hints, frame)
	c.mu.Unlock()
	c.signal()
}

// drain says good-bye; the sender ends the connection when everything is answered.
func (c *conn) drain() {
	c.mu.Lock()
	if !c.draining {
		c.draining = true
		frame := wire.AppendServer(nil, 0, &wire.Draining{ReconnectAfterMS: 500, SpreadMS: uint32(min(c.hub.options.DrainSpread.Milliseconds(), wire.MaxDrainMS))})
		c.queue(frame)
	}
	c.mu.Unlock()
	c.signal()
}

// tick looks at the clocks.
func (c *conn) tick(now time.Time, every time.Duration) {
	age := func(at *atomic.Int64) time.Duration { return now.Sub(time.Unix(0, at.Load())) }
	switch {
	case c.hasEnded(): // and its sender is in a write that does not end
		c.force()
	case !c.greeted.Load() && age(&c.lastRead) > helloLimit:
		c.abort(wire.CloseNoHello)
	case age(&c.lastRead) > idleLimit:
		c.abort(wire.CloseIdle)
	case c.writing.Load() != 0 && age(&c.writing) > slowLimit, c.stalled.Load() && age(&c.lastAck) > slowLimit:
		c.abort(wire.CloseSlow)
	case age(&c.lastLook) > every:
		c.lastLook.Store(now.Add(-spread(every / 4)).UnixNano())
		c.poke(0)
	default:
		c.pokeWatches()
	}
}

// abort ends a connection whose sender may be stuck in a write.
func (c *conn) abort(code wire.CloseCode) {
	c.end(code)
	c.force()
}

func (c *conn) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != 0
}

// force closes the transport beside the sender, which a client that does not
// read holds up.
func (c *conn) force() {
	if c.writing.Load() == 0 || c.aborted.Swap(true) {
		return
	}
	c.mu.Lock()
	code := c.ended
	c.mu.Unlock()
	c.hub.own.Go(func() { c.transport.Close(code) })
}

// greet lets the sender begin, with the welcome.
func (c *conn) greet(w *wire.Welcome) {
	c.mu.Lock()
	c.open = true
	if c.box == nil {
		c.queue(wire.AppendServer(nil, 0, w))
	} else {
		c.welcome, c.look = w, true
	}
	c.mu.Unlock()
	c.signal()
}
