package client

import (
	"errors"
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// Errors of calls.
var (
	// ErrOffline: the call needs the server, and there is no connection or it
	// broke before the answer.
	ErrOffline = errors.New("client: not connected")
	// ErrNotReady: this device is not (or no longer) in the log of an account.
	ErrNotReady = errors.New("client: this device does not belong to an account")
	// ErrOtherAccount: the session is of another account than the vault.
	ErrOtherAccount = errors.New("client: logged in to another account than this vault's")
)

// connection is what is known of the connection at hand; the zero value is none.
type connection struct {
	open     bool // welcomed
	tenant   messaging.TenantID
	account  messaging.AccountID
	device   messaging.DeviceID // 0: a session that belongs to no device
	founded  bool               // the account has a log
	limits   wire.Limits
	keys     wire.KeyCounts
	next     uint64
	requests map[uint64]func(wire.ServerMessage) error
	flying   int // sends without an answer

	listed    bool    // the chats are known
	listing   bool    // and being asked for
	fresh     []*chat // new ones, whose peers' logs are being fetched
	uploading bool
	appending bool
	caughtUp  bool // QueueEmpty came
	draining  bool // the server goes away: nothing new is sent
	restocked time.Time
	spoke     time.Time // when this side last sent a frame
	pinged    time.Time // when the Ping without an answer left; zero: none
}

// connected begins a connection: the Hello leaves.
func (d *device) connected() {
	d.link = connection{next: 1, requests: make(map[uint64]func(wire.ServerMessage) error)}
	d.send(0, &wire.Hello{Versions: []uint8{wire.Version}, Build: d.build})
}

// lost ends it. What was asked for is asked for again on the next one.
func (d *device) lost() error {
	requests := d.link.requests
	wasOpen := d.link.open
	d.link = connection{}
	d.out, d.inbox = nil, nil
	for _, o := range d.queue {
		o.flying, o.asked = false, false
	}
	for _, s := range d.logs {
		s.fetching, s.collected = false, nil
	}
	if wasOpen {
		d.emit(Event{Kind: EventConnection})
	}
	if d.dead != nil {
		return d.dead
	}
	if err := d.endLink(ErrOffline); err != nil {
		return err
	}
	if err := d.dropEphemeral(); err != nil {
		return err
	}
	for _, n := range sorted(requests) {
		if err := requests[n](nil); err != nil {
			return err
		}
	}
	return nil
}

func sorted[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ask sends a request. answer gets the server's message, which may be a
// Refused, or nil when the connection ends first.
func (d *device) ask(m wire.ClientMessage, answer func(wire.ServerMessage) error) {
	n := d.link.next
	d.link.next++
	d.link.requests[n] = answer
	d.send(n, m)
}

// frame takes one frame from the server. A malformed one is
// messaging.ErrInvalid: the connection is to be closed with wire.CloseMalformed.
func (d *device) frame(b []byte) error {
	if d.dead != nil {
		return d.dead
	}
	request, m, err := wire.ParseServer(b)
	if errors.Is(err, wire.ErrUnknownKind) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.handle(request, m); err != nil {
		return err
	}
	return d.progress()
}

func (d *device) handle(request uint64, m wire.ServerMessage) error {
	if w, ok := m.(*wire.Welcome); ok {
		return d.welcome(w)
	}
	if !d.link.open {
		return nil
	}
	if request != 0 {
		answer := d.link.requests[request]
		delete(d.link.requests, request)
		if answer == nil {
			return nil
		}
		return answer(m)
	}
	switch m := m.(type) {
	case *wire.Deliver:
		d.deliver(m)
	case *wire.Accepted:
		return d.accepted(m)
	case *wire.Refused:
		return d.refused(m)
	case *wire.Notice:
		return d.notice(m)
	case *wire.Draining:
		d.link.draining = true
	case *wire.QueueEmpty:
		d.link.caughtUp = true
	}
	return nil
}

func (d *device) welcome(w *wire.Welcome) error {
	if d.link.open {
		return nil
	}
	if d.self.stage != stageNew && (w.TenantID != d.self.tenant || w.AccountID != d.self.account) {
		return ErrOtherAccount
	}
	d.link.open, d.link.tenant, d.link.account, d.link.device = true, w.TenantID, w.AccountID, w.Device
	d.link.limits, d.link.keys, d.link.founded = w.Limits, w.Keys, !w.OwnHead.IsZero()
	d.skew = time.UnixMilli(int64(min(w.ServerTimeMS, 1<<48))).Sub(d.now())
	d.emit(Event{Kind: EventConnection, Active: true})
	if d.self.stage == stageNew {
		d.emit(Event{Kind: EventLogin, Active: d.link.founded})
		return nil
	}
	if d.self.stage == stageJoining && d.intent == nil && d.link.founded {
		d.wantLog(d.self.account) // another device may have let this one in
	}
	if d.ready() && d.link.founded {
		d.serverHead(d.self.account, devicelog.Head(w.OwnHead))
	}
	if d.ready() && d.link.device == 0 {
		// Removed, or the server lost the entry: the log says which.
		d.wantLog(d.self.account)
	}
	return nil
}

// notice takes what is no envelope. What has a position is acknowledged when
// its effect is committed or is nothing but an event.
func (d *device) notice(n *wire.Notice) error {
	switch n.Kind {
	case wire.NoticeKeysLow:
		d.link.keys = n.Keys
	case wire.NoticeLogGrew:
		d.serverHead(n.AccountID, devicelog.Head(n.Head))
		if d.self.stage == stageJoining && n.AccountID == d.self.account {
			d.wantLog(n.AccountID)
		}
	case wire.NoticeNewLogin:
		d.emit(Event{Kind: EventNewLogin})
	case wire.NoticeLinkRequested:
		d.emit(Event{Kind: EventLinkRequested, Slot: n.Slot})
	case wire.NoticeChatChanged:
		d.link.listed = false
	case wire.NoticeMediaChanged:
	case wire.NoticeSendExpired:
		d.emit(Event{Kind: EventMessage, Message: n.MessageID})
	default:
		if n.MustShow {
			d.emit(Event{Kind: EventNotice})
		}
	}
	if n.Position != 0 {
		d.send(0, &wire.Ack{Positions: []uint64{n.Position}})
	}
	return nil
}

// keepAlive sends a Ping after a silence, and reports whether the one before
// stayed without an answer: the connection is half open.
func (d *device) keepAlive() (lost bool) {
	every := msDuration(d.link.limits.PingIntervalMS)
	if !d.link.open || every == 0 {
		return false
	}
	if !d.link.pinged.IsZero() {
		return d.now().Sub(d.link.pinged) >= every
	}
	if d.now().Sub(d.link.spoke) >= every {
		d.link.pinged = d.now()
		d.ask(&wire.Ping{}, func(wire.ServerMessage) error {
			d.link.pinged = time.Time{}
			return nil
		})
	}
	return false
}
