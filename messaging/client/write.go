package client

import (
	"errors"
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/wire"
)

var (
	// ErrTooLong: the content does not fit into an envelope.
	ErrTooLong = errors.New("client: too long to send")
	// ErrKind: this kind of content is not for the caller to send.
	ErrKind = errors.New("client: not a kind that members send")
)

// write puts what the member says into the outbox and, where it is a message,
// into the timeline, in one commit. The same id again changes nothing, so that a
// screen may repeat a call whose outcome it does not know.
func (d *device) write(chat messaging.ChatID, id messaging.MessageID, body content.Body) error {
	if d.dead != nil {
		return d.dead
	}
	c, err := d.draft(chat, id, body)
	if err != nil {
		return err
	}
	if err := d.fits(&c); err != nil {
		return err
	}
	return d.act(func(t *txn) error {
		done, err := has(t, vault.KindAction, id[:])
		if err != nil || done {
			return err
		}
		if err := t.Put(vault.KindAction, id[:], be64(d.ms())); err != nil {
			return err
		}
		return t.write(&c)
	})
}

func (d *device) draft(chat messaging.ChatID, id messaging.MessageID, body content.Body) (content.Content, error) {
	ch := d.chats[chat]
	switch {
	case !d.ready():
		return content.Content{}, ErrNotReady
	case ch == nil:
		return content.Content{}, ErrUnknownChat
	case !body.Kind().InChat() || body.Kind() == content.KindReceipt:
		return content.Content{}, ErrKind
	}
	if p := d.peers[ch.peer]; p != nil && p.keysNew {
		return content.Content{}, ErrKeysNew
	}
	c := content.Content{Message: id, Chat: chat, SentAt: d.ms(), Body: body}
	if body.Kind().WantsReceipt() {
		c.ExpireAfter = ch.timer
	}
	return c, nil
}

// fits checks the larger of what the two sides get: the copy for own devices.
func (d *device) fits(c *content.Content) error {
	plain, err := d.encode(c)
	if err != nil {
		return err
	}
	own, err := d.textFor(c, wire.SideOwn)
	if err != nil {
		return err
	}
	most := int(wire.MaxBody)
	if limit := int(d.link.limits.MaxBody); limit > 0 {
		most = min(most, limit)
	}
	if size := content.PaddedSize(max(len(own), len(plain))) + sessionRoom; size > most {
		return fmt.Errorf("%w: %d bytes when sealed, at most %d", ErrTooLong, size, most)
	}
	return nil
}

func (t *txn) write(c *content.Content) error {
	d := t.d
	plain, err := d.encode(c)
	if err != nil {
		return err
	}
	urgency := wire.UrgencyNormal
	switch c.Kind() {
	case content.KindTyping:
		urgency = wire.UrgencyEphemeral
	case content.KindProfile, content.KindTimer:
		urgency = wire.UrgencySilent
	}
	if err := t.enqueue(&outgoing{id: c.Message, chat: c.Chat, urgency: urgency, plain: plain}); err != nil {
		return err
	}
	return t.writeHere(c, plain)
}

// writeHere gives what the member said its effect on this device.
func (t *txn) writeHere(c *content.Content, plain []byte) error {
	self := source{sender: t.d.self.address(), arrived: t.d.ms() / 1000, own: true}
	if !timeline(c.Kind()) {
		return t.applyChat(self, c)
	}
	w := &row{chat: c.Chat, status: StatusQueued, sender: self.sender, id: c.Message, arrived: self.arrived, content: plain}
	t.startTimer(w, c)
	if err := t.addRow(w); err != nil {
		return err
	}
	if err := t.expireRow(w); err != nil {
		return err
	}
	return t.applyTimer(c)
}

// typing tells the peer's devices that are connected now. Nothing is said when
// this device is not, or when the member does not want it.
func (d *device) typing(chat messaging.ChatID, active bool) error {
	if !d.bound() || !d.prefs.settings.TypingNotices {
		return nil
	}
	id, err := d.messageID()
	if err != nil {
		return err
	}
	c, err := d.draft(chat, id, content.Typing{Active: active})
	if err != nil {
		return err
	}
	return d.act(func(t *txn) error { return t.write(&c) })
}
