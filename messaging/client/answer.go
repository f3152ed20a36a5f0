package client

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// landed ends the flight of a send; nil when there is no such.
func (d *device) landed(id messaging.MessageID) *outgoing {
	o := d.queued(id)
	if o != nil && o.flying {
		o.flying = false
		d.link.flying--
	}
	return o
}

func (d *device) accepted(m *wire.Accepted) error {
	return d.update(func(t *txn) error {
		for _, id := range m.MessageIDs {
			o := d.landed(id)
			if o == nil {
				continue
			}
			if err := t.done(o); err != nil {
				return err
			}
		}
		return nil
	})
}

// done moves a send from the queue to what may be sent again.
func (t *txn) done(o *outgoing) error {
	if err := t.dequeue(o); err != nil {
		return err
	}
	if o.urgency != wire.UrgencyEphemeral && !o.plaintext() {
		if err := t.keepSent(o); err != nil {
			return err
		}
	}
	return t.mark(o.chat, t.d.self.account, o.id, StatusSent)
}

// refused takes the server's refusal of a send.
func (d *device) refused(m *wire.Refused) error {
	o := d.landed(m.MessageID)
	if o == nil {
		return nil
	}
	if o.urgency == wire.UrgencyEphemeral {
		return d.update(func(t *txn) error { return t.dequeue(o) })
	}
	switch m.Code {
	case wire.CodeStale:
		d.stale(o, m)
		return nil
	case wire.CodeNotLinked:
		d.wantLog(d.self.account)
		return nil
	}
	if m.RetryAfterMS > 0 || m.Code == wire.CodeUnavailable {
		o.after = d.now().Add(max(retryAfter/10, msDuration(m.RetryAfterMS)))
		return nil
	}
	return d.update(func(t *txn) error {
		if err := t.dequeue(o); err != nil {
			return err
		}
		return t.mark(o.chat, d.self.account, o.id, StatusFailed)
	})
}

// stale fetches the logs that have grown. A server that refuses again and again
// (clocks that disagree about an expiry, heads that it never gives out) is asked
// at a slow pace.
func (d *device) stale(o *outgoing, m *wire.Refused) {
	if !m.OwnHead.IsZero() {
		d.serverHead(d.self.account, devicelog.Head(m.OwnHead))
	}
	if c := d.chats[o.chat]; c != nil && !m.PeerHead.IsZero() {
		d.serverHead(c.peer, devicelog.Head(m.PeerHead))
	}
	if o.stale++; o.stale%maxStale == 0 {
		o.after = d.now().Add(retryAfter)
	}
}
