package client

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// An orphan is a content of a chat that this device does not know yet: another
// own device opened it and wrote at once. It waits in the vault (KindMessage
// 'o' + chat, number) for the chat. Only own devices can leave any.

// keepOrphan saves a content for later and has the chats listed anew.
func (t *txn) keepOrphan(from source, c *content.Content) error {
	plain, err := c.AppendBinary(nil)
	if err != nil {
		return err
	}
	p := newPacker()
	p.raw(addressKey(from.sender))
	p.uint(from.arrived)
	p.bytes(plain)
	t.d.link.listed = false
	n, err := t.count(keyOf(rowOrphan, c.Chat[:]))
	if err != nil {
		return err
	}
	return t.Put(vault.KindMessage, keyOf(rowOrphan, c.Chat[:], be64(n)), p)
}

func (t *txn) count(prefix []byte) (n uint64, err error) {
	within := under(prefix)
	within.KeysOnly = true
	for _, err := range t.Scan(vault.KindMessage, within) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// adoptOrphans applies what waited for a chat, in the order of its arrival.
func (t *txn) adoptOrphans(c *chat) error {
	for rec, err := range t.Scan(vault.KindMessage, under(keyOf(rowOrphan, c.id[:]))) {
		if err != nil {
			return err
		}
		u := unpack(rec.Value)
		from := source{own: true}
		from.sender.Account = u.id()
		if d := u.raw(1); !u.bad {
			from.sender.Device = messaging.DeviceID(d[0])
		}
		from.arrived = u.uint()
		plain := u.bytes()
		if err := u.done(); err != nil {
			return err
		}
		m, err := content.Parse(plain)
		if err != nil {
			return errRecord
		}
		if err := t.Delete(vault.KindMessage, rec.Key); err != nil {
			return err
		}
		if err := t.applyChat(from, &m); err != nil {
			return err
		}
	}
	return nil
}
