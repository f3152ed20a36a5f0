package client

import (
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// put says something as a member does.
func (w *world) put(n *node, chat messaging.ChatID, body content.Body) messaging.MessageID {
	w.next++
	id := messaging.MessageID{0xf0, byte(w.next >> 8), byte(w.next)}
	if err := n.dev.write(chat, id, body); err != nil {
		w.fatalf("%s: %v", n.name, err)
	}
	n.flush()
	w.run()
	return id
}

func (n *node) message(chat messaging.ChatID, id messaging.MessageID) (m Message) {
	for _, m := range n.messages(chat) {
		if m.ID == id {
			return m
		}
	}
	return m
}

// TestEffects: edits, reactions and deletions show alike on all devices of both
// sides; nobody edits or deletes what another said.
func TestEffects(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 31)
	id := w.put(alice, chat, content.Text{Text: "one"})
	w.put(phone, chat, content.Edit{Target: id, Text: "two"})
	w.put(bob, chat, content.Edit{Target: id, Text: "bob's"})
	w.put(bob, chat, content.Delete{Target: id})
	w.put(bob, chat, content.Reaction{Target: id, Emoji: "👍"})
	w.clock = w.clock.Add(time.Second)
	w.put(bob, chat, content.Reaction{Target: id, Emoji: "🎉"})
	w.settle()
	for _, n := range []*node{alice, phone, bob} {
		m := n.message(chat, id)
		if m.Edited != "two" || len(m.Reactions) != 1 || m.Reactions[0].Emoji != "🎉" || m.Status == StatusDeleted {
			t.Errorf("%s shows %+v", n.name, m)
		}
	}
	w.put(phone, chat, content.Delete{Target: id})
	w.settle()
	for _, n := range []*node{alice, phone, bob} {
		if m := n.message(chat, id); m.Status != StatusDeleted || m.Content.Body != nil {
			t.Errorf("%s still shows %+v", n.name, m)
		}
	}
}

// TestDisappearing: the timer starts with the reading on the reader's devices,
// and with the sending on the sender's.
func TestDisappearing(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 32)
	w.put(alice, chat, content.Timer{Seconds: 3600})
	w.settle()
	id := w.put(bob, chat, content.Text{Text: "secret"})
	w.settle()
	later := func(d time.Duration) {
		w.clock = w.clock.Add(d)
		w.settleFor(1, time.Second)
	}
	later(2 * time.Hour)
	if bob.message(chat, id).Status != StatusDeleted || alice.message(chat, id).Status != StatusReceived {
		t.Errorf("bob %d, alice %d", bob.message(chat, id).Status, alice.message(chat, id).Status)
	}
	alice.check(alice.dev.markRead(chat, alice.dev.chats[chat].next))
	alice.check(alice.dev.progress())
	w.settle()
	later(2 * time.Hour)
	if alice.message(chat, id).Status != StatusDeleted || phone.message(chat, id).Status != StatusDeleted {
		t.Errorf("alice %d, phone %d", alice.message(chat, id).Status, phone.message(chat, id).Status)
	}
}

// TestReading: reading on one device counts on the other, and the sender hears.
func TestReading(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 33)
	id := w.put(bob, chat, content.Text{Text: "read me"})
	w.settle()
	alice.check(alice.dev.markRead(chat, alice.dev.chats[chat].next))
	alice.check(alice.dev.progress())
	w.settle()
	if got := phone.dev.chats[chat]; got.read != phone.message(chat, id).Position {
		t.Errorf("the phone has read up to %d", got.read)
	}
	if m := bob.message(chat, id); m.Status != StatusRead {
		t.Errorf("bob sees status %d", m.Status)
	}
	alice.check(alice.dev.setSettings(content.Settings{LinkPreviews: true}))
	w.settle()
	if got := phone.dev.prefs.settings; !got.LinkPreviews || got.ReadReceipts {
		t.Errorf("the phone has %+v", got)
	}
	id = w.put(bob, chat, content.Text{Text: "and me"})
	w.settle()
	phone.check(phone.dev.markRead(chat, phone.dev.chats[chat].next))
	phone.check(phone.dev.progress())
	w.settle()
	if m := bob.message(chat, id); m.Status != StatusDelivered {
		t.Errorf("a read receipt goes out against the settings: %d", m.Status)
	}
}

// TestTyping reaches who is there and is stored nowhere.
func TestTyping(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 34)
	rows := len(bob.messages(chat))
	alice.check(alice.dev.typing(chat, true))
	w.run()
	if bob.seen[EventTyping] != 1 || len(bob.messages(chat)) != rows {
		t.Errorf("typing: %v", bob.seen)
	}
	bob.disconnect()
	alice.check(alice.dev.typing(chat, true))
	w.run()
	bob.connect()
	w.settle()
	if bob.seen[EventTyping] != 1 || len(bob.mailbox()) != 0 {
		t.Error("typing was kept")
	}
}

// TestRecover: all devices are lost but the code. The new device is added by it,
// and is reached.
func TestRecover(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 35, knobs{})
	lost := w.add(w.accountID(0))
	lost.connect()
	w.run()
	code, err := lost.dev.found(nil)
	if err != nil {
		t.Fatal(err)
	}
	lost.flush()
	w.run()
	bob := w.founded(1)
	chat := w.chatBetween(bob, lost)
	lost.disconnect()
	lost.gone = true
	n := w.add(lost.account)
	n.connect()
	w.run()
	var outcome error = errUnfinished
	if err := n.dev.recoverAccount(code.Reveal(), func(err error) { outcome = err }); err != nil {
		t.Fatal(err)
	}
	n.flush()
	w.run()
	if outcome != nil || !n.dev.ready() {
		t.Fatalf("recovered: %v", outcome)
	}
	id := w.say(bob, chat)
	w.settle()
	if m := n.message(chat, id); m.Status != StatusReceived {
		t.Error("the recovered device is not reached")
	}
	n.check(n.dev.unseen(lost.dev.self.device, w.clock.Add(-40*24*time.Hour)))
	if n.seen[EventUnseen] != 1 {
		t.Error("no warning")
	}
	n.check(n.dev.unseen(lost.dev.self.device, w.clock.Add(-46*24*time.Hour)))
	w.run()
	if left := n.dev.logs[n.account].log.Devices(w.clock); len(left) != 1 {
		t.Errorf("%d devices are left", len(left))
	}
}

// TestRotation: signed and last-resort prekeys change weekly, the old ones open
// handshakes for thirty days, and go with the memory of their uses.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 36, knobs{stock: 1})
	n := w.founded(0)
	w.settle()
	first := n.dev.self.last
	count := func(prefix byte) (c int) {
		n.check(n.dev.view(func(r vault.Reader) error {
			for _, err := range r.Scan(vault.KindPrekey, under([]byte{prefix})) {
				if err != nil {
					return err
				}
				c++
			}
			return nil
		}))
		return c
	}
	for range 4 {
		w.clock = w.clock.Add(rotateAfter)
		w.settleFor(1, time.Second)
	}
	if n.dev.self.last == first || count(prekeyLast) != 5 || count(prekeySigned) != 5 {
		t.Errorf("%d last-resort and %d signed prekeys", count(prekeyLast), count(prekeySigned))
	}
	if have := w.server.account(n.account).devices[1].counts(); have.LastResortID != uint32(n.dev.self.last) {
		t.Error("the server has another last-resort prekey")
	}
	for range 3 {
		w.clock = w.clock.Add(rotateAfter)
		w.settleFor(1, time.Second)
	}
	if got := count(prekeyLast); got != 5 && got != 6 {
		t.Errorf("%d last-resort prekeys after seven weeks", got)
	}
}

// TestLongestText: the longest text fits into the first message of a session and
// into the copy for own devices; what is longer is refused before it is saved.
func TestLongestText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 37, knobs{})
	alice, bob := w.founded(0), w.founded(1)
	phone := w.linkByCode(alice)
	chat := w.chatBetween(alice, bob)
	w.settle()
	text := strings.Repeat("x", content.MaxText)
	id := w.put(alice, chat, content.Text{Text: text})
	w.settle()
	for _, n := range []*node{bob, phone} {
		if textOf(n.message(chat, id)) != text {
			t.Errorf("%s does not have it", n.name)
		}
	}
	before := alice.stateHash()
	if err := alice.dev.write(chat, messaging.MessageID{1}, content.Text{Text: text + "x"}); err == nil || alice.stateHash() != before {
		t.Errorf("a longer text: %v", err)
	}
}
