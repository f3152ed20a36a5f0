package relay

import (
	"context"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

type outcome = mailbox.Outcome

const (
	// defaultPage is how many chats or invites a page has unless asked otherwise.
	defaultPage = 50
	// watchLife is a link slot's life (docs/protocol.md section 13.9).
	watchLife = 5 * time.Minute
	// maxNews bounds how many peers are told of a grown log; the others see it
	// with the next message.
	maxNews = 1000
)

// request carries out one request and answers it.
func (c *conn) request(ctx context.Context, frame *wire.ClientFrame) wire.CloseCode {
	if !frame.Kind.Known() {
		if frame.Request != 0 {
			c.answer(frame.Request, &wire.Refused{Code: wire.CodeUnsupported})
		}
		return 0
	}
	m, err := frame.Message()
	if err != nil {
		return wire.CloseMalformed
	}
	if _, ping := m.(*wire.Ping); ping {
		c.answer(frame.Request, &wire.Pong{ServerTimeMS: c.hub.nowMS()})
		return 0
	}
	if refused, code := c.checkRequest(ctx, m); refused != nil || code != 0 {
		if refused != nil {
			c.answer(frame.Request, refused)
		}
		return code
	}
	began := time.Now()
	answer, err := c.carryOut(ctx, frame.Request, m)
	c.hub.options.Metrics.Requests.Observe(time.Since(began).Seconds())
	if err != nil {
		refused, code := refuse(err)
		if code != 0 {
			return code
		}
		answer = refused
		c.logFault(refused, err)
	}
	if answer != nil {
		c.answer(frame.Request, answer)
	}
	return 0
}

// logFault tells the operator of what was not the client's doing. The errors of
// the packages below carry no values.
func (c *conn) logFault(r *wire.Refused, err error) {
	if r.Code == wire.CodeUnavailable {
		c.hub.options.Log.Warn("request failed", "error", err)
	}
}

func (c *conn) checkRequest(ctx context.Context, m wire.ClientMessage) (*wire.Refused, wire.CloseCode) {
	if c.who.Device == 0 && !keyless(m) {
		return &wire.Refused{Code: wire.CodeNotLinked}, 0
	}
	asks, rates := c.hub.services.Asks, &c.hub.options.Rates
	if wait := asks.Take(ctx, c.deviceKey("ask"), rates.Request, 1); wait > 0 {
		return c.limited(wait, wire.DetailDevice)
	}
	if _, ok := m.(*wire.OpenChat); ok {
		if wait := asks.Take(ctx, c.accountKey("open"), rates.Open, 1); wait > 0 {
			return c.limited(wait, wire.DetailAccount)
		}
	}
	c.refusals = 0
	return nil, 0
}

// keyless reports what a session without a device may ask for
// (docs/protocol.md section 13.3).
func keyless(m wire.ClientMessage) bool {
	switch m := m.(type) {
	case *wire.AppendLog, *wire.PutSlot, *wire.GetSlot:
		return true
	case *wire.FetchLog:
		return m.ChatID == messaging.ChatID{}
	}
	return false
}

func (c *conn) carryOut(ctx context.Context, request uint64, m wire.ClientMessage) (wire.ServerMessage, error) {
	s := &c.hub.services
	switch m := m.(type) {
	case *wire.FetchBundles:
		return c.fetchBundles(ctx, m)
	case *wire.FetchLog:
		return c.fetchLog(ctx, m)
	case *wire.AppendLog:
		return c.appendLog(ctx, m)
	case *wire.UploadKeys:
		counts, err := s.Keys.UploadKeys(ctx, c.tenant, c.who, m)
		return &counts, err
	case *wire.CountKeys:
		counts, err := s.Keys.CountKeys(ctx, c.tenant, c.who)
		return &counts, err
	case *wire.OpenChat:
		return c.openChat(ctx, m)
	case *wire.SetChat:
		return c.setChat(ctx, m)
	case *wire.ListChats:
		return c.listChats(ctx, m)
	case *wire.PutSlot:
		return c.putSlot(ctx, m)
	case *wire.GetSlot:
		return c.getSlot(ctx, request, m)
	default:
		return c.invites(ctx, m)
	}
}

// in runs fn in a transaction of the connection's tenant.
func (c *conn) in(ctx context.Context, fn func(tenant.Tx) error) error {
	return c.hub.services.DB.In(ctx, c.tenant, fn)
}

// fetchBundles hands keys out within an open chat, or of the own account.
func (c *conn) fetchBundles(ctx context.Context, m *wire.FetchBundles) (out *wire.Bundles, err error) {
	var low []messaging.DeviceID
	err = c.in(ctx, func(tx tenant.Tx) error {
		of := c.who.Account
		if (m.ChatID != messaging.ChatID{}) {
			if of, err = c.hub.services.Chats.MayWrite(ctx, tx, c.who.Account, m.ChatID); err != nil {
				return err
			}
		}
		out, low, err = c.hub.services.Keys.TakeBundles(ctx, tx, of, m.Devices)
		return err
	})
	if err == nil {
		c.tellLow(ctx, out.AccountID, low)
	}
	return out, err
}

// tellLow asks devices for more keys.
func (c *conn) tellLow(ctx context.Context, of messaging.AccountID, low []messaging.DeviceID) {
	for _, d := range low {
		counts, err := c.hub.services.Keys.CountKeys(ctx, c.tenant, account.Who{Account: of, Device: d})
		if err == nil {
			c.hub.news(c.tenant, []messaging.Address{{Account: of, Device: d}}, wire.Notice{Kind: wire.NoticeKeysLow, Keys: counts})
		}
	}
}

func (c *conn) fetchLog(ctx context.Context, m *wire.FetchLog) (out *wire.Log, err error) {
	err = c.in(ctx, func(tx tenant.Tx) error {
		of := c.who.Account
		if (m.ChatID != messaging.ChatID{}) {
			if of, err = c.hub.services.Chats.Peer(ctx, tx, c.who.Account, m.ChatID); err != nil {
				return err
			}
		}
		out, err = c.hub.services.Logs.Log(ctx, tx, of, m.From)
		return err
	})
	return out, err
}

// appendLog extends the own log, ends the connections of devices that are gone
// and tells everybody whom the new head concerns.
func (c *conn) appendLog(ctx context.Context, m *wire.AppendLog) (wire.ServerMessage, error) {
	changed, err := c.hub.services.Logs.AppendLog(ctx, c.tenant, c.who, m)
	if err != nil {
		return nil, err
	}
	for _, gone := range changed.Removed {
		c.hub.Cut(c.tenant, c.who.Account, gone, wire.CloseDeviceRemoved)
	}
	if !changed.Repeat {
		c.tellGrown(ctx, changed.Head)
	}
	return &wire.Done{}, nil
}

// tellGrown is best effort for peers; the own devices find it in their mailboxes.
func (c *conn) tellGrown(ctx context.Context, head wire.LogHead) {
	n := wire.Notice{Kind: wire.NoticeLogGrew, AccountID: c.who.Account, Head: head}
	if err := c.hub.mustShow(ctx, c.tenant, c.who.Account, c.who.Device, n); err != nil {
		c.hub.options.Log.Warn("notice of a grown log", "error", err)
	}
	peers, err := c.peers(ctx)
	if err != nil || len(peers) == 0 {
		return
	}
	if devices, err := c.hub.services.Mailbox.Devices(ctx, c.tenant, peers...); err == nil {
		c.hub.news(c.tenant, devices, n)
	}
}

// peers returns the accounts that may write to the own one.
func (c *conn) peers(ctx context.Context) (peers []messaging.AccountID, err error) {
	err = c.in(ctx, func(tx tenant.Tx) error {
		for after := (messaging.ChatID{}); len(peers) < maxNews; {
			page, next, err := c.hub.services.Chats.List(ctx, tx, c.who.Account, after, wire.MaxPage)
			if err != nil {
				return err
			}
			for i := range page {
				if page[i].MayWrite {
					peers = append(peers, page[i].PeerAccount)
				}
			}
			if after = next; next == (messaging.ChatID{}) {
				return nil
			}
		}
		return nil
	})
	return peers, err
}

func (c *conn) openChat(ctx context.Context, m *wire.OpenChat) (out *wire.Opened, err error) {
	err = c.in(ctx, func(tx tenant.Tx) error {
		out, err = c.hub.services.Chats.Open(ctx, tx, c.who.Account, m)
		return err
	})
	if err == nil && out.Created {
		c.tellChat(ctx, out.ChatID, out.State, c.who.Account)
		c.tellChat(ctx, out.ChatID, wire.StateOpen, out.AccountID)
	}
	return out, err
}

func (c *conn) setChat(ctx context.Context, m *wire.SetChat) (wire.ServerMessage, error) {
	var peer messaging.AccountID
	var own, theirs wire.ChatState
	err := c.in(ctx, func(tx tenant.Tx) error {
		change, err := c.hub.services.Chats.Set(ctx, tx, c.who.Account, m)
		own = change.State
		if change.Tell {
			peer, theirs = change.Peer, change.PeerState
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.tellChat(ctx, m.ChatID, own, c.who.Account)
	if (peer != messaging.AccountID{}) {
		c.tellChat(ctx, m.ChatID, theirs, peer)
	}
	return &wire.Done{}, nil
}

// tellChat tells the connected devices of an account, but this one.
func (c *conn) tellChat(ctx context.Context, id messaging.ChatID, state wire.ChatState, of messaging.AccountID) {
	devices, err := c.hub.services.Mailbox.Devices(ctx, c.tenant, of)
	if err != nil {
		return
	}
	others := devices[:0]
	for _, d := range devices {
		if d != c.owner.Address {
			others = append(others, d)
		}
	}
	c.hub.news(c.tenant, others, wire.Notice{Kind: wire.NoticeChatChanged, ChatID: id, ChatState: state})
}

func (c *conn) listChats(ctx context.Context, m *wire.ListChats) (out *wire.Chats, err error) {
	after, err := cursor(m.Cursor)
	if err != nil {
		return nil, err
	}
	out = &wire.Chats{}
	err = c.in(ctx, func(tx tenant.Tx) error {
		var next messaging.ChatID
		out.Chats, next, err = c.hub.services.Chats.List(ctx, tx, c.who.Account, after, pageOf(m.Limit))
		out.Next = cursorOf(next)
		return err
	})
	return out, err
}

func (c *conn) putSlot(ctx context.Context, m *wire.PutSlot) (wire.ServerMessage, error) {
	if err := c.hub.services.Slots.PutSlot(ctx, c.tenant, c.who, m); err != nil {
		return nil, err
	}
	if c.who.Device == 0 && !c.askedLink { // once a connection: its further slots are steps of the same linking
		c.askedLink = true
		if err := c.hub.mustShow(ctx, c.tenant, c.who.Account, 0, wire.Notice{Kind: wire.NoticeLinkRequested, Slot: m.Slot}); err != nil {
			c.hub.options.Log.Warn("notice of a request to link", "error", err)
		}
	}
	slot := Hint{Kind: HintSlot, To: Owner{c.tenant, messaging.Address{Account: c.who.Account}}}
	c.hub.pokeAccount(slot.To)
	_ = c.hub.bus.Publish(ctx, Everyone, []Hint{slot})
	return &wire.Done{}, nil
}

// getSlot answers now, or lets the sender watch.
func (c *conn) getSlot(ctx context.Context, request uint64, m *wire.GetSlot) (wire.ServerMessage, error) {
	if m.Watch {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.watches) >= maxWatches {
			return nil, account.ErrSlotsFull
		}
		c.watches = append(c.watches, watch{request, m.Slot, c.hub.options.Now().Add(watchLife)})
		c.signal()
		return nil, nil
	}
	payload, err := c.hub.services.Slots.GetSlot(ctx, c.tenant, c.who, m.Slot)
	return &wire.Slot{Slot: m.Slot, Payload: payload}, err
}

func (c *conn) invites(ctx context.Context, m wire.ClientMessage) (out *wire.Invites, err error) {
	out = &wire.Invites{}
	s := c.hub.services.Invites
	err = c.in(ctx, func(tx tenant.Tx) error {
		var page []invite.Invite
		var one invite.Invite
		switch m := m.(type) {
		case *wire.CreateInvite:
			one, err = s.Create(ctx, tx, c.who.Account, m)
			page = []invite.Invite{one}
		case *wire.SetInvite:
			page, err = c.setInvite(ctx, tx, m)
		case *wire.ListInvites:
			var after, next messaging.ChatID
			if after, err = cursor(m.Cursor); err != nil {
				return err
			}
			var following invite.ID
			page, following, err = s.List(ctx, tx, c.who.Account, invite.ID(after), pageOf(m.Limit))
			next = messaging.ChatID(following)
			out.Next = cursorOf(next)
		default:
			return errKind
		}
		for i := range page {
			out.Invites = append(out.Invites, inviteOf(&page[i]))
		}
		return err
	})
	return out, err
}

func (c *conn) setInvite(ctx context.Context, tx tenant.Tx, m *wire.SetInvite) ([]invite.Invite, error) {
	s := c.hub.services.Invites
	if m.Action == wire.InviteRotate {
		one, err := s.Rotate(ctx, tx, c.who.Account, invite.ID(m.InviteID), m.IdempotencyKey)
		return []invite.Invite{one}, err
	}
	if err := s.Revoke(ctx, tx, c.who.Account, invite.ID(m.InviteID)); err != nil {
		return nil, err
	}
	page, _, err := s.List(ctx, tx, c.who.Account, before(invite.ID(m.InviteID)), 1)
	return page, err
}

// before is the id that a list's cursor names for the page to begin with id.
func before(id invite.ID) invite.ID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

func inviteOf(i *invite.Invite) wire.Invite {
	out := wire.Invite{InviteID: i.ID, Permanent: i.Kind == invite.Permanent, Revoked: i.Revoked, Label: i.Label,
		CreatedMS: uint64(i.Created.UnixMilli()), Uses: uint32(i.Uses), MaxUses: uint32(i.MaxUses)}
	if !i.Revoked {
		out.Token = i.Token[:]
	}
	if !i.Expires.IsZero() {
		out.ExpiresMS = uint64(i.Expires.UnixMilli())
	}
	return out
}

// cursor reads where a page begins: an id of the asking account's own list,
// which selects nothing else whatever it is.
func cursor(b []byte) (id messaging.ChatID, err error) {
	if len(b) != 0 && len(b) != len(id) {
		return id, invite.ErrCursor
	}
	copy(id[:], b)
	return id, nil
}

func cursorOf(id messaging.ChatID) []byte {
	if (id == messaging.ChatID{}) {
		return nil
	}
	return id[:]
}

func pageOf(asked uint32) int {
	if asked == 0 {
		return defaultPage
	}
	return int(min(asked, wire.MaxPage))
}
