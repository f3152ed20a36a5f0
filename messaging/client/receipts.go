package client

import (
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/wire"
)

// receiptsDue is when the receipts that are owed (KindOutbox 'r') go out.
type receiptsDue struct {
	owed  int
	since time.Time
}

func (d *device) loadDue(r vault.Reader) error {
	within := under([]byte{boxReceipt})
	within.KeysOnly = true
	for _, err := range r.Scan(vault.KindOutbox, within) {
		if err != nil {
			return err
		}
		d.due.owed++
	}
	return nil
}

// oweReceipt notes, in the commit of the message itself, that its arrival is to
// be told.
func (t *txn) oweReceipt(chat messaging.ChatID, id messaging.MessageID) error {
	due := &t.d.due
	if due.owed == 0 {
		due.since = t.d.now()
	}
	due.owed++
	return t.Put(vault.KindOutbox, keyOf(boxReceipt, chat[:], id[:]), newPacker())
}

// receiptsRipe reports whether owed receipts have waited long enough.
func (d *device) receiptsRipe() bool {
	return d.due.owed > 0 && !d.now().Before(d.due.since.Add(receiptDelay))
}

// tellReceipts turns what is owed into one Receipt for each chat and MaxMessages.
func (t *txn) tellReceipts() error {
	byChat := make(map[messaging.ChatID][]messaging.MessageID)
	var order []messaging.ChatID
	within := under([]byte{boxReceipt})
	within.KeysOnly = true
	for rec, err := range t.Scan(vault.KindOutbox, within) {
		if err != nil {
			return err
		}
		u := unpacker{rest: rec.Key[1:]}
		chat, id := messaging.ChatID(u.id()), messaging.MessageID(u.id())
		if byChat[chat] == nil {
			order = append(order, chat)
		}
		byChat[chat] = append(byChat[chat], id)
		if err := t.Delete(vault.KindOutbox, rec.Key); err != nil {
			return err
		}
	}
	t.d.due = receiptsDue{}
	for _, chat := range order {
		if err := t.tell(chat, content.Delivered, byChat[chat]); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) tell(chat messaging.ChatID, event content.ReceiptEvent, ids []messaging.MessageID) error {
	if t.d.chats[chat] == nil {
		return nil
	}
	for len(ids) > 0 {
		n := min(len(ids), content.MaxMessages)
		id, err := t.d.messageID()
		if err != nil {
			return err
		}
		body := content.Receipt{Event: event, Messages: ids[:n]}
		if _, err := t.say(id, chat, body, 0, wire.UrgencySilent); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// markRead moves the read position of a chat, tells the peer when the member's
// settings allow it, and tells the own devices.
func (d *device) markRead(chat messaging.ChatID, upTo uint64) error {
	c := d.chats[chat]
	if c == nil {
		return ErrUnknownChat
	}
	if upTo <= c.read {
		return nil
	}
	return d.update(func(t *txn) error {
		from := c.read
		ids, last, err := t.unread(c, from, upTo)
		if err != nil {
			return err
		}
		if err := t.readUpTo(c, upTo, d.ms()); err != nil || len(ids) == 0 {
			return err
		}
		if d.prefs.settings.ReadReceipts {
			if err := t.tell(chat, content.Read, ids); err != nil {
				return err
			}
		}
		return t.tellOwn(content.ReadMarks{Marks: []content.ReadMark{{Chat: chat, UpTo: last, ReadAt: d.ms()}}})
	})
}

// unread lists the peer's messages behind from, up to upTo, and the last of them.
func (t *txn) unread(c *chat, from, upTo uint64) (ids []messaging.MessageID, last messaging.MessageID, err error) {
	within := vault.Range{From: rowKey(c.id, from+1), To: rowKey(c.id, upTo+1)}
	for rec, err := range t.Scan(vault.KindMessage, within) {
		if err != nil {
			return nil, last, err
		}
		w, err := unpackRow(rec.Key, rec.Value)
		if err != nil {
			return nil, last, err
		}
		if w.sender.Account == c.peer && (w.status == StatusReceived || w.status == StatusDeleted) {
			last = w.id
			ids = append(ids, w.id)
		}
	}
	return ids, last, nil
}

// readUpTo moves the read position and starts the timers of what was read.
func (t *txn) readUpTo(c *chat, upTo, at uint64) error {
	if upTo <= c.read {
		return nil
	}
	within := vault.Range{From: rowKey(c.id, c.read+1), To: rowKey(c.id, upTo+1)}
	for rec, err := range t.Scan(vault.KindMessage, within) {
		if err != nil {
			return err
		}
		w, err := unpackRow(rec.Key, rec.Value)
		if err != nil {
			return err
		}
		if w.status != StatusReceived || w.expires != 0 {
			continue
		}
		m, err := content.Parse(w.content)
		if err != nil {
			return errRecord
		}
		if m.ExpireAfter == 0 {
			continue
		}
		w.expires = at + uint64(m.ExpireAfter)*1000
		if err := t.putRow(w); err != nil {
			return err
		}
		if err := t.expireRow(w); err != nil {
			return err
		}
	}
	c.read = min(upTo, c.next)
	return t.putChat(c)
}

// tellOwn says something to the own other devices, if there are any.
func (t *txn) tellOwn(body content.Body) error {
	d := t.d
	if len(d.logs[d.self.account].log.Devices(d.logTime())) < 2 {
		return nil
	}
	id, err := d.messageID()
	if err != nil {
		return err
	}
	_, err = t.say(id, messaging.ChatID{}, body, 0, wire.UrgencySilent)
	return err
}
