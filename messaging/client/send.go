package client

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/wire"
)

// ErrRefused is wrapped by every answer with which the server refuses a call.
var ErrRefused = errors.New("client: the server refused")

// Refusal is an ErrRefused with the server's code.
type Refusal struct {
	Code   wire.Code
	Detail wire.Detail
}

func (r Refusal) Error() string {
	return fmt.Sprintf("%v: code %d, detail %d", ErrRefused, r.Code, r.Detail)
}
func (r Refusal) Unwrap() error { return ErrRefused }

func refusal(m *wire.Refused) error { return Refusal{m.Code, m.Detail} }

// target is one device that a send must reach.
type target struct {
	place
	peer         session.Peer
	registration uint16
}

// pump advances the first send of each lane (docs/protocol.md section 3).
func (d *device) pump() error {
	busy := make(map[lane]bool)
	for i := 0; d.bound() && i < len(d.queue); {
		o := d.queue[i]
		if busy[o.lane()] {
			i++
			continue
		}
		busy[o.lane()] = true
		gone, err := d.advance(o)
		if err != nil {
			return err
		}
		if gone {
			busy[o.lane()] = false
			i = 0
			continue
		}
		i++
	}
	return nil
}

// advance does the next step of one send: heads, sessions, envelopes, frame. It
// reports whether the send left the queue.
func (d *device) advance(o *outgoing) (gone bool, err error) {
	if o.flying || o.asked || d.now().Before(o.after) || !d.mayPump(o) {
		return false, nil
	}
	targets := d.targets(o)
	if !o.reaches(targets) {
		return d.nobody(o)
	}
	missing := unsealed(o, targets)
	need, err := d.bundleless(o, missing)
	if err != nil || len(need) > 0 {
		d.fetchBundles(o, need)
		return false, err
	}
	if err := d.seal(o, targets, missing); err != nil {
		return false, err
	}
	if len(o.sealed) > 0 {
		d.fly(o)
	}
	return false, nil
}

// mayPump reports whether both logs stand and the member has nothing to decide.
func (d *device) mayPump(o *outgoing) bool {
	if d.link.draining || d.link.flying >= int(max(d.link.limits.InFlight, 1)) || !d.stands(d.self.account) {
		return false
	}
	if o.chat == (messaging.ChatID{}) {
		return true
	}
	c := d.chats[o.chat]
	if c == nil || !d.stands(c.peer) {
		return false
	}
	p := d.peers[c.peer]
	return p == nil || !p.keysNew
}

// stands reports whether a log is known, and as new as anybody says.
func (d *device) stands(a messaging.AccountID) bool {
	s := d.logs[a]
	return s != nil && s.log != nil && !s.wanted && !s.fetching && !s.behind
}

// targets lists the devices that a send must reach, by side and device.
func (d *device) targets(o *outgoing) (out []target) {
	if o.chat != (messaging.ChatID{}) {
		out = d.appendTargets(out, wire.SidePeer, d.chats[o.chat].peer)
	}
	out = d.appendTargets(out, wire.SideOwn, d.self.account)
	if o.partial() {
		out = slices.DeleteFunc(out, func(t target) bool { return t.place != o.only })
	}
	return out
}

func (d *device) appendTargets(out []target, side wire.Side, a messaging.AccountID) []target {
	for _, l := range d.logs[a].log.Devices(d.logTime()) {
		addr := messaging.Address{Account: a, Device: l.ID}
		if addr == d.self.address() {
			continue
		}
		out = append(out, target{
			place{side, l.ID}, session.Peer{Address: addr, Identity: l.Identity}, uint16(l.RegistrationID),
		})
	}
	return out
}

// reaches reports whether a send has somebody to go to: what is said in a chat
// needs a device of the peer.
func (o *outgoing) reaches(targets []target) bool {
	if o.chat == (messaging.ChatID{}) || o.partial() {
		return len(targets) > 0
	}
	return slices.ContainsFunc(targets, func(t target) bool { return t.side == wire.SidePeer })
}

// nobody settles a send that has no device to go to.
func (d *device) nobody(o *outgoing) (gone bool, err error) {
	if o.chat != (messaging.ChatID{}) && !o.partial() {
		return false, nil // until the peer has a device again
	}
	return true, d.update(func(t *txn) error { return t.dequeue(o) })
}

// unsealed lists the targets that have no envelope yet.
func unsealed(o *outgoing, targets []target) []target {
	return slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
		return slices.ContainsFunc(o.sealed, func(s sealed) bool { return s.fits(&t) })
	})
}

func (s *sealed) fits(t *target) bool {
	return place{s.Side, s.Device} == t.place && s.RegistrationID == t.registration &&
		s.identity == [33]byte(t.peer.Identity.Bytes())
}

// plaintext reports whether a send travels outside of any session: a request to
// send again, because the session is what failed.
func (o *outgoing) plaintext() bool {
	if !o.partial() {
		return false
	}
	c, err := content.Parse(o.plain)
	return err == nil && c.Kind() == content.KindRetry
}

// bundleless lists the targets for which there is neither session nor bundle.
func (d *device) bundleless(o *outgoing, targets []target) (need []target, err error) {
	if o.plaintext() {
		return nil, nil
	}
	err = d.update(func(t *txn) error {
		for _, x := range targets {
			r, err := t.session(x.peer.Address)
			if err != nil {
				return err
			}
			b := d.bundles[x.peer.Address]
			fresh := b != nil && b.Bundle().Identity.Equal(x.peer.Identity)
			if !r.Usable(x.peer, d.now()) && !fresh {
				need = append(need, x)
			}
		}
		return nil
	})
	return need, err
}

// fetchBundles asks for the bundles of one side; the other's turn comes after.
func (d *device) fetchBundles(o *outgoing, need []target) {
	if len(need) == 0 {
		return
	}
	m := &wire.FetchBundles{}
	side := need[0].side
	if side == wire.SidePeer {
		m.ChatID = o.chat
	}
	need = slices.DeleteFunc(need, func(t target) bool { return t.side != side })
	for _, t := range need {
		m.Devices = append(m.Devices, t.peer.Address.Device)
	}
	o.asked = true
	d.ask(m, func(answer wire.ServerMessage) error {
		o.asked = false
		d.gotBundles(o, need, answer)
		return nil
	})
}

// gotBundles keeps the bundles that verify against the log. Without one the
// send waits: it must cover every device.
func (d *device) gotBundles(o *outgoing, need []target, answer wire.ServerMessage) {
	m, ok := answer.(*wire.Bundles)
	if !ok {
		if answer != nil {
			o.after = d.now().Add(retryAfter)
		}
		return
	}
	for _, t := range need {
		if !d.takeBundle(m, &t) {
			o.after = d.now().Add(retryAfter)
			d.emit(Event{Kind: EventWaiting, Account: t.peer.Address.Account, Device: t.device, Message: o.id})
		}
	}
}

func (d *device) takeBundle(m *wire.Bundles, t *target) bool {
	for i := range m.Bundles {
		if m.AccountID != t.peer.Address.Account || m.Bundles[i].Device != t.device {
			continue
		}
		b, err := fromBundle(&m.Bundles[i])
		if err != nil {
			return false
		}
		v, err := b.Verify(t.device, t.peer.Identity)
		if err != nil {
			return false
		}
		d.bundles[t.peer.Address] = v
		return true
	}
	return false
}

// seal encrypts what is missing and commits the envelopes with the sessions
// after them; those for devices that have left are dropped.
func (d *device) seal(o *outgoing, targets, missing []target) error {
	keep := slices.DeleteFunc(slices.Clone(o.sealed), func(s sealed) bool {
		return !slices.ContainsFunc(targets, func(t target) bool { return s.fits(&t) })
	})
	if len(missing) == 0 && len(keep) == len(o.sealed) {
		return nil
	}
	return d.update(func(t *txn) error {
		for i := range missing {
			s, err := t.sealFor(o, &missing[i])
			if err != nil {
				return err
			}
			keep = append(keep, s)
		}
		slices.SortFunc(keep, func(a, b sealed) int {
			return int(a.Side)<<8 + int(a.Device) - int(b.Side)<<8 - int(b.Device)
		})
		o.sealed = keep
		return t.putOutgoing(o)
	})
}

func (t *txn) sealFor(o *outgoing, x *target) (sealed, error) {
	s := sealed{identity: [33]byte(x.peer.Identity.Bytes())}
	s.Side, s.Device, s.RegistrationID = x.side, x.device, x.registration
	c, err := content.Parse(o.plain)
	if err != nil {
		return s, err
	}
	plain, err := t.d.textFor(&c, x.side)
	if err != nil {
		return s, err
	}
	if o.plaintext() {
		s.Type, s.Body = wire.TypePlaintext, plain
		return s, nil
	}
	m, err := t.encrypt(x, plain)
	s.Type, s.Body = wire.EnvelopeType(m.Kind), m.Body
	return s, err
}

// textFor prints what a device of a side gets: own devices get a copy of what
// was said in a chat.
func (d *device) textFor(c *content.Content, side wire.Side) ([]byte, error) {
	plain, err := d.encode(c)
	if err != nil || side == wire.SidePeer || !(c.Kind().InChat() || !c.Kind().Known()) {
		return plain, err
	}
	sent := *c
	sent.ExpireAfter = 0
	sent.Body = content.Sent{To: d.chats[c.Chat].peer, Content: *c}
	return d.encode(&sent)
}

// encrypt pads and encrypts in the session with a device, or a new one.
func (t *txn) encrypt(x *target, plain []byte) (session.Message, error) {
	d := t.d
	r, err := t.session(x.peer.Address)
	if err != nil {
		return session.Message{}, err
	}
	if !r.Usable(x.peer, d.now()) {
		if r, err = d.party.Start(d.rand, r, x.peer, d.bundles[x.peer.Address], d.now()); err != nil {
			return session.Message{}, err
		}
		delete(d.bundles, x.peer.Address)
	}
	padded, err := content.Pad(nil, plain)
	if err != nil {
		return session.Message{}, err
	}
	m, r, err := d.party.Encrypt(d.rand, r, x.peer, padded, d.now())
	if err != nil {
		return session.Message{}, err
	}
	t.setSession(x.peer.Address, r)
	return m, nil
}

// fly hands the send to the connection.
func (d *device) fly(o *outgoing) {
	m := &wire.Send{
		MessageID: o.id, ChatID: o.chat, Urgency: o.urgency, Partial: o.partial(),
		OwnHead: wire.LogHead(d.logs[d.self.account].log.Head()),
	}
	if c := d.chats[o.chat]; c != nil {
		m.PeerHead = wire.LogHead(d.logs[c.peer].log.Head())
	}
	for i := range o.sealed {
		m.Envelopes = append(m.Envelopes, o.sealed[i].Envelope)
	}
	o.flying = true
	d.link.flying++
	d.send(0, m)
}
