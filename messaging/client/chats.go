package client

import (
	"bytes"
	"errors"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

var (
	// ErrUnknownChat: this device knows no such chat.
	ErrUnknownChat = errors.New("client: no such chat")
	// ErrMismatch: the account behind an invite is not the one that it names.
	ErrMismatch = errors.New("client: the account is not the one that the invite names")
)

// chat is one chat: KindChat.
type chat struct {
	id         messaging.ChatID
	peer       messaging.AccountID
	state      wire.ChatState
	mayWrite   bool
	openedByMe bool
	openedMS   uint64

	first uint64 // below it goes what history brings
	next  uint64 // newest position in the timeline
	read  uint64 // position up to which it was read

	timer   uint32 // seconds, for new messages
	timerAt uint64 // SentAt and id of what set it
	timerBy messaging.MessageID

	profile   []byte // the peer's newest Profile content
	profileAt uint64
	profileBy messaging.MessageID

	list content.ChatState
}

func (c *chat) pack() []byte {
	p := newPacker()
	p.raw(c.peer[:])
	p.uint(uint64(c.state))
	p.bool(c.mayWrite)
	p.bool(c.openedByMe)
	p.uint(c.openedMS)
	p.uint(c.first)
	p.uint(c.next)
	p.uint(c.read)
	p.uint(uint64(c.timer))
	p.uint(c.timerAt)
	p.raw(c.timerBy[:])
	p.bytes(c.profile)
	p.uint(c.profileAt)
	p.raw(c.profileBy[:])
	p.bool(c.list.Archived)
	p.bool(c.list.Pinned)
	p.bool(c.list.Blocked)
	p.bool(c.list.Unread)
	p.bool(c.list.Removed)
	p.uint(c.list.MutedUntil)
	return p
}

func unpackChat(id messaging.ChatID, b []byte) (*chat, error) {
	u := unpack(b)
	c := &chat{id: id, peer: u.id(), state: wire.ChatState(u.uint()), mayWrite: u.bool(), openedByMe: u.bool()}
	c.openedMS, c.first, c.next, c.read = u.uint(), u.uint(), u.uint(), u.uint()
	c.timer, c.timerAt, c.timerBy = uint32(u.uint()), u.uint(), u.id()
	c.profile, c.profileAt, c.profileBy = u.bytes(), u.uint(), u.id()
	c.list = content.ChatState{
		Chat: id, Archived: u.bool(), Pinned: u.bool(), Blocked: u.bool(), Unread: u.bool(), Removed: u.bool(),
		MutedUntil: u.uint(),
	}
	return c, u.done()
}

func (d *device) loadChats(r vault.Reader) error {
	for rec, err := range r.Scan(vault.KindChat, vault.Range{}) {
		if err != nil {
			return err
		}
		c, err := unpackChat(messaging.ChatID(rec.Key), rec.Value)
		if err != nil {
			return err
		}
		d.chats[c.id] = c
	}
	return d.loadPrefs(r)
}

func (t *txn) putChat(c *chat) error {
	t.d.chats[c.id] = c
	t.event(Event{Kind: EventChat, Chat: c.id, Account: c.peer})
	return t.Put(vault.KindChat, c.id[:], c.pack())
}

// listChats asks once a connection, and again when a chat changed or an envelope
// names one that is not known.
func (d *device) listChats() error {
	if !d.bound() || d.link.listed || d.link.listing {
		return nil
	}
	d.link.listing = true
	return d.listPage(nil)
}

func (d *device) listPage(cursor []byte) error {
	d.ask(&wire.ListChats{Cursor: cursor, Limit: wire.MaxPage}, func(answer wire.ServerMessage) error {
		m, ok := answer.(*wire.Chats)
		if !ok {
			d.link.listing, d.link.listed = false, true
			return nil
		}
		for i := range m.Chats {
			if err := d.sawChat(&m.Chats[i]); err != nil {
				return err
			}
		}
		if len(m.Next) > 0 && !bytes.Equal(m.Next, cursor) {
			return d.listPage(bytes.Clone(m.Next))
		}
		d.link.listing, d.link.listed = false, true
		return nil
	})
	return nil
}

// sawChat takes the server's word on a chat. A new one is kept when the peer's
// log is verified, which is fetched now.
func (d *device) sawChat(m *wire.Chat) error {
	if m.PeerAccount == d.self.account {
		return nil
	}
	c := d.chats[m.ChatID]
	if c != nil {
		return d.changeChat(c, m)
	}
	if d.peers[m.PeerAccount] != nil {
		return nil // one chat with each account; the first one stands
	}
	c = &chat{id: m.ChatID, peer: m.PeerAccount, list: content.ChatState{Chat: m.ChatID}}
	c.set(m)
	s := d.logOf(c.peer)
	s.chat, s.wanted, s.refused = c.id, true, false
	d.link.fresh = append(d.link.fresh, c)
	return nil
}

func (c *chat) set(m *wire.Chat) {
	c.state, c.mayWrite, c.openedByMe, c.openedMS = m.State, m.MayWrite, m.OpenedByMe, m.OpenedMS
}

func (d *device) changeChat(c *chat, m *wire.Chat) error {
	if c.peer != m.PeerAccount {
		return nil // a chat never changes hands
	}
	if !m.PeerHead.IsZero() {
		d.serverHead(c.peer, devicelog.Head(m.PeerHead))
	}
	old := *c
	c.set(m)
	if old.state == c.state && old.mayWrite == c.mayWrite {
		return nil
	}
	return d.update(func(t *txn) error { return t.putChat(c) })
}

// discovering reports whether the chat that an envelope names may yet turn up.
func (d *device) discovering(e *inbound) bool {
	for _, c := range d.link.fresh {
		if c.id == e.ChatID {
			return !d.logOf(c.peer).refused
		}
	}
	if !e.looked {
		e.looked = true
		d.link.listed = false
		return true
	}
	return false
}

// keepChats commits new chats whose peers' logs have been verified.
func (d *device) keepChats() error {
	for len(d.link.fresh) > 0 {
		at := -1
		for i, c := range d.link.fresh {
			if s := d.logs[c.peer]; s != nil && s.log != nil {
				at = i
				break
			}
		}
		if at < 0 {
			return nil
		}
		c := d.link.fresh[at]
		d.link.fresh = append(d.link.fresh[:at:at], d.link.fresh[at+1:]...)
		if err := d.update(func(t *txn) error { return t.newChat(c) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) newChat(c *chat) error {
	if t.d.chats[c.id] != nil {
		return nil
	}
	c.first, c.next, c.read = timelineStart, timelineStart, timelineStart
	if t.d.peers[c.peer] == nil {
		if err := t.putPeer(&peer{account: c.peer, chat: c.id}); err != nil {
			return err
		}
	}
	if err := t.putChat(c); err != nil {
		return err
	}
	return t.adoptOrphans(c)
}

// openChat follows an invite. The fragment names the account: a server that
// puts another one in its place is caught before anything is kept.
func (d *device) openChat(m *wire.OpenChat, fragment devicelog.Fragment, done func(*wire.Opened, error)) error {
	if !d.bound() {
		return ErrOffline
	}
	if m.Purpose == wire.PurposeOpen {
		if _, err := io.ReadFull(d.rand, m.IdempotencyKey[:]); err != nil {
			return err
		}
	}
	d.ask(m, func(answer wire.ServerMessage) error {
		switch a := answer.(type) {
		case *wire.Opened:
			return d.opened(a, fragment, done)
		case *wire.Refused:
			done(nil, refusal(a))
		default:
			done(nil, ErrOffline)
		}
		return nil
	})
	return nil
}

func (d *device) opened(m *wire.Opened, fragment devicelog.Fragment, done func(*wire.Opened, error)) error {
	log, err := devicelog.Open(d.self.tenant, m.AccountID, [][]byte{m.FoundingEntry})
	if err == nil {
		err = fragment.Match(log)
	}
	if err != nil {
		d.emit(Event{Kind: EventMismatch, Account: m.AccountID})
		done(nil, ErrMismatch)
		return nil
	}
	if m.ChatID == (messaging.ChatID{}) || d.chats[m.ChatID] != nil {
		done(m, nil)
		return nil
	}
	if d.peers[m.AccountID] != nil {
		done(nil, ErrMismatch) // one chat with each account
		return nil
	}
	err = d.update(func(t *txn) error {
		c := &chat{
			id: m.ChatID, peer: m.AccountID, state: m.State, mayWrite: m.State == wire.StateOpen, openedByMe: true,
			openedMS: d.ms(), list: content.ChatState{Chat: m.ChatID},
		}
		s := d.logOf(m.AccountID)
		s.chat, s.wanted = m.ChatID, true
		if s.log == nil {
			if err := t.extend(s, [][]byte{m.FoundingEntry}, log); err != nil {
				return err
			}
		}
		return t.newChat(c)
	})
	if err == nil {
		done(m, nil)
	}
	return err
}
