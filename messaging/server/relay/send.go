package relay

import (
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
)

// send is the sender's goroutine: the only one that writes.
func (c *conn) send(ctx context.Context) {
	for range c.wake {
		for {
			more, code := c.step(ctx)
			if code != 0 {
				c.transport.Close(code)
				return
			}
			if !more {
				break
			}
		}
	}
}

// step writes what there is in one go. more asks for another step; code ends
// the connection.
func (c *conn) step(ctx context.Context) (more bool, code wire.CloseCode) {
	frames, look, ended := c.collect()
	if ended == 0 && look {
		var delivered [][]byte
		delivered, more = c.deliver(ctx)
		frames = append(frames, delivered...)
	}
	if ended == 0 {
		frames = append(frames, c.checkWatches(ctx)...)
	}
	if len(frames) > 0 && !c.write(ctx, frames) && ended == 0 {
		ended = wire.CloseLost
	}
	if ended == 0 && c.drained() {
		ended = wire.CloseRestart
	}
	return more, ended
}

// collect takes what is queued.
func (c *conn) collect() (frames [][]byte, look bool, ended wire.CloseCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open && c.ended == 0 {
		return nil, false, 0
	}
	frames = append(c.answers, c.hints...)
	for n := 0; n < len(c.accepted); n += wire.MaxAck {
		ids := c.accepted[n:min(n+wire.MaxAck, len(c.accepted))]
		frames = append(frames, wire.AppendServer(nil, 0, &wire.Accepted{MessageIDs: ids}))
	}
	c.answers, c.hints, c.accepted, c.waiting = nil, nil, nil, 0
	look, c.look = c.look && c.open && c.box != nil, false
	c.room.Broadcast()
	return frames, look, c.ended
}

func (c *conn) write(ctx context.Context, frames [][]byte) bool {
	c.writing.Store(c.hub.options.Now().UnixNano())
	err := c.transport.WriteFrames(ctx, frames)
	c.writing.Store(0)
	c.hub.options.Metrics.FramesOut.Add(float64(len(frames)))
	return err == nil
}

func (c *conn) drained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining && c.flight == 0 && len(c.answers) == 0 && len(c.accepted) == 0
}

// deliver reads the mailbox up to the window. While the window is full nothing
// is read: the next ack wakes the sender.
func (c *conn) deliver(ctx context.Context) (frames [][]byte, more bool) {
	c.lastLook.Store(c.hub.options.Now().UnixNano())
	room := c.hub.options.Window - c.box.Unacked()
	if room <= 0 {
		c.stall()
		return nil, false
	}
	c.mu.Lock()
	welcome := c.welcome
	c.welcome = nil
	c.mu.Unlock()
	batch, err := c.box.Next(ctx, min(room, wire.MaxDeliver), wire.MaxFrame-wire.FrameOverhead, welcome != nil)
	if err != nil {
		c.lastLook.Store(0) // the database is away: the next tick looks again
	} else {
		frames, more = c.encode(batch)
	}
	if welcome != nil {
		welcome.Queued = uint64(batch.Queued)
		frames = append([][]byte{wire.AppendServer(nil, 0, welcome)}, frames...)
	}
	return frames, more
}

// stall notes that something waits for which the window has no room.
func (c *conn) stall() {
	if !c.stalled.Swap(true) {
		c.lastAck.Store(c.hub.options.Now().UnixNano())
	}
	c.mu.Lock()
	c.look = true
	c.mu.Unlock()
	if c.box.Unacked() < c.hub.options.Window { // an ack came in between, and may have found nothing to wake
		c.signal()
	}
}

// encode makes the frames of a batch, in its order.
func (c *conn) encode(batch mailbox.Batch) (frames [][]byte, more bool) {
	switch {
	case batch.Gone:
		c.end(wire.CloseDeviceRemoved)
		return nil, false
	case batch.Suspended:
		c.end(wire.CloseSuspended)
		return nil, false
	}
	frames = encodeItems(batch.Items)
	c.mu.Lock()
	defer c.mu.Unlock()
	if batch.More {
		c.look = true
	} else if !c.emptied {
		c.emptied = true
		frames = append(frames, wire.AppendServer(nil, 0, &wire.QueueEmpty{}))
	}
	c.observe(len(batch.Items))
	return frames, batch.More
}

// observe is called with mu held.
func (c *conn) observe(items int) {
	if items == 0 {
		return
	}
	c.hub.options.Metrics.Delivered.Add(float64(items))
	if c.arrived != 0 {
		c.hub.options.Metrics.Delivery.Observe(since(c.hub.options.Now(), c.arrived).Seconds())
		c.arrived = 0
	}
}

func encodeItems(items []mailbox.Item) (frames [][]byte) {
	var deliver wire.Deliver
	size := 0
	flush := func() {
		if len(deliver.Envelopes) > 0 {
			frames = append(frames, wire.AppendServer(make([]byte, 0, size+wire.FrameOverhead), 0, &deliver))
			deliver.Envelopes, size = deliver.Envelopes[:0], 0
		}
	}
	for i := range items {
		if n := items[i].Notice; n != nil {
			flush()
			frames = append(frames, wire.AppendServer(nil, 0, n))
			continue
		}
		deliver.Envelopes = append(deliver.Envelopes, items[i].Envelope)
		size += items[i].Size()
	}
	flush()
	return frames
}

// checkWatches answers slots that were filled or will not be.
func (c *conn) checkWatches(ctx context.Context) (frames [][]byte) {
	c.mu.Lock()
	watches := c.watches
	c.watches = nil
	c.mu.Unlock()
	if len(watches) == 0 {
		return nil
	}
	now := c.hub.options.Now()
	var left []watch
	for _, w := range watches {
		payload, err := c.hub.services.Slots.GetSlot(ctx, c.tenant, c.who, w.slot)
		switch {
		case err == nil:
			frames = append(frames, wire.AppendServer(nil, w.request, &wire.Slot{Slot: w.slot, Payload: payload}))
		case now.After(w.until):
			frames = append(frames, wire.AppendServer(nil, w.request, &wire.Refused{Code: wire.CodeNotFound}))
		case errors.Is(err, account.ErrUnknown), ctx.Err() == nil:
			left = append(left, w)
		}
	}
	c.mu.Lock()
	c.watches = append(left, c.watches...)
	c.mu.Unlock()
	return frames
}

// sent takes the outcome of a send, on a writer's goroutine: it must not wait.
func (c *conn) sent(s *sending, out mailbox.Outcome) {
	c.hub.options.Metrics.Sends.WithLabelValues(verdictLabel(out.Verdict)).Inc()
	c.mu.Lock()
	switch out.Verdict {
	case mailbox.Accepted:
		c.accepted = append(c.accepted, s.send.MessageID)
	case mailbox.Unavailable:
	default:
		c.queue(wire.AppendServer(nil, 0, refusal(s.send.MessageID, out)))
	}
	c.mu.Unlock()
	if out.Verdict == mailbox.Unavailable {
		c.end(wire.CloseTryLater) // what was not accepted is sent again, in order
	}
	if s.send.Urgency == wire.UrgencyEphemeral {
		c.sendEphemeral(s, out.Recipients)
	} else if len(out.Recipients) > 0 {
		c.hub.wake(c.tenant, out.Recipients, s.at)
	}
	c.mu.Lock()
	c.flight--
	c.bytes -= cap(s.buf)
	c.room.Broadcast()
	c.mu.Unlock()
	c.signal()
	s.release()
}

// sendEphemeral hands over what is stored nowhere.
func (c *conn) sendEphemeral(s *sending, to []messaging.Address) {
	now := uint64(c.hub.options.Now().Truncate(time.Minute).Unix())
	for i, address := range to {
		e := &s.send.Envelopes[i]
		frame := wire.AppendServer(nil, 0, &wire.Deliver{Envelopes: []wire.Delivered{{SenderAccount: c.who.Account, SenderDevice: c.who.Device,
			ChatID: s.send.ChatID, MessageID: s.send.MessageID, ServerTime: now, Type: e.Type, Body: e.Body}}})
		c.hub.frame(c.tenant, []messaging.Address{address}, frame)
	}
}

func refusal(id messaging.MessageID, out mailbox.Outcome) *wire.Refused {
	r := &wire.Refused{MessageID: id, Detail: out.Detail, OwnHead: out.OwnHead, PeerHead: out.PeerHead}
	switch out.Verdict {
	case mailbox.Stale:
		r.Code = wire.CodeStale
	case mailbox.NotOpen:
		r.Code = wire.CodeNotOpen
	case mailbox.NotFound:
		r.Code = wire.CodeNotFound
	case mailbox.NotLinked:
		r.Code = wire.CodeNotLinked
	case mailbox.Full:
		r.Code, r.RetryAfterMS = wire.CodeFull, fullRetryMS
	default:
		r.Code, r.RetryAfterMS = wire.CodeUnavailable, unavailableRetryMS
	}
	return r
}

const (
	fullRetryMS        = 60_000 // a mailbox empties when its device comes back
	unavailableRetryMS = 2_000
)
