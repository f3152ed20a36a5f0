package relay

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

const (
	// hintQueue bounds the hints that wait for the publisher; above it they are
	// dropped, and the devices look by themselves.
	hintQueue = 8192
	// knownFor is how long the publisher believes where a device is. When it has
	// moved, the node that hears the hint sends it on.
	knownFor = 30 * time.Second
	maxKnown = 1 << 16
	// keepEvery is how often presence is noted again: three times in its life.
	keepEvery = presenceLife / 3
	// keepStep bounds the devices of one round trip.
	keepStep = 500
)

// wake looks for each device here, and else has the other nodes told. at is
// when what it is about came in, in Unix microseconds.
func (h *Hub) wake(id tenant.ID, devices []messaging.Address, at int64) {
	for _, d := range devices {
		to := Owner{id, d}
		if c := h.device(to); c != nil {
			c.poke(at)
		} else {
			h.hint(Hint{Kind: HintWake, To: to, At: at})
		}
	}
}

// frame hands a frame that is not stored to devices that are connected.
func (h *Hub) frame(id tenant.ID, devices []messaging.Address, frame []byte) {
	for _, d := range devices {
		to := Owner{id, d}
		if c := h.device(to); c != nil {
			c.pushHint(frame)
		} else {
			h.hint(Hint{Kind: HintFrame, To: to, Frame: frame})
		}
	}
}

func (h *Hub) hint(hint Hint) {
	select {
	case h.hints <- hint:
	default:
		h.options.Metrics.HintsDropped.Inc()
	}
}

// Heard is Inbox's.
func (h *Hub) Heard(hints []Hint) {
	for _, hint := range hints {
		switch hint.Kind {
		case HintCut:
			h.cut(hint)
		case HintSlot:
			h.pokeAccount(hint.To)
		case HintWake, HintFrame, HintReplaced:
			h.heard(hint)
		}
	}
}

func (h *Hub) heard(hint Hint) {
	c := h.device(hint.To)
	switch {
	case c == nil && hint.Kind != HintReplaced && !hint.moved:
		hint.moved = true // once: where it is now, nobody is sent on from
		h.hint(hint)
	case c == nil:
	case hint.Kind == HintWake:
		c.poke(hint.At)
	case hint.Kind == HintFrame:
		c.pushHint(hint.Frame)
	case hint.Kind == HintReplaced:
		c.end(wire.CloseReplaced)
	}
}

func (h *Hub) pokeAccount(of Owner) {
	for _, c := range h.connections() {
		if who, ok := c.whose(); ok && of.covers(who) {
			c.pokeWatches()
		}
	}
}

// Missed is Inbox's: every connection looks, and is noted again.
func (h *Hub) Missed() {
	for _, c := range h.connections() {
		c.poke(0)
	}
	h.askKeeper()
}

// known is where a device was found.
type known struct {
	node  NodeID
	until time.Time
}

// publish is the publisher's goroutine: it finds out where devices are and
// packs the hints for each node.
func (h *Hub) publish() {
	where := map[Owner]known{}
	for {
		var batch []Hint
		select {
		case hint := <-h.hints:
			batch = append(batch, hint)
		case <-h.ctx.Done():
			return
		}
	collect:
		for len(batch) < maxHints {
			select {
			case hint := <-h.hints:
				batch = append(batch, hint)
			default:
				break collect
			}
		}
		h.post(batch, where)
	}
}

func (h *Hub) post(batch []Hint, where map[Owner]known) {
	if !h.bus.Healthy() {
		h.options.Metrics.HintsDropped.Add(float64(len(batch)))
		return
	}
	if err := h.locate(batch, where); err != nil {
		h.options.Metrics.HintsDropped.Add(float64(len(batch)))
		return
	}
	packed := map[NodeID][]Hint{}
	for _, hint := range batch {
		if at := where[hint.To].node; at != "" && at != h.node {
			packed[at] = append(packed[at], hint)
		}
	}
	for node, hints := range packed {
		if h.bus.Publish(h.ctx, node, hints) != nil {
			h.options.Metrics.HintsDropped.Add(float64(len(hints)))
			continue
		}
		h.options.Metrics.HintsSent.Add(float64(len(hints)))
	}
	for to, k := range where {
		if k.node == "" {
			delete(where, to) // who is not connected may be, a moment later
		}
	}
	if len(where) > maxKnown {
		clear(where)
	}
}

// locate fills where for each hint of the batch.
func (h *Hub) locate(batch []Hint, where map[Owner]known) error {
	now := h.options.Now()
	var ask []Owner
	for _, hint := range batch {
		k, ok := where[hint.To]
		if !ok || hint.moved || now.After(k.until) {
			where[hint.To] = known{until: now.Add(knownFor)}
			ask = append(ask, hint.To)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	at, err := h.presence.Locate(h.ctx, ask)
	for i, to := range ask {
		if err != nil {
			delete(where, to)
		} else {
			where[to] = known{at[i], now.Add(knownFor)}
		}
	}
	return err
}

func (h *Hub) askKeeper() {
	select {
	case h.keep <- struct{}{}:
	default:
	}
}

// keeper is the goroutine that keeps presence: it is noted again from time to
// time, and after it may have been lost.
func (h *Hub) keeper() {
	timer := time.NewTicker(keepEvery)
	defer timer.Stop()
	for {
		select {
		case <-h.keep:
		case <-timer.C:
		case <-h.ctx.Done():
			return
		}
		h.keepAll()
	}
}

func (h *Hub) keepAll() {
	h.mu.RLock()
	all := make([]Owner, 0, len(h.devices))
	for o := range h.devices {
		all = append(all, o)
	}
	h.mu.RUnlock()
	for len(all) > 0 && h.ctx.Err() == nil {
		step := all[:min(keepStep, len(all))]
		all = all[len(step):]
		at, err := h.presence.Refresh(h.ctx, h.node, step)
		if err != nil {
			return // the bus says when it is back
		}
		for i, node := range at {
			if c := h.device(step[i]); c != nil && node != h.node {
				c.end(wire.CloseReplaced)
			}
		}
	}
}

// ticker is the goroutine that looks through the connections: no connection
// has a timer of its own.
func (h *Hub) ticker() {
	t := time.NewTicker(h.options.Tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.Tick()
		case <-h.ctx.Done():
			return
		}
	}
}

// Tick ends what is silent or slow and makes connections look that have not
// for a while.
func (h *Hub) Tick() {
	now, every := h.options.Now(), lookHealthy
	if !h.bus.Healthy() {
		every = lookUnhealthy
	}
	for _, c := range h.connections() {
		c.tick(now, every)
	}
}

// mustShow leaves a notice in mailboxes and wakes their devices.
func (h *Hub) mustShow(ctx context.Context, id tenant.ID, of messaging.AccountID, except messaging.DeviceID, n wire.Notice) error {
	n.TimeMS = h.nowMS()
	told, err := h.services.Mailbox.Notify(ctx, id, of, except, n)
	if err == nil {
		h.Wake(id, told)
	}
	return err
}

// news tells connected devices something that they would find by asking.
func (h *Hub) news(id tenant.ID, devices []messaging.Address, n wire.Notice) {
	n.TimeMS = h.nowMS()
	h.frame(id, devices, wire.AppendServer(nil, 0, &n))
}

func (h *Hub) nowMS() uint64 { return uint64(h.options.Now().UnixMilli()) }

// spread is a random part of d, so that what began together does not stay so.
func spread(d time.Duration) time.Duration { return rand.N(d) }
