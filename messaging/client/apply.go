package client

import (
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// source says where a content came from.
type source struct {
	sender  messaging.Address
	arrived uint64 // Unix seconds, the server's
	own     bool   // a copy of what another own device sent
}

// applyChat gives a content of a chat its effect on the stored conversation.
// Effects commute: edits, deletions and reactions are kept beside their target,
// whichever comes first, so that all devices end with the same conversation.
func (t *txn) applyChat(from source, c *content.Content) error {
	if t.d.chats[c.Chat] == nil {
		return t.keepOrphan(from, c)
	}
	if timeline(c.Kind()) {
		return t.applyMessage(from, c)
	}
	switch b := c.Body.(type) {
	case content.Receipt:
		return t.applyReceipt(from, c.Chat, b)
	case content.Typing:
		if !from.own {
			t.event(Event{Kind: EventTyping, Chat: c.Chat, Account: from.sender.Account, Active: b.Active})
		}
	case content.Edit:
		return t.applyEffect(from, c, b.Target)
	case content.Delete:
		return t.applyEffect(from, c, b.Target)
	case content.Reaction:
		return t.applyEffect(from, c, b.Target)
	case content.Profile:
		return t.applyProfile(from, c)
	}
	return nil
}

// applyMessage shows a message once, in its place: that of the gap that it
// fills, else the end.
func (t *txn) applyMessage(from source, c *content.Content) error {
	plain, err := c.AppendBinary(nil)
	if err != nil {
		return err
	}
	w, err := findRow(t, c.Chat, from.sender.Account, c.Message)
	if err != nil {
		return err
	}
	if w != nil && w.status != StatusMissing && w.status != StatusLost {
		return nil
	}
	fresh := w == nil
	if fresh {
		w = &row{chat: c.Chat, sender: from.sender, id: c.Message, arrived: from.arrived}
	}
	w.status, w.content = StatusReceived, plain
	if from.own {
		w.status = StatusSent
		t.startTimer(w, c)
	}
	deleted, err := t.deletedBefore(w)
	if err != nil {
		return err
	}
	if deleted {
		w.status, w.content = StatusDeleted, nil
	}
	if fresh {
		err = t.addRow(w)
	} else {
		err = t.putRow(w)
	}
	if err != nil {
		return err
	}
	if err := t.expireRow(w); err != nil {
		return err
	}
	if err := t.applyTimer(c); err != nil {
		return err
	}
	if from.own || !c.Kind().WantsReceipt() {
		return nil
	}
	return t.oweReceipt(c.Chat, c.Message)
}

// applyTimer sets the chat's timer; the latest change by the senders' clocks
// counts, the message id decides between equal ones.
func (t *txn) applyTimer(c *content.Content) error {
	timer, ok := c.Body.(content.Timer)
	ch := t.d.chats[c.Chat]
	if !ok || !later(c.SentAt, c.Message, ch.timerAt, ch.timerBy) {
		return nil
	}
	ch.timer, ch.timerAt, ch.timerBy = timer.Seconds, c.SentAt, c.Message
	return t.putChat(ch)
}

// later orders two claims by time, then id.
func later(at uint64, id messaging.MessageID, thanAt uint64, thanID messaging.MessageID) bool {
	if at != thanAt {
		return at > thanAt
	}
	return slices.Compare(id[:], thanID[:]) > 0
}

func (t *txn) applyProfile(from source, c *content.Content) error {
	ch := t.d.chats[c.Chat]
	if from.own || !later(c.SentAt, c.Message, ch.profileAt, ch.profileBy) {
		return nil
	}
	plain, err := c.AppendBinary(nil)
	if err != nil {
		return err
	}
	ch.profile, ch.profileAt, ch.profileBy = plain, c.SentAt, c.Message
	return t.putChat(ch)
}

func effectKey(chat messaging.ChatID, target messaging.MessageID, author messaging.AccountID, id messaging.MessageID) []byte {
	return keyOf(rowEffect, chat[:], target[:], author[:], id[:])
}

// applyEffect keeps an edit, deletion or reaction beside its target. A deletion
// takes the text with it at once.
func (t *txn) applyEffect(from source, c *content.Content, target messaging.MessageID) error {
	key := effectKey(c.Chat, target, from.sender.Account, c.Message)
	plain, err := c.AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := t.Put(vault.KindMessage, key, plain); err != nil {
		return err
	}
	t.event(Event{Kind: EventMessage, Chat: c.Chat, Account: from.sender.Account, Message: target})
	if c.Kind() != content.KindDelete {
		return nil
	}
	w, err := findRow(t, c.Chat, from.sender.Account, target)
	if err != nil || w == nil || w.status == StatusMissing {
		return err
	}
	w.status, w.content = StatusDeleted, nil
	return t.putRow(w)
}

// deletedBefore reports whether the author's deletion came before the message.
func (t *txn) deletedBefore(w *row) (bool, error) {
	for rec, err := range t.Scan(vault.KindMessage, under(keyOf(rowEffect, w.chat[:], w.id[:], w.sender.Account[:]))) {
		if err != nil {
			return false, err
		}
		c, err := content.Parse(rec.Value)
		if err != nil {
			return false, errRecord
		}
		if c.Kind() == content.KindDelete {
			return true, nil
		}
	}
	return false, nil
}

// applyReceipt marks own messages. A copy of an own device's receipt says what
// was read there; ReadMarks do that better.
func (t *txn) applyReceipt(from source, chat messaging.ChatID, r content.Receipt) error {
	if from.own {
		return nil
	}
	to := StatusDelivered
	if r.Event == content.Read {
		to = StatusRead
	}
	for _, id := range r.Messages {
		if err := t.mark(chat, t.d.self.account, id, to); err != nil {
			return err
		}
	}
	return nil
}

// applyMarks moves the read positions that another own device reached.
func (t *txn) applyMarks(marks []content.ReadMark) error {
	for _, m := range marks {
		c := t.d.chats[m.Chat]
		if c == nil {
			continue
		}
		w, err := findRow(t, m.Chat, c.peer, m.UpTo)
		if err != nil {
			return err
		}
		if w != nil {
			if err := t.readUpTo(c, w.position, m.ReadAt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txn) applyVerified(v content.Verified) error {
	p := t.d.peers[v.Account]
	s := t.d.logs[v.Account]
	if p == nil || s == nil || s.log == nil {
		return nil
	}
	p.verified = [32]byte{}
	if v.Verified && s.log.Fingerprint() == v.Fingerprint {
		p.verified = v.Fingerprint
	}
	t.event(Event{Kind: EventChat, Chat: p.chat, Account: v.Account})
	return t.putPeer(p)
}

func (t *txn) applyStates(states []content.ChatState) error {
	for _, s := range states {
		if c := t.d.chats[s.Chat]; c != nil {
			c.list = s
			if err := t.putChat(c); err != nil {
				return err
			}
		}
	}
	return nil
}
