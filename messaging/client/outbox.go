package client

import (
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/wire"
)

// outgoing is one send on its way: KindOutbox 'q'. The vault has it before
// anything of it leaves, and its envelopes before they do.
type outgoing struct {
	sequence uint64
	id       messaging.MessageID // of the send; that of the content unless it is sent again
	chat     messaging.ChatID    // zero: only own devices
	urgency  wire.Urgency
	only     place  // the one device that it is for; zero: all
	plain    []byte // canonical content as the peer gets it
	sealed   []sealed

	// Of this process.
	flying bool // sent on this connection, no answer yet
	asked  bool // bundles are being fetched
	stale  int  // refusals in a row
	after  time.Time
}

// place is one device of the peer or of the own account.
type place struct {
	side   wire.Side
	device messaging.DeviceID
}

// sealed is an envelope with the identity that it was sealed for: a number may
// come back with another device behind it.
type sealed struct {
	wire.Envelope
	identity [33]byte
}

// lane is what is sent strictly one after the other, so that it arrives in
// order whatever is refused in between: a chat, the own devices, or what is
// sent again to one device.
type lane struct {
	chat messaging.ChatID
	only place
}

func (o *outgoing) lane() lane { return lane{o.chat, o.only} }

func (o *outgoing) partial() bool { return o.only != place{} }

func (o *outgoing) pack() []byte {
	p := newPacker()
	p.raw(o.id[:])
	p.raw(o.chat[:])
	p.uint(uint64(o.urgency))
	p.uint(uint64(o.only.side))
	p.uint(uint64(o.only.device))
	p.bytes(o.plain)
	p.uint(uint64(len(o.sealed)))
	for i := range o.sealed {
		o.sealed[i].pack(&p)
	}
	return p
}

func (s *sealed) pack(p *packer) {
	p.uint(uint64(s.Side))
	p.uint(uint64(s.Device))
	p.uint(uint64(s.RegistrationID))
	p.uint(uint64(s.Type))
	p.bytes(s.Body)
	p.raw(s.identity[:])
}

func unpackOutgoing(b []byte) (*outgoing, error) {
	u := unpack(b)
	o := &outgoing{id: u.id(), chat: u.id(), urgency: wire.Urgency(u.uint())}
	o.only = place{wire.Side(u.uint()), messaging.DeviceID(u.uint())}
	o.plain = u.bytes()
	for n := u.uint(); n > 0 && !u.bad; n-- {
		var s sealed
		s.Side, s.Device = wire.Side(u.uint()), messaging.DeviceID(u.uint())
		s.RegistrationID, s.Type = uint16(u.uint()), wire.EnvelopeType(u.uint())
		s.Body = u.bytes()
		copy(s.identity[:], u.raw(len(s.identity)))
		o.sealed = append(o.sealed, s)
	}
	return o, u.done()
}

func (d *device) loadQueue(r vault.Reader) error {
	for rec, err := range r.Scan(vault.KindOutbox, under([]byte{boxQueue})) {
		if err != nil {
			return err
		}
		o, err := unpackOutgoing(rec.Value)
		if err != nil {
			return err
		}
		u := unpacker{rest: rec.Key[1:]}
		o.sequence = fromBE(u.raw(8))
		d.queue = append(d.queue, o)
		d.sequence = o.sequence + 1
	}
	return nil
}

func fromBE(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

func (t *txn) putOutgoing(o *outgoing) error {
	return t.Put(vault.KindOutbox, keyOf(boxQueue, be64(o.sequence)), o.pack())
}

// enqueue adds a send at the end.
func (t *txn) enqueue(o *outgoing) error {
	d := t.d
	o.sequence = d.sequence
	d.sequence++
	d.queue = append(d.queue, o)
	return t.putOutgoing(o)
}

// dequeue removes a send that is done or given up.
func (t *txn) dequeue(o *outgoing) error {
	d := t.d
	d.queue = slices.DeleteFunc(d.queue, func(x *outgoing) bool { return x == o })
	return t.Delete(vault.KindOutbox, keyOf(boxQueue, be64(o.sequence)))
}

func (d *device) queued(id messaging.MessageID) *outgoing {
	for _, o := range d.queue {
		if o.id == id {
			return o
		}
	}
	return nil
}

// say puts a content into the outbox. Chat is zero for what only own devices
// hear.
func (t *txn) say(id messaging.MessageID, chat messaging.ChatID, body content.Body, expire uint32, urgency wire.Urgency) (content.Content, error) {
	c := content.Content{Message: id, Chat: chat, SentAt: t.d.ms(), ExpireAfter: expire, Body: body}
	plain, err := t.d.encode(&c)
	if err != nil {
		return c, err
	}
	return c, t.enqueue(&outgoing{id: id, chat: chat, urgency: urgency, plain: plain})
}

// encode prints a content with the heads that this device sees now.
func (d *device) encode(c *content.Content) ([]byte, error) {
	c.Own = d.logs[d.self.account].head()
	c.Peer = content.Head{}
	if ch := d.chats[c.Chat]; ch != nil && c.Chat != (messaging.ChatID{}) {
		c.Peer = d.logs[ch.peer].head()
	}
	return c.AppendBinary(nil)
}

// dropEphemeral forgets what was only for devices that were connected then.
func (d *device) dropEphemeral() error {
	var old []*outgoing
	for _, o := range d.queue {
		if o.urgency == wire.UrgencyEphemeral {
			old = append(old, o)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return d.update(func(t *txn) error {
		for _, o := range old {
			if err := t.dequeue(o); err != nil {
				return err
			}
		}
		return nil
	})
}

// sentRecord is what was sent, kept so that it can be sent again: KindOutbox 's'.
type sentRecord struct {
	chat  messaging.ChatID
	plain []byte
	at    uint64 // Unix ms
}

func (t *txn) keepSent(o *outgoing) error {
	p := newPacker()
	p.raw(o.chat[:])
	p.bytes(o.plain)
	at := t.d.ms()
	p.uint(at)
	if err := t.Put(vault.KindOutbox, keyOf(boxSent, o.id[:]), p); err != nil {
		return err
	}
	return t.Put(vault.KindOutbox, keyOf(boxSentAge, be64(at), o.id[:]), newPacker())
}

// sent finds what was sent under an id, also before its answer came.
func (t *txn) sent(id messaging.MessageID) (s sentRecord, ok bool, err error) {
	if o := t.d.queued(id); o != nil {
		return sentRecord{chat: o.chat, plain: o.plain, at: t.d.ms()}, true, nil
	}
	b, ok, err := lookup(t, vault.KindOutbox, keyOf(boxSent, id[:]))
	if !ok {
		return s, false, err
	}
	u := unpack(b)
	s = sentRecord{chat: u.id(), plain: u.bytes(), at: u.uint()}
	return s, true, u.done()
}

// forgetSent deletes what is older than keepSent.
func (t *txn) forgetSent() error {
	until := t.d.ms() - uint64(keepSent.Milliseconds())
	within := vault.Range{From: []byte{boxSentAge}, To: keyOf(boxSentAge, be64(until)), KeysOnly: true}
	for rec, err := range t.Scan(vault.KindOutbox, within) {
		if err != nil {
			return err
		}
		if err := t.Delete(vault.KindOutbox, rec.Key); err != nil {
			return err
		}
		if err := t.Delete(vault.KindOutbox, keyOf(boxSent, rec.Key[9:])); err != nil {
			return err
		}
	}
	return nil
}
