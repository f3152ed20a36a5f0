// Package relay holds the live connections of one node: it reads the frames of
// docs/protocol.md section 13, has them carried out, delivers what waits in
// mailboxes and wakes the other nodes. The mailbox is the truth: everything
// here may be lost at any moment without losing a message. The package knows no
// HTTP, judges no chat and stores nothing.
//
// Goroutines: two a connection (the caller of Serve reads, one sender writes,
// the reader waits for the sender), and for each Hub a ticker, a publisher, a
// keeper and the bus's own (docs/architecture.md, "Goroutines").
package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Options say how a Hub works; every zero value means the default.
type Options struct {
	// Window is how many envelopes are delivered ahead of their acks; default 256.
	Window int
	// InFlight is how many sends and requests of a connection may be unanswered;
	// default 64.
	InFlight int
	// MaxConnections of this node; default 50000. Above, clients are told to come later.
	MaxConnections int
	// Rates of sends and requests; the zero Rates are far above what people do and far below what hurts.
	Rates Rates
	// DrainSpread is over how long clients come back after a restart; default 10 s.
	DrainSpread time.Duration
	// Tick is how often connections are looked through; default 1 s. Negative:
	// never (tests call Tick).
	Tick time.Duration
	// Now is the server's clock; default time.Now.
	Now func() time.Time
	// Metrics count; nil: nobody looks.
	Metrics *Metrics
	// Log takes what an operator should see: no ids, no content; default slog.Default.
	Log *slog.Logger
}

// Rates bound what a client may ask for.
type Rates struct {
	Send    limit.Rate // a device's sends
	Pair    limit.Rate // an account's sends to one chat
	Partial limit.Rate // partial sets of an account to one chat
	Request limit.Rate // a device's requests
	Open    limit.Rate // an account's looks at and openings of chats
}

// defaultRates are the zero Rates.
var defaultRates = Rates{
	Send:    limit.PerSecond(50, 500),
	Pair:    limit.PerSecond(20, 300),
	Partial: limit.PerHour(240, 60),
	Request: limit.PerSecond(10, 100),
	Open:    limit.PerHour(120, 30),
}

const (
	pingInterval = 20 * time.Second // two may be lost before idleLimit
	helloLimit   = 10 * time.Second
	idleLimit    = 44 * time.Second // found by a tick of 1 s: within the 45 s of docs/protocol.md section 13.11
	slowLimit    = 60 * time.Second
	// lookHealthy and lookUnhealthy are how often a mailbox is looked at without a hint.
	lookHealthy   = 30 * time.Second
	lookUnhealthy = 4 * time.Second // found by a tick of 1 s: within 5 s
)

func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = wire.MaxDeliver
	}
	if o.InFlight <= 0 {
		o.InFlight = 64
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 50_000
	}
	if o.Rates == (Rates{}) {
		o.Rates = defaultRates
	}
	if o.DrainSpread <= 0 {
		o.DrainSpread = 10 * time.Second
	}
	if o.Tick == 0 {
		o.Tick = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Hub is one node's connections.
type Hub struct {
	services Services
	options  Options
	bus      Bus
	presence Presence
	node     NodeID

	ctx    context.Context // ends with the hub
	cancel context.CancelFunc
	own    sync.WaitGroup // the hub's goroutines
	hints  chan Hint
	keep   chan struct{} // presence is to be noted again

	mu       sync.RWMutex
	all      map[*conn]struct{}
	devices  map[Owner]*conn
	draining bool
	empty    chan struct{} // closed when draining and the last connection ended
}

// New starts a hub. Close ends it.
func New(services Services, bus Bus, presence Presence, options Options) *Hub {
	id := make([]byte, 8)
	rand.Read(id)
	h := &Hub{services: services, options: options.withDefaults(), bus: bus, presence: presence, node: NodeID(hex.EncodeToString(id)),
		hints: make(chan Hint, hintQueue), keep: make(chan struct{}, 1), all: map[*conn]struct{}{}, devices: map[Owner]*conn{}, empty: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.own.Go(func() { bus.Run(h.ctx, h.node, h) })
	h.own.Go(h.publish)
	h.own.Go(h.keeper)
	if h.options.Tick > 0 {
		h.own.Go(h.ticker)
	}
	return h
}

// Close ends every connection at once and returns when all goroutines have
// ended. Drain comes before it. It may be called twice.
func (h *Hub) Close() {
	h.mu.Lock()
	h.startDraining()
	h.mu.Unlock()
	for gone := false; !gone; {
		for _, c := range h.connections() {
			c.end(wire.CloseRestart)
			c.force()
		}
		select {
		case <-h.empty:
			gone = true
		case <-time.After(forceEvery): // a write may have begun since, and not end
		}
	}
	h.cancel()
	h.own.Wait()
}

// forceEvery is how often Close looks for writes that do not end.
const forceEvery = 200 * time.Millisecond

// Drain takes no more connections and sends, tells every client when to come
// back, answers what it has and closes with 1012. It returns when all
// connections have ended or ctx has, which ends them.
func (h *Hub) Drain(ctx context.Context) {
	h.mu.Lock()
	h.startDraining()
	h.mu.Unlock()
	for _, c := range h.connections() {
		c.drain()
	}
	select {
	case <-h.empty:
	case <-ctx.Done():
	}
	h.Close()
}

// startDraining is called with mu held.
func (h *Hub) startDraining() {
	if h.draining {
		return
	}
	h.draining = true
	if len(h.all) == 0 {
		close(h.empty)
	}
}

// admit adds a connection that has not said who it is.
func (h *Hub) admit(c *conn) (wire.CloseCode, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return wire.CloseRestart, false
	case len(h.all) >= h.options.MaxConnections:
		return wire.CloseTryLater, false
	}
	h.all[c] = struct{}{}
	h.options.Metrics.Connections.Inc()
	return 0, true
}

// register makes c the connection of its device; an older one ends, here and on
// other nodes.
func (h *Hub) register(c *conn) {
	h.mu.Lock()
	old := h.devices[c.owner]
	h.devices[c.owner] = c
	h.mu.Unlock()
	if old != nil {
		old.end(wire.CloseReplaced)
	}
	if !h.bus.Healthy() {
		h.askKeeper()
		return
	}
	before, err := h.presence.Settle(h.ctx, h.node, []Owner{c.owner})
	if err != nil {
		h.askKeeper()
		return
	}
	if before[0] != "" && before[0] != h.node {
		_ = h.bus.Publish(h.ctx, before[0], []Hint{{Kind: HintReplaced, To: c.owner}})
	}
}

func (h *Hub) remove(c *conn) {
	h.mu.Lock()
	delete(h.all, c)
	mine := c.box != nil && h.devices[c.owner] == c
	if mine {
		delete(h.devices, c.owner)
	}
	last := h.draining && len(h.all) == 0
	h.mu.Unlock()
	h.options.Metrics.Connections.Dec()
	if mine && h.bus.Healthy() {
		_ = h.presence.Leave(h.ctx, h.node, []Owner{c.owner})
	}
	if last {
		close(h.empty)
	}
}

func (h *Hub) connections() []*conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*conn, 0, len(h.all))
	for c := range h.all {
		list = append(list, c)
	}
	return list
}

func (h *Hub) device(o Owner) *conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.devices[o]
}

// Connections returns how many connections the node holds.
func (h *Hub) Connections() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.all)
}

// Cut ends connections on all nodes: of a device, of an account (device 0) or
// of a tenant (zero account). code says why: wire.CloseDeviceRemoved,
// CloseSessionEnded or CloseSuspended.
func (h *Hub) Cut(id tenant.ID, of messaging.AccountID, device messaging.DeviceID, code wire.CloseCode) {
	hint := Hint{Kind: HintCut, To: Owner{id, messaging.Address{Account: of, Device: device}}, Code: code}
	h.cut(hint)
	_ = h.bus.Publish(h.ctx, Everyone, []Hint{hint})
}

func (h *Hub) cut(hint Hint) {
	for _, c := range h.connections() {
		if who, ok := c.whose(); ok && hint.To.covers(who) {
			c.end(hint.Code)
		}
	}
}

// covers reports whether o, with its zeros as "all", means who.
func (o Owner) covers(who Owner) bool {
	return o.Tenant == who.Tenant && (o.Account == messaging.AccountID{} || o.Account == who.Account) && (o.Device == 0 || o.Device == who.Device)
}

// NewLogin tells all devices of an account that a session without a device
// logged in. No setting of a client hides it.
func (h *Hub) NewLogin(ctx context.Context, id tenant.ID, who account.Who) error {
	return h.mustShow(ctx, id, who.Account, 0, wire.Notice{Kind: wire.NoticeNewLogin})
}

// Wake makes devices look into their mailboxes, wherever they are connected.
func (h *Hub) Wake(id tenant.ID, devices []messaging.Address) { h.wake(id, devices, 0) }
