package client

import (
	"errors"
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// inbound is one envelope that the server delivered on this connection.
type inbound struct {
	wire.Delivered
	looked bool // the sender's log was fetched for it, or cannot be
}

func (e *inbound) sender() messaging.Address {
	return messaging.Address{Account: e.SenderAccount, Device: e.SenderDevice}
}

func (e *inbound) arrived() time.Time { return time.Unix(int64(min(e.ServerTime, 1<<40)), 0) }

// deliver takes envelopes in. A device that does not yet know that it was let in
// keeps them until it does. What goes beyond maxInbox is left: without an Ack it
// comes again on the next connection.
func (d *device) deliver(m *wire.Deliver) {
	if d.self.stage == stageNew || d.self.stage == stageRemoved {
		return
	}
	for _, e := range m.Envelopes[:min(len(m.Envelopes), max(0, maxInbox-len(d.inbox)))] {
		d.inbox = append(d.inbox, &inbound{Delivered: e})
	}
}

// drain works through the inbox: whatever can be opened now, in batches of one
// commit and one Ack each.
func (d *device) drain() error {
	for d.ready() {
		batch := d.ripe()
		if len(batch) == 0 {
			return nil
		}
		if err := d.update(func(t *txn) error { return t.receiveAll(batch) }); err != nil {
			return err
		}
		d.acknowledge(batch)
	}
	return nil
}

func (d *device) acknowledge(batch []opening) {
	var positions []uint64
	for _, o := range batch {
		if o.Position != 0 {
			positions = append(positions, o.Position)
		}
	}
	slices.Sort(positions)
	if positions = slices.Compact(positions); len(positions) > 0 {
		d.send(0, &wire.Ack{Positions: positions})
	}
}

// opening is an envelope and who it is from: the identity key that the sender's
// log listed for it when the server took it. Without one it is dropped.
type opening struct {
	*inbound
	identity key.IdentityPublic
	listed   bool
}

// ripe takes from the inbox what can be opened now, up to maxBatch. What waits
// for a log holds up what else its sender sent, and nobody's else.
func (d *device) ripe() (batch []opening) {
	waiting := make(map[messaging.AccountID]bool)
	rest := d.inbox[:0]
	for _, e := range d.inbox {
		if waiting[e.SenderAccount] || len(batch) == maxBatch {
			rest = append(rest, e)
			continue
		}
		identity, listed, wait := d.admit(e)
		if wait {
			waiting[e.SenderAccount] = true
			rest = append(rest, e)
			continue
		}
		batch = append(batch, opening{e, identity, listed})
	}
	clear(d.inbox[len(rest):])
	d.inbox = rest
	return batch
}

// admit finds the sender in its log, which may have to be fetched first. Only
// the peer of the chat that the envelope names, and own devices, are senders.
func (d *device) admit(e *inbound) (identity key.IdentityPublic, listed, wait bool) {
	own := e.SenderAccount == d.self.account
	c := d.chats[e.ChatID]
	if !own && c == nil {
		if !d.link.listed || d.discovering(e) {
			return identity, false, true
		}
		return identity, false, false
	}
	if !own && c.peer != e.SenderAccount || e.sender() == d.self.address() {
		return identity, false, false
	}
	s := d.logOf(e.SenderAccount)
	if s.log != nil {
		if identity, listed = s.at(e.SenderDevice, e.arrived()); listed {
			return identity, true, false
		}
	}
	if s.refused || e.looked && !s.wanted && !s.fetching {
		return identity, false, false
	}
	if !e.looked {
		e.looked, s.wanted = true, true
	}
	return identity, false, true
}

func (t *txn) receiveAll(batch []opening) error {
	for _, o := range batch {
		if err := t.receive(o); err != nil {
			return err
		}
	}
	return nil
}

// receive opens one envelope. An error is the vault's or our own; what a
// stranger sent wrong is dealt with.
func (t *txn) receive(o opening) error {
	if !o.listed {
		t.refuse(o)
		return nil
	}
	switch o.Type {
	case wire.TypePlaintext:
		return t.retryRequested(o)
	case wire.TypeSignal, wire.TypePreKey:
		return t.decrypt(o)
	}
	return t.missing(o, key.RatchetPublic{}, true)
}

// refuse drops an envelope for good and says so.
func (t *txn) refuse(o opening) {
	t.d.counts.Refused++
	t.event(Event{Kind: EventRefused, Chat: o.ChatID, Account: o.SenderAccount, Device: o.SenderDevice, Message: o.MessageID})
}

func (t *txn) decrypt(o opening) error {
	peer := session.Peer{Address: o.sender(), Identity: o.identity}
	r, err := t.session(peer.Address)
	if err != nil {
		return err
	}
	m := session.Message{Kind: session.Kind(o.Type), Body: o.Body}
	got, err := t.d.party.Decrypt(t.d.rand, r, peer, m, prekeys{t})
	if err != nil {
		return t.undecryptable(o, m, err)
	}
	t.d.counts.Opened++
	t.setSession(peer.Address, got.Record)
	if err := t.usePrekeys(&got); err != nil {
		return err
	}
	return t.open(o, got.Plaintext)
}

// undecryptable sorts failures: a repeat is nothing new, and the rest is asked
// for again, whether it was damaged, relabelled or forged: nobody can tell, and a
// device that never sent it has nothing to send again.
func (t *txn) undecryptable(o opening, m session.Message, err error) error {
	switch {
	case errors.Is(err, session.ErrDuplicate):
		t.d.counts.Repeated++
		return nil
	case errors.Is(err, session.ErrReplay):
		t.refuse(o)
		return nil
	case !errors.Is(err, messaging.ErrInvalid):
		return err
	case o.Position == 0:
		return nil // was for the moment only
	case errors.Is(err, session.ErrUntrusted), errors.Is(err, session.ErrAddress):
		t.refuse(o)
	}
	ratchet, _ := session.RatchetKeyOf(m)
	t.d.counts.Undecoded++
	return t.missing(o, ratchet, false)
}

// open reads the content of what has decrypted, and applies it.
func (t *txn) open(o opening, padded []byte) error {
	plain, err := content.Unpad(padded)
	if err != nil {
		t.refuse(o)
		return nil
	}
	c, err := content.Parse(plain)
	if err != nil || !t.inPlace(o, &c) {
		t.refuse(o)
		return nil
	}
	if err := t.healed(o, &c); err != nil {
		return err
	}
	t.d.reported(o.SenderAccount, c.Own, o.sender())
	if c.Kind().InChat() || !c.Kind().Known() {
		t.d.reported(t.d.self.account, c.Peer, o.sender())
	}
	if o.SenderAccount == t.d.self.account {
		return t.applyOwn(o, &c)
	}
	return t.applyPeer(o, &c)
}

// inPlace holds what the sender sealed against where the server delivered it: a
// message moved to another chat, or own devices' talk from somebody else, is
// refused.
func (t *txn) inPlace(o opening, c *content.Content) bool {
	own := o.SenderAccount == t.d.self.account
	kind := c.Kind()
	if !own {
		return !kind.OwnDevices() && (c.Chat == o.ChatID || c.Chat == messaging.ChatID{} && kind.Known() && !kind.InChat())
	}
	if kind.InChat() || o.ChatID != (messaging.ChatID{}) && c.Chat != o.ChatID {
		return false
	}
	sent, ok := c.Body.(content.Sent)
	if !ok {
		return true
	}
	ch := t.d.chats[c.Chat]
	return ch == nil || ch.peer == sent.To
}

// applyOwn applies what another device of this account said.
func (t *txn) applyOwn(o opening, c *content.Content) error {
	switch b := c.Body.(type) {
	case content.Sent:
		return t.applyChat(source{o.sender(), o.ServerTime, true}, &b.Content)
	case content.ReadMarks:
		return t.applyMarks(b.Marks)
	case content.Verified:
		return t.applyVerified(b)
	case content.ChatStates:
		return t.applyStates(b.Chats)
	case content.Settings:
		return t.applySettings(c.SentAt, b)
	case content.HistoryOffer:
		return t.applyOffer(o.sender(), b)
	case content.EndSession:
		return t.endedSession(o, b)
	}
	return nil
}

// applyPeer applies what a device of the peer said.
func (t *txn) applyPeer(o opening, c *content.Content) error {
	switch b := c.Body.(type) {
	case content.EndSession:
		return t.endedSession(o, b)
	case content.LogNotice:
		t.d.noticed(o, b)
		return nil
	}
	if !c.Kind().InChat() && c.Kind().Known() {
		return nil
	}
	return t.applyChat(source{o.sender(), o.ServerTime, false}, c)
}

// noticed takes a peer's word that a log has grown or forked as a reason to
// look, no more.
func (d *device) noticed(o opening, n content.LogNotice) {
	if slices.Contains([]messaging.AccountID{d.self.account, o.SenderAccount}, n.Account) {
		d.reported(n.Account, n.Head, o.sender())
	}
}
