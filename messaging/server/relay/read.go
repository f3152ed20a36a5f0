package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// sending is a send with the bytes that it points into, from the socket to the
// writer's answer.
type sending struct {
	buf  []byte
	send wire.Send
	at   int64 // when it came in, Unix microseconds
}

// pool keeps buffers of ordinary frames; a large one is left to the collector.
var pool = sync.Pool{New: func() any { return &sending{buf: make([]byte, 0, 4<<10)} }}

const pooledBuffer = 32 << 10

func (s *sending) release() {
	if cap(s.buf) <= pooledBuffer {
		s.buf = s.buf[:0]
		pool.Put(s)
	}
}

// read is the reader: it takes frames until the connection ends and returns why.
func (c *conn) read(ctx context.Context, who *account.Who) wire.CloseCode {
	if code := c.hello(ctx, who); code != 0 {
		return code
	}
	var ack wire.Ack
	for {
		s := pool.Get().(*sending)
		var err error
		if s.buf, err = c.transport.ReadFrame(ctx, s.buf[:0]); err != nil {
			return wire.CloseLost
		}
		c.touched()
		frame, err := wire.SplitClient(s.buf)
		if err != nil {
			return wire.CloseMalformed
		}
		var code wire.CloseCode
		switch frame.Kind {
		case wire.KindSend:
			code = c.takeSend(ctx, s, frame.Body)
			s = nil // its outcome releases it
		case wire.KindAck:
			code = c.takeAck(&ack, frame.Body)
		case wire.KindHello:
			code = wire.CloseOutOfPlace
		default:
			code = c.request(ctx, &frame)
		}
		if s != nil {
			s.release()
		}
		if code != 0 {
			return code
		}
	}
}

func (c *conn) touched() {
	c.lastRead.Store(c.hub.options.Now().UnixNano())
	c.hub.options.Metrics.FramesIn.Inc()
}

// hello takes the first frame and answers it.
func (c *conn) hello(ctx context.Context, who *account.Who) wire.CloseCode {
	buf, err := c.transport.ReadFrame(ctx, nil)
	if err != nil {
		return wire.CloseLost
	}
	c.touched()
	frame, err := wire.SplitClient(buf)
	if err != nil {
		return wire.CloseMalformed
	}
	if frame.Kind != wire.KindHello {
		return wire.CloseOutOfPlace
	}
	m, err := frame.Message()
	if err != nil {
		return wire.CloseMalformed
	}
	hello := m.(*wire.Hello)
	version, ok := hello.Choose(wire.Version, wire.Version)
	if !ok {
		return wire.CloseVersion
	}
	if who == nil {
		if who = c.redeem(ctx, hello.Ticket); who == nil {
			return wire.CloseUnauthenticated
		}
	}
	c.greeted.Store(true)
	return c.begin(ctx, *who, version)
}

func (c *conn) redeem(ctx context.Context, ticket []byte) *account.Who {
	if len(ticket) == 0 || c.hub.services.Tickets == nil {
		return nil
	}
	who, err := c.hub.services.Tickets.Redeem(ctx, c.tenant, ticket)
	if err != nil {
		return nil
	}
	return &who
}

// begin registers the connection and then reads: whatever comes after the
// mailbox was read finds it registered.
func (c *conn) begin(ctx context.Context, who account.Who, version uint8) wire.CloseCode {
	c.who = who
	c.owner = Owner{c.tenant, messaging.Address{Account: who.Account, Device: who.Device}}
	if who.Device != 0 {
		c.box = c.hub.services.Mailbox.Box(c.tenant, c.owner.Address)
		c.line = c.hub.services.Mailbox.Line(c.tenant, c.owner.Address)
	}
	close(c.known)
	if who.Device != 0 {
		c.hub.register(c)
	}
	welcome, err := c.welcomeOf(ctx, version)
	switch {
	case errors.Is(err, account.ErrNotLinked), errors.Is(err, account.ErrUnknown):
		return wire.CloseDeviceRemoved
	case err != nil:
		return wire.CloseTryLater
	}
	c.greet(welcome)
	return 0
}

func (c *conn) welcomeOf(ctx context.Context, version uint8) (*wire.Welcome, error) {
	o := &c.hub.options
	w := &wire.Welcome{Version: version, ServerTimeMS: c.hub.nowMS(), TenantID: messaging.TenantID(c.tenant), AccountID: c.who.Account, Device: c.who.Device,
		Limits: wire.Limits{MaxFrame: wire.MaxFrame, MaxBody: wire.MaxBody, Window: uint32(o.Window), InFlight: uint32(o.InFlight), PingIntervalMS: uint32(pingInterval.Milliseconds())},
		Resume: []byte(c.hub.node)}
	err := c.hub.services.DB.In(ctx, c.tenant, func(tx tenant.Tx) (err error) {
		w.OwnHead, err = c.hub.services.Logs.Head(ctx, tx, c.who.Account)
		if errors.Is(err, account.ErrUnknown) && c.who.Device == 0 {
			return nil
		}
		return err
	})
	if err != nil || c.who.Device == 0 {
		return w, err
	}
	w.Keys, err = c.hub.services.Keys.CountKeys(ctx, c.tenant, c.who)
	return w, err
}

// takeAck passes acks on; the window may have room now.
func (c *conn) takeAck(ack *wire.Ack, body []byte) wire.CloseCode {
	if ack.Parse(body) != nil {
		return wire.CloseMalformed
	}
	if c.box == nil || c.box.Ack(ack.Positions) == 0 {
		return 0
	}
	c.lastAck.Store(c.hub.options.Now().UnixNano())
	if c.stalled.Swap(false) {
		c.poke(0)
	}
	return 0
}

// takeSend passes a send to its writer, after it has been found within limits.
func (c *conn) takeSend(ctx context.Context, s *sending, body []byte) wire.CloseCode {
	if s.send.Parse(body) != nil {
		return wire.CloseMalformed
	}
	s.at = c.hub.options.Now().UnixMicro()
	if refused, code := c.checkSend(ctx, &s.send); refused != nil || code != 0 {
		if refused != nil {
			refused.MessageID = s.send.MessageID
			c.answer(0, refused)
		}
		s.release()
		return code
	}
	c.hub.options.Metrics.SendBytes.Add(float64(len(s.buf)))
	c.mu.Lock()
	for c.ended == 0 && c.flight > 0 && (c.flight >= c.hub.options.InFlight || c.bytes+cap(s.buf) > memoryLimit) {
		c.room.Wait()
	}
	c.flight++
	c.bytes += cap(s.buf)
	c.mu.Unlock()
	if err := c.line.Put(ctx, &s.send, func(out outcome) { c.sent(s, out) }); err != nil {
		c.mu.Lock()
		c.flight--
		c.mu.Unlock()
		return wire.CloseTryLater
	}
	return 0
}

// checkSend refuses what this session or anybody may not ask for now.
func (c *conn) checkSend(ctx context.Context, m *wire.Send) (*wire.Refused, wire.CloseCode) {
	if c.line == nil {
		return &wire.Refused{Code: wire.CodeNotLinked}, 0
	}
	c.mu.Lock()
	draining := c.draining
	c.mu.Unlock()
	if draining {
		return &wire.Refused{Code: wire.CodeUnavailable, RetryAfterMS: unavailableRetryMS}, 0
	}
	rates, sends := &c.hub.options.Rates, c.hub.services.Sends
	if wait := sends.Take(ctx, c.deviceKey("send"), rates.Send, 1); wait > 0 {
		return c.limited(wait, wire.DetailDevice)
	}
	if wait := sends.Take(ctx, c.pairKey("pair", m.ChatID), rates.Pair, 1); wait > 0 {
		return c.limited(wait, wire.DetailPair)
	}
	if m.Partial {
		if wait := sends.Take(ctx, c.pairKey("partial", m.ChatID), rates.Partial, 1); wait > 0 {
			return c.limited(wait, wire.DetailPair)
		}
	}
	c.refusals = 0
	return nil, 0
}

// floodLimit is how many refusals in a row a client may ignore.
const floodLimit = 256

// limited is the answer to too much; a client that goes on regardless is closed.
func (c *conn) limited(wait time.Duration, detail wire.Detail) (*wire.Refused, wire.CloseCode) {
	c.hub.options.Metrics.Limited.Inc()
	c.refusals++
	if c.refusals > floodLimit {
		return nil, wire.CloseFlood
	}
	return &wire.Refused{Code: wire.CodeLimited, Detail: detail, RetryAfterMS: retryMS(wait)}, 0
}

func retryMS(wait time.Duration) uint32 {
	return uint32(min(max(wait.Milliseconds()+1, 1), wire.MaxRetryMS))
}

func (c *conn) deviceKey(what string) limit.Key {
	return limit.NewKey(c.tenant, what, append(c.who.Account[:], byte(c.who.Device))...)
}

func (c *conn) accountKey(what string) limit.Key {
	return limit.NewKey(c.tenant, what, c.who.Account[:]...)
}

func (c *conn) pairKey(what string, chat messaging.ChatID) limit.Key {
	return limit.NewKey(c.tenant, what, append(c.who.Account[:], chat[:]...)...)
}
