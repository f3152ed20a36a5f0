package client

import (
	"crypto/sha256"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/wire"
)

// Chat is one chat as a screen lists it.
type Chat struct {
	ID         messaging.ChatID
	Peer       messaging.AccountID
	State      wire.ChatState
	MayWrite   bool
	OpenedByMe bool
	Newest     uint64 // position of the newest message; 0: none
	Read       uint64 // position up to which it was read
	Timer      uint32 // seconds, for new messages; 0: off
	Profile    content.Profile
	List       content.ChatState
	KeysNew    bool // nothing is sent before AcceptKeys
	Forked     bool // somebody is shown another list of the peer's devices
	Verified   bool // safety numbers were compared
}

// Message is one message as a screen shows it, with edits, reactions and
// deletion applied.
type Message struct {
	Position uint64 // in its chat; never changes
	Status   Status
	Sender   messaging.Address
	ID       messaging.MessageID
	Arrived  uint64 // Unix seconds, the server's clock; own: this device's
	Expires  uint64 // Unix ms; 0: stays
	// Content is zero, its Body nil, when Status is StatusLost or StatusDeleted.
	Content   content.Content
	Edited    string // the newest text, when it was edited
	Reactions []Reaction
}

// Reaction is what one of the two accounts put to a message.
type Reaction struct {
	Account messaging.AccountID
	Emoji   string
}

// listChatsNow returns all chats by id.
func (d *device) listChatsNow() []Chat {
	out := make([]Chat, 0, len(d.chats))
	for _, c := range d.chats {
		out = append(out, d.show(c))
	}
	slices.SortFunc(out, func(a, b Chat) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}

func (d *device) show(c *chat) Chat {
	out := Chat{
		ID: c.id, Peer: c.peer, State: c.state, MayWrite: c.mayWrite, OpenedByMe: c.openedByMe,
		Newest: c.next, Read: c.read, Timer: c.timer, List: c.list,
	}
	if p := d.peers[c.peer]; p != nil {
		out.KeysNew, out.Forked, out.Verified = p.keysNew, p.forked, p.verified != [32]byte{}
	}
	if m, err := content.Parse(c.profile); err == nil {
		out.Profile, _ = m.Body.(content.Profile)
	}
	return out
}

// conversation returns up to limit messages before a position (0: the newest),
// newest first.
func (d *device) conversation(chat messaging.ChatID, before uint64, limit int) (out []Message, err error) {
	within := vault.Range{From: rowKey(chat, 0), To: rowKey(chat, before), Reverse: true}
	if before == 0 {
		within.To = under(keyOf(rowPlace, chat[:])).To
	}
	err = d.view(func(r vault.Reader) error {
		for rec, err := range r.Scan(vault.KindMessage, within) {
			if err != nil {
				return err
			}
			w, err := unpackRow(rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if w.status == StatusMissing {
				continue
			}
			if len(out) == limit {
				return nil
			}
			m, err := compose(r, w)
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		return nil
	})
	return out, err
}

// compose reads a row with all that stands beside it.
func compose(r vault.Reader, w *row) (Message, error) {
	m := Message{
		Position: w.position, Status: w.status, Sender: w.sender, ID: w.id, Arrived: w.arrived, Expires: w.expires,
	}
	if len(w.content) == 0 {
		return m, nil
	}
	c, err := content.Parse(w.content)
	if err != nil {
		return m, errRecord
	}
	m.Content = c
	return m, m.addEffects(r, w)
}

// addEffects applies the newest edit of the author and the newest reaction of
// each account; the message id decides between equal times.
func (m *Message) addEffects(r vault.Reader, w *row) error {
	type claim struct {
		at uint64
		id messaging.MessageID
	}
	var edit claim
	reactions := make(map[messaging.AccountID]claim)
	prefix := keyOf(rowEffect, w.chat[:], w.id[:])
	for rec, err := range r.Scan(vault.KindMessage, under(prefix)) {
		if err != nil {
			return err
		}
		author := messaging.AccountID(rec.Key[len(prefix):])
		c, err := content.Parse(rec.Value)
		if err != nil {
			return errRecord
		}
		switch b := c.Body.(type) {
		case content.Edit:
			if author == w.sender.Account && later(c.SentAt, c.Message, edit.at, edit.id) {
				edit, m.Edited = claim{c.SentAt, c.Message}, b.Text
			}
		case content.Reaction:
			if old := reactions[author]; later(c.SentAt, c.Message, old.at, old.id) {
				reactions[author] = claim{c.SentAt, c.Message}
				m.react(author, b.Emoji)
			}
		}
	}
	return nil
}

func (m *Message) react(by messaging.AccountID, emoji string) {
	m.Reactions = slices.DeleteFunc(m.Reactions, func(r Reaction) bool { return r.Account == by })
	if emoji != "" {
		m.Reactions = append(m.Reactions, Reaction{by, emoji})
	}
}

// chatHash is SHA-256 over what a chat says, in whatever order it came: two
// devices of an account that have the same history have the same hash.
func (d *device) chatHash(chat messaging.ChatID) (sum [sha256.Size]byte, err error) {
	var leaves [][]byte
	err = d.view(func(r vault.Reader) error {
		for rec, err := range r.Scan(vault.KindMessage, under(keyOf(rowPlace, chat[:]))) {
			if err != nil {
				return err
			}
			w, err := unpackRow(rec.Key, rec.Value)
			if err != nil {
				return err
			}
			m, err := compose(r, w)
			if err != nil {
				return err
			}
			leaves = append(leaves, m.leaf())
		}
		return nil
	})
	slices.SortFunc(leaves, slices.Compare[[]byte])
	h := sha256.New()
	for _, l := range leaves {
		h.Write(l)
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// leaf is a message's part of the hash: who said what, as it now reads. Heads,
// statuses and positions differ between devices and stay out.
func (m *Message) leaf() []byte {
	p := newPacker()
	p.raw(m.Sender.Account[:])
	p.raw(m.ID[:])
	if m.Content.Body != nil {
		same := m.Content
		same.Own, same.Peer = content.Head{Hash: [32]byte{1}}, content.Head{Hash: [32]byte{1}}
		plain, err := same.AppendBinary(nil)
		if err == nil {
			p.bytes(plain)
		}
		p.bytes([]byte(m.Edited))
	}
	slices.SortFunc(m.Reactions, func(a, b Reaction) int { return slices.Compare(a.Account[:], b.Account[:]) })
	for _, r := range m.Reactions {
		p.raw(r.Account[:])
		p.bytes([]byte(r.Emoji))
	}
	sum := sha256.Sum256(p)
	return sum[:]
}
