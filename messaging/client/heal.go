package client

import (
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// Healing (docs/protocol.md section 3.5): an envelope that did not decrypt is
// asked for again. What it held is not known, so its place in the chat is kept
// and nothing is shown; when the content comes it takes that place. Only when
// nobody answers for healGiveUp is the member told.

// gap is an envelope that is missed: KindOutbox 'w' + sender, message id.
type gap struct {
	sender  messaging.Address
	id      messaging.MessageID // of the send that failed
	chat    messaging.ChatID    // zero: from an own device
	ratchet [33]byte
	arrived uint64 // Unix seconds, the server's
	since   uint64 // Unix ms
	asked   uint64 // Unix ms of the last request; 0: none
	tries   uint64
	lost    bool // the member was told
}

func (g *gap) key() []byte { return keyOf(boxMissing, addressKey(g.sender), g.id[:]) }

func (g *gap) pack() []byte {
	p := newPacker()
	p.raw(g.chat[:])
	p.raw(g.ratchet[:])
	p.uint(g.arrived)
	p.uint(g.since)
	p.uint(g.asked)
	p.uint(g.tries)
	p.bool(g.lost)
	return p
}

func unpackGap(key, b []byte) (*gap, error) {
	k := unpacker{rest: key[1:]}
	g := &gap{sender: messaging.Address{Account: k.id(), Device: messaging.DeviceID(k.raw(1)[0])}, id: k.id()}
	u := unpack(b)
	g.chat = u.id()
	copy(g.ratchet[:], u.raw(len(g.ratchet)))
	g.arrived, g.since, g.asked, g.tries, g.lost = u.uint(), u.uint(), u.uint(), u.uint(), u.bool()
	return g, u.done()
}

// Counts are what happened to envelopes since the device was opened.
type Counts struct {
	Opened    uint64 // decrypted
	Repeated  uint64 // had been opened before
	Refused   uint64 // dropped for good
	Undecoded uint64 // did not decrypt and were asked for again
	Healed    uint64 // of those, came again
	Lost      uint64 // of those, a placeholder stands for
}

// healClock counts requests by peer and hour, and knows when gaps are due.
type healClock struct {
	open  int // gaps that are waited for
	hour  int64
	made  map[messaging.AccountID]int
	given map[messaging.AccountID]int
}

func (d *device) loadHeals(r vault.Reader) error {
	within := under([]byte{boxMissing})
	within.KeysOnly = true
	for _, err := range r.Scan(vault.KindOutbox, within) {
		if err != nil {
			return err
		}
		d.heals.open++
	}
	return nil
}

// allow counts one more of the hour and reports whether it is within the cap.
func (h *healClock) allow(now time.Time, count *map[messaging.AccountID]int, a messaging.AccountID) bool {
	if hour := now.Unix() / 3600; hour != h.hour || *count == nil {
		if hour != h.hour {
			h.made, h.given = nil, nil
		}
		h.hour = hour
		*count = make(map[messaging.AccountID]int)
	}
	if (*count)[a] >= healPerHour {
		return false
	}
	(*count)[a]++
	return true
}

// missing records an envelope that did not decrypt, keeps its place, and asks
// for it again. One of a type that this version does not know is not asked for:
// it is shown as what it is.
func (t *txn) missing(o opening, ratchet key.RatchetPublic, unknown bool) error {
	g := &gap{
		sender: o.sender(), id: o.MessageID, chat: o.ChatID, arrived: o.ServerTime, since: t.d.ms(), lost: unknown,
	}
	g.ratchet[0] = 0x05 // a header that cannot be read names no key: nothing is archived for it
	if !ratchet.IsZero() {
		copy(g.ratchet[:], ratchet.Bytes())
	}
	if o.SenderAccount == t.d.self.account {
		g.chat = messaging.ChatID{}
	}
	known, err := has(t, vault.KindOutbox, g.key())
	if err != nil || known {
		return err
	}
	if g.chat != (messaging.ChatID{}) {
		if err := t.keepPlace(g); err != nil {
			return err
		}
	}
	t.d.heals.open++
	return t.askAgain(g)
}

// askAgain sends a retry request, within the cap, and saves the gap.
func (t *txn) askAgain(g *gap) error {
	d := t.d
	if !g.lost && g.tries < healTries && d.heals.allow(d.now(), &d.heals.made, g.sender.Account) {
		g.tries++
		g.asked = d.ms()
		if err := t.sayTo(g.sender, g.chat, content.Retry{
			Message: g.id, RatchetKey: g.ratchet, SentAt: max(g.arrived*1000, 1),
		}); err != nil {
			return err
		}
	}
	return t.Put(vault.KindOutbox, g.key(), g.pack())
}

// sayTo puts a content for one device into the outbox.
func (t *txn) sayTo(to messaging.Address, chat messaging.ChatID, body content.Body) error {
	id, err := t.d.messageID()
	if err != nil {
		return err
	}
	c := content.Content{Message: id, Chat: chat, SentAt: t.d.ms(), Body: body}
	plain, err := t.d.encode(&c)
	if err != nil {
		return err
	}
	return t.enqueue(&outgoing{id: id, chat: chat, only: t.d.placeOf(to), urgency: wire.UrgencySilent, plain: plain})
}

func (d *device) placeOf(a messaging.Address) place {
	if a.Account == d.self.account {
		return place{wire.SideOwn, a.Device}
	}
	return place{wire.SidePeer, a.Device}
}

// healed drops the gap that a content fills. Its row, if it has one, is filled
// or removed by whoever applies the content.
func (t *txn) healed(o opening, c *content.Content) error {
	return t.dropGap(o.sender(), c.Message, !timeline(c.Kind()))
}

func (t *txn) dropGap(sender messaging.Address, id messaging.MessageID, row bool) error {
	key := (&gap{sender: sender, id: id}).key()
	b, ok, err := lookup(t, vault.KindOutbox, key)
	if !ok {
		return err
	}
	g, err := unpackGap(key, b)
	if err != nil {
		return err
	}
	t.d.heals.open--
	t.d.counts.Healed++
	if row && g.chat != (messaging.ChatID{}) {
		if err := t.dropPlace(g.chat, sender.Account, id); err != nil {
			return err
		}
	}
	return t.Delete(vault.KindOutbox, key)
}

// endedSession hears that what is named is being sent again. All but the first
// are sends that failed on the way to heal the first: nothing else comes for them.
func (t *txn) endedSession(o opening, e content.EndSession) error {
	for _, id := range e.Resend[min(1, len(e.Resend)):] {
		if err := t.dropGap(o.sender(), id, true); err != nil {
			return err
		}
	}
	return nil
}

// retryRequested answers a device that could not decrypt: the session that it
// names is archived, and what it missed is sent again in a fresh one.
func (t *txn) retryRequested(o opening) error {
	d := t.d
	c, err := content.Parse(o.Body)
	if err != nil {
		t.refuse(o)
		return nil
	}
	retry, ok := c.Body.(content.Retry)
	if !ok || !d.heals.allow(d.now(), &d.heals.given, o.SenderAccount) {
		t.refuse(o)
		return nil
	}
	if err := t.archive(o, retry.RatchetKey); err != nil {
		return err
	}
	sent, ok, err := t.sent(retry.Message)
	if err != nil || !ok {
		return err
	}
	if !t.wasFor(o, sent) {
		t.refuse(o)
		return nil
	}
	return t.sendAgain(o.sender(), retry.Message, sent)
}

// archive ends the session that sends with the ratchet key of a retry request.
// Any other was replaced already.
func (t *txn) archive(o opening, ratchet [33]byte) error {
	k, err := key.ParsePublic[key.RoleRatchet](ratchet[:])
	if err != nil {
		return nil
	}
	r, err := t.session(o.sender())
	if err != nil || r == nil || !r.SendsWith(k) {
		return err
	}
	t.setSession(o.sender(), r.Archive())
	return nil
}

// wasFor reports whether a device is one that the send was for: of the chat's
// peer, or of this account.
func (t *txn) wasFor(o opening, sent sentRecord) bool {
	if o.SenderAccount == t.d.self.account {
		return true
	}
	c := t.d.chats[sent.chat]
	return c != nil && c.peer == o.SenderAccount && sent.chat == o.ChatID
}

// sendAgain puts an EndSession and the content into the lane of one device. The
// content keeps its message id; the sends get new ones, because the server takes
// an id once.
func (t *txn) sendAgain(to messaging.Address, failed messaging.MessageID, sent sentRecord) error {
	c, err := content.Parse(sent.plain)
	if err != nil {
		return err
	}
	end := content.EndSession{Resend: []messaging.MessageID{c.Message}}
	if failed != c.Message {
		end.Resend = append(end.Resend, failed)
	}
	if err := t.sayTo(to, sent.chat, end); err != nil {
		return err
	}
	id, err := t.d.messageID()
	if err != nil {
		return err
	}
	return t.enqueue(&outgoing{id: id, chat: sent.chat, only: t.d.placeOf(to), plain: sent.plain, urgency: wire.UrgencySilent})
}

// tendGaps asks again for what is still missing, and gives up on what is too old.
func (t *txn) tendGaps() error {
	d := t.d
	for rec, err := range t.Scan(vault.KindOutbox, under([]byte{boxMissing})) {
		if err != nil {
			return err
		}
		g, err := unpackGap(rec.Key, rec.Value)
		if err != nil {
			return err
		}
		switch {
		case g.lost && d.ms() > g.since+uint64(keepSent.Milliseconds()):
			d.heals.open--
			err = t.Delete(vault.KindOutbox, rec.Key)
		case g.lost || d.ms() <= g.asked+uint64(healAgain.Milliseconds()):
		case g.hopeless(d.ms()):
			err = t.giveUp(g)
		default:
			err = t.askAgain(g)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hopeless reports whether a gap has been asked for twice, over a day, in vain. A
// device that slept through the day asks again first.
func (g *gap) hopeless(now uint64) bool {
	age := now - g.since
	return g.tries >= 2 && age > uint64(healGiveUp.Milliseconds()) || age > uint64(keepSent.Milliseconds())
}

// giveUp shows the placeholder. What comes later still takes its place.
func (t *txn) giveUp(g *gap) error {
	g.lost = true
	t.d.counts.Lost++
	t.event(Event{Kind: EventLost, Chat: g.chat, Account: g.sender.Account, Message: g.id})
	if err := t.mark(g.chat, g.sender.Account, g.id, StatusLost); err != nil {
		return err
	}
	return t.Put(vault.KindOutbox, g.key(), g.pack())
}
