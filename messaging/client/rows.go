package client

import (
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// Status is what became of a message.
type Status uint8

// The statuses. Those of own messages only ever grow up to StatusRead.
const (
	StatusQueued    Status = 1 // own, not yet with the server
	StatusSent      Status = 2 // own, safe with the server
	StatusDelivered Status = 3 // own, a device of the peer has it
	StatusRead      Status = 4 // own, the peer read it
	StatusFailed    Status = 5 // own, refused for good
	StatusReceived  Status = 6 // the peer's
	StatusMissing   Status = 7 // did not decrypt, asked for again: not shown
	StatusLost      Status = 8 // healing failed: a placeholder
	StatusDeleted   Status = 9 // by its author
)

// row is a place in a chat's timeline: KindMessage 'm'.
type row struct {
	chat     messaging.ChatID
	position uint64

	status  Status
	sender  messaging.Address
	id      messaging.MessageID
	arrived uint64 // Unix seconds, the server's; own: sent at
	expires uint64 // Unix ms; 0: not
	content []byte // none when missing or deleted
}

// timeline reports whether a kind has a place in the timeline. The others act
// on what has.
func timeline(k content.Kind) bool {
	return k == content.KindText || k == content.KindMedia || k == content.KindTimer || !k.Known()
}

func (w *row) pack() []byte {
	p := newPacker()
	p.uint(uint64(w.status))
	p.raw(addressKey(w.sender))
	p.raw(w.id[:])
	p.uint(w.arrived)
	p.uint(w.expires)
	p.bytes(w.content)
	return p
}

func unpackRow(key, b []byte) (*row, error) {
	k := unpacker{rest: key[1:]}
	w := &row{chat: k.id(), position: fromBE(k.raw(8))}
	u := unpack(b)
	w.status = Status(u.uint())
	w.sender.Account = u.id()
	if d := u.raw(1); !u.bad {
		w.sender.Device = messaging.DeviceID(d[0])
	}
	w.id = u.id()
	w.arrived, w.expires, w.content = u.uint(), u.uint(), u.bytes()
	return w, u.done()
}

func (t *txn) putRow(w *row) error {
	t.event(Event{Kind: EventMessage, Chat: w.chat, Account: w.sender.Account, Message: w.id})
	return t.Put(vault.KindMessage, rowKey(w.chat, w.position), w.pack())
}

// addRow appends a row to the timeline and indexes it.
func (t *txn) addRow(w *row) error {
	c := t.d.chats[w.chat]
	if c == nil {
		return nil
	}
	c.next++
	w.position = c.next
	if err := t.putChat(c); err != nil {
		return err
	}
	if err := t.Put(vault.KindMessage, indexKey(w.chat, w.sender.Account, w.id), be64(w.position)); err != nil {
		return err
	}
	return t.putRow(w)
}

// findRow returns the row of a message, nil when there is none.
func findRow(r vault.Reader, chat messaging.ChatID, sender messaging.AccountID, id messaging.MessageID) (*row, error) {
	at, err := r.Get(vault.KindMessage, indexKey(chat, sender, id))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key := rowKey(chat, fromBE(at))
	b, err := r.Get(vault.KindMessage, key)
	if err != nil {
		return nil, err
	}
	return unpackRow(key, b)
}

func (t *txn) dropRow(w *row) error {
	if err := t.Delete(vault.KindMessage, indexKey(w.chat, w.sender.Account, w.id)); err != nil {
		return err
	}
	t.event(Event{Kind: EventMessage, Chat: w.chat, Account: w.sender.Account, Message: w.id})
	return t.Delete(vault.KindMessage, rowKey(w.chat, w.position))
}

// keepPlace puts a row that shows nothing where a missing message belongs.
func (t *txn) keepPlace(g *gap) error {
	w, err := findRow(t, g.chat, g.sender.Account, g.id)
	if err != nil || w != nil {
		return err
	}
	status := StatusMissing
	if g.lost {
		status = StatusLost
	}
	return t.addRow(&row{chat: g.chat, status: status, sender: g.sender, id: g.id, arrived: g.arrived})
}

// dropPlace removes such a row when what was missing has no place in a timeline.
func (t *txn) dropPlace(chat messaging.ChatID, sender messaging.AccountID, id messaging.MessageID) error {
	w, err := findRow(t, chat, sender, id)
	if err != nil || w == nil || w.status != StatusMissing && w.status != StatusLost {
		return err
	}
	return t.dropRow(w)
}

// mark changes the status of a message, if it has a row and the change is one
// forward.
func (t *txn) mark(chat messaging.ChatID, sender messaging.AccountID, id messaging.MessageID, to Status) error {
	w, err := findRow(t, chat, sender, id)
	if err != nil || w == nil || !w.status.becomes(to) {
		return err
	}
	w.status = to
	return t.putRow(w)
}

func (s Status) becomes(to Status) bool {
	switch {
	case s == StatusMissing:
		return to == StatusLost
	case s == StatusQueued:
		return to <= StatusFailed
	case s <= StatusRead:
		return to > s && to <= StatusRead
	}
	return false
}
