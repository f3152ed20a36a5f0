package client

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// pair is two accounts with a chat, and a second device of the first.
func pair(t *testing.T, seed uint64) (w *world, alice, phone, bob *node, chat messaging.ChatID) {
	w = newWorld(t, seed, knobs{})
	alice, bob = w.founded(0), w.founded(1)
	chat = w.chatBetween(alice, bob)
	phone = w.linkByCode(alice)
	w.say(alice, chat)
	w.say(bob, chat)
	w.settle()
	return w, alice, phone, bob, chat
}

// mailbox is what waits for a device at the server.
func (n *node) mailbox() []wire.Delivered {
	return n.w.server.account(n.account).devices[n.dev.self.device].mailbox
}

// deliver hands envelopes to a device as if its mailbox held them.
func (n *node) deliver(es ...wire.Delivered) {
	n.check(n.dev.frame(wire.AppendServer(nil, 0, &wire.Deliver{Envelopes: es})))
	n.toServer = slices.DeleteFunc(n.toServer, func(b []byte) bool {
		f, err := wire.SplitClient(b)
		return err == nil && f.Kind == wire.KindAck
	})
}

// TestRemovedDevice is PRO-12: after its removal nothing is encrypted to a
// device, what it sends is not taken, it stops, and it can open nothing of what
// the others get, whatever the server shows it.
func TestRemovedDevice(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 11)
	gone := phone.address()
	ghost := phone.dev // a thief's copy that does not stop
	alice.check(alice.dev.change(&intent{action: devicelog.ActionRemove, device: gone.Device}))
	w.settle()
	if phone.dev.self.stage != stageRemoved || phone.seen[EventRemoved] == 0 {
		t.Fatal("the phone does not stop")
	}
	if err := phone.dev.write(chat, messaging.MessageID{9}, content.Text{Text: "x"}); !errors.Is(err, ErrNotReady) {
		t.Errorf("the phone still writes: %v", err)
	}
	before := len(w.server.accepted)
	alice.disconnect()
	bob.disconnect()
	w.say(bob, chat)
	w.say(alice, chat)
	alice.connect()
	bob.connect()
	for alice.upstream() || bob.upstream() || alice.downstream() || bob.downstream() {
		for _, n := range []*node{alice, bob} {
			for _, e := range n.mailbox() {
				from := messaging.Address{Account: e.SenderAccount, Device: e.SenderDevice}
				if phone.eavesdrop(ghost, from, &e) {
					t.Error("the phone opens what was not for it")
				}
			}
		}
	}
	for _, a := range w.server.accepted[before:] {
		if slices.Contains(a.to, gone) {
			t.Error("something was encrypted to the removed device")
		}
	}
	if len(w.server.accepted) == before {
		t.Fatal("nothing was sent")
	}
}

// TestReplayedAdd is PRO-13: an old signed addition does not bring a removed
// device back.
func TestReplayedAdd(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, _ := pair(t, 12)
	log := w.server.account(alice.account)
	add := log.entries[len(log.entries)-1]
	alice.check(alice.dev.change(&intent{action: devicelog.ActionRemove, device: phone.dev.self.device}))
	w.settle()
	head := bob.dev.logs[alice.account].log.Head()
	log.entries = append(log.entries, add)
	bob.dev.wantLog(alice.account)
	bob.check(bob.dev.progress())
	w.run()
	if bob.dev.logs[alice.account].log.Head() != head || bob.seen[EventLogRefused] == 0 {
		t.Errorf("the replayed addition was taken: %v", bob.seen)
	}
}

// TestUploadAfterKill is PRO-17: killed while its prekeys go up, a device
// uploads the same keys again, byte for byte.
func TestUploadAfterKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 13, knobs{})
	n := w.add(w.accountID(0))
	n.connect()
	w.run()
	if _, err := n.dev.found(nil); err != nil {
		t.Fatal(err)
	}
	n.flush()
	first := n.untilUpload()
	n.restart()
	n.connect()
	second := n.untilUpload()
	if !bytes.Equal(first, second) {
		t.Error("other keys went up the second time")
	}
	for n.upstream() {
	}
	n.restart() // the answer is lost too
	n.connect()
	if third := n.untilUpload(); !bytes.Equal(first, third) {
		t.Error("other keys went up the third time")
	}
	w.settle()
	if left := w.server.account(n.account).devices[1]; len(left.curve) != w.knobs.stock || len(left.kem) != w.knobs.stock {
		t.Errorf("the server has %d and %d keys", len(left.curve), len(left.kem))
	}
}

// untilUpload runs the network up to an UploadKeys and returns its body.
func (n *node) untilUpload() []byte {
	for range 100 {
		if len(n.toServer) > 0 {
			f, err := wire.SplitClient(n.toServer[0])
			if err == nil && f.Kind == wire.KindUploadKeys {
				return bytes.Clone(f.Body)
			}
		}
		if !n.upstream() && !n.downstream() {
			break
		}
	}
	n.w.fatalf("no keys go up")
	return nil
}

// TestCrashEverywhere is PRO-19: a sender and a recipient die at each of their
// commits in turn, before it and after it. No message key is used twice,
// everything is shown once.
func TestCrashEverywhere(t *testing.T) {
	t.Parallel()
	for who := range 2 {
		for at := 1; at <= 12; at++ {
			for _, after := range []bool{false, true} {
				w := newWorld(t, 14, knobs{})
				alice, bob := w.founded(0), w.founded(1)
				chat := w.chatBetween(alice, bob)
				victim := []*node{alice, bob}[who]
				victim.crash.in, victim.crash.after = at, after
				ids := []messaging.MessageID{}
				for range 3 {
					ids = append(ids, w.trySay(alice, chat))
					w.run()
				}
				w.settle()
				w.checkDelivered(bob, chat, ids, fmt.Sprintf("crash %d at %d, after %v", who, at, after))
			}
		}
	}
}

// trySay writes and repeats the call after a crash, as a screen does.
func (w *world) trySay(n *node, chat messaging.ChatID) messaging.MessageID {
	id := w.say(n, chat)
	w.repeat(n, chat, id)
	return id
}

func (w *world) repeat(n *node, chat messaging.ChatID, id messaging.MessageID) {
	n.check(n.dev.write(chat, id, content.Text{Text: w.wrote[id].text}))
	if rows := n.messages(chat); !slices.ContainsFunc(rows, func(m Message) bool { return m.ID == id }) {
		n.check(n.dev.write(chat, id, content.Text{Text: w.wrote[id].text}))
	}
}

func (w *world) checkDelivered(n *node, chat messaging.ChatID, ids []messaging.MessageID, what string) {
	var got []messaging.MessageID
	for _, m := range n.messages(chat) {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, ids) {
		w.fatalf("%s: shows %d of %d messages", what, len(got), len(ids))
	}
	if len(w.server.faults) > 0 {
		w.fatalf("%s: %v", what, w.server.faults)
	}
}

// TestKeysNew is PRO-26: an account that is founded anew is announced, and
// nothing is sent to it before the member accepts.
func TestKeysNew(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 15)
	if err := alice.dev.setVerified(bob.account, true); err != nil || !alice.dev.listChatsNow()[0].Verified {
		t.Fatalf("verify: %v", err)
	}
	id := w.queueFor(alice, chat)
	delete(w.server.accounts, bob.account)
	bob.disconnect()
	bob.gone = true
	again := w.founded(1)
	alice.connect()
	w.run()
	w.settleFor(3, time.Minute)
	show := alice.dev.listChatsNow()[0]
	if alice.seen[EventKeysNew] == 0 || !show.KeysNew || show.Verified {
		t.Fatalf("not announced: %+v %v", show, alice.seen)
	}
	if err := alice.dev.write(chat, messaging.MessageID{7}, content.Text{Text: "x"}); !errors.Is(err, ErrKeysNew) {
		t.Errorf("write: %v", err)
	}
	if got := again.messages(chat); len(got) != 0 {
		t.Fatal("something was sent before the member accepted")
	}
	if err := alice.dev.acceptKeys(bob.account); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	w.settle()
	if got := again.messages(chat); len(got) != 1 || got[0].ID != id {
		t.Errorf("after accepting: %d messages", len(got))
	}
}

// queueFor lets a device write while it is not connected.
func (w *world) queueFor(n *node, chat messaging.ChatID) messaging.MessageID {
	n.disconnect()
	return w.say(n, chat)
}

// TestRelabelled is PRO-32 and PRO-33: an envelope with another sender device,
// one's own envelope sent back, and one moved to another chat show nothing.
func TestRelabelled(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 16)
	carol := w.founded(2)
	other := w.chatBetween(carol, bob)
	w.settle()
	bob.disconnect()
	alice.disconnect()
	w.say(alice, chat)
	alice.connect()
	for alice.upstream() || alice.downstream() {
	}
	original := bob.mailbox()[0]
	shown, elsewhere := len(bob.messages(chat)), len(bob.messages(other))
	bob.session.online = true
	bob.dev.connected()
	bob.flush()
	w.server.account(bob.account).devices[1].mailbox = nil
	w.run()

	relabelled := original
	relabelled.SenderDevice = phone.dev.self.device
	moved := original
	moved.ChatID = other
	movedWhole := moved
	movedWhole.SenderAccount = carol.account
	reflected := original
	reflected.SenderAccount, reflected.SenderDevice = bob.account, 1
	for i, e := range []wire.Delivered{relabelled, moved, movedWhole, reflected} {
		e.Position = uint64(100 + i)
		bob.deliver(e)
		if len(bob.messages(chat)) != shown || len(bob.messages(other)) != elsewhere {
			t.Errorf("case %d is shown", i)
		}
	}
	original.Position = 200
	bob.deliver(original)
	if len(bob.messages(chat)) != shown+1 {
		t.Error("the original does not open afterwards")
	}
	phoneBefore := len(phone.messages(chat))
	original.Position = 300
	phone.deliver(original)
	if len(phone.messages(chat)) != phoneBefore {
		t.Error("an envelope for bob is shown at alice's phone")
	}
}

// TestLyingPeer: a peer seals a content that names another chat, or one that only
// own devices may say. Neither has an effect.
func TestLyingPeer(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 25)
	carol := w.founded(2)
	other := w.chatBetween(carol, bob)
	w.settle()
	head := content.Head{Hash: [32]byte{1}}
	for i, c := range []content.Content{
		{Chat: other, Peer: head, Body: content.Text{Text: "from carol"}},
		{Body: content.Settings{}},
		{Chat: chat, Peer: head, Body: content.Sent{To: carol.account, Content: content.Content{
			Message: messaging.MessageID{40}, Chat: chat, SentAt: 1, Own: head, Peer: head, Body: content.Text{Text: "said bob"},
		}}},
	} {
		c.Message, c.SentAt, c.Own = messaging.MessageID{40}, 1, head
		refused, count := bob.dev.counts.Refused, len(bob.messages(chat))+len(bob.messages(other))
		bob.deliver(w.sealed(alice, bob, chat, &c))
		if len(bob.messages(chat))+len(bob.messages(other)) != count || bob.dev.counts.Refused != refused+1 {
			t.Errorf("case %d has an effect: %+v", i, bob.dev.counts)
		}
	}
	if !bob.dev.prefs.settings.ReadReceipts {
		t.Error("a peer changed the settings")
	}
}

// sealed encrypts any content in a session that stands.
func (w *world) sealed(from, to *node, chat messaging.ChatID, c *content.Content) wire.Delivered {
	plain, err := c.AppendBinary(nil)
	if err != nil {
		w.fatalf("content: %v", err)
	}
	w.next++
	e := wire.Delivered{
		Position: 1_000_000 + w.next, SenderAccount: from.account, SenderDevice: from.dev.self.device, ChatID: chat,
		MessageID: c.Message, ServerTime: uint64(w.clock.Unix()),
	}
	from.check(from.dev.update(func(t *txn) error {
		x := from.dev.appendTargets(nil, wire.SidePeer, to.account)[0]
		m, err := t.encrypt(&x, plain)
		e.Type, e.Body = wire.EnvelopeType(m.Kind), m.Body
		return err
	}))
	return e
}

// TestLostSession: the recipient has lost its session. The sender's device
// archives its own and sends again in a fresh one; what follows opens at once.
func TestLostSession(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 26)
	start := len(bob.messages(chat))
	bob.check(bob.dev.update(func(t *txn) error { return t.Delete(vault.KindSession, addressKey(alice.address())) }))
	first := w.say(alice, chat)
	w.settle()
	if c := bob.dev.counts; c.Undecoded != 1 || c.Healed != 1 {
		t.Fatalf("after the loss: %+v", c)
	}
	second := w.say(alice, chat)
	w.settle()
	got := bob.messages(chat)[start:]
	if len(got) != 2 || got[0].ID != first || got[1].ID != second || bob.dev.counts.Undecoded != 1 {
		t.Errorf("%d messages, %+v", len(got), bob.dev.counts)
	}
}

// TestRetryCap: a server that forges retry requests gets a bounded number of
// answers, and none for what it makes up.
func TestRetryCap(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 27)
	id := w.say(alice, chat)
	w.settle()
	head := content.Head{Hash: [32]byte{1}}
	for i := range 3 * healPerHour {
		retry := content.Content{
			Message: messaging.MessageID{50, byte(i), byte(i >> 8)}, Chat: chat, SentAt: 1, Own: head, Peer: head,
			Body: content.Retry{Message: id, RatchetKey: [33]byte{5}, SentAt: 1},
		}
		body, err := retry.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		alice.deliver(wire.Delivered{
			Position: 2_000_000 + uint64(i), SenderAccount: bob.account, SenderDevice: 1, ChatID: chat,
			MessageID: retry.Message, ServerTime: uint64(w.clock.Unix()), Type: wire.TypePlaintext, Body: body,
		})
	}
	before := len(bob.messages(chat))
	w.settle()
	if w.server.partials == 0 || w.server.partials > 2*healPerHour {
		t.Errorf("%d sends in answer", w.server.partials)
	}
	if len(bob.messages(chat)) != before {
		t.Error("what was sent again is shown again")
	}
}

// TestReplayed is PRO-04 at this level: an envelope again, at once and after a
// restart, changes nothing in the vault.
func TestReplayed(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 17)
	bob.disconnect()
	w.say(alice, chat)
	w.run()
	e := bob.mailbox()[0]
	w.settle()
	before := bob.stateHash()
	e.Position = 900
	bob.deliver(e)
	if bob.stateHash() != before {
		t.Error("a repeat changes the vault")
	}
	bob.restart()
	bob.connect()
	w.run()
	before = bob.stateHash()
	bob.deliver(e)
	if bob.stateHash() != before || bob.dev.counts.Repeated != 1 {
		t.Error("a repeat after a restart changes the vault")
	}
}

func (n *node) stateHash() (h [32]byte) {
	err := n.dev.view(func(r vault.Reader) (err error) {
		h, err = vault.StateHash(r)
		return err
	})
	if err != nil {
		n.w.fatalf("state hash: %v", err)
	}
	return h
}

// TestReceipts is PRO-35: receipts are batched, and a kind that is not known is
// shown as such and gets none.
func TestReceipts(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 18)
	if _, ok := any(phone).(*node); !ok {
		t.Fatal()
	}
	bob.disconnect()
	ids := []messaging.MessageID{w.say(alice, chat), w.say(alice, chat), w.say(alice, chat)}
	unknown := content.Unknown{Number: 300, Raw: []byte("later")}
	alice.check(alice.dev.act(func(t *txn) error {
		_, err := t.say(messaging.MessageID{8}, chat, unknown, 0, wire.UrgencyNormal)
		return err
	}))
	w.run()
	before := len(w.server.accepted)
	bob.connect()
	w.settle()
	sent := 0
	for _, a := range w.server.accepted[before:] {
		if a.sender == bob.address() {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d sends for %d messages", sent, len(ids))
	}
	rows := bob.messages(chat)
	if last := rows[len(rows)-1]; last.Content.Kind() != 300 || last.Content.Kind().WantsReceipt() {
		t.Errorf("the unknown kind is not shown: %+v", last)
	}
	for _, m := range alice.messages(chat) {
		if slices.Contains(ids, m.ID) && m.Status != StatusDelivered {
			t.Errorf("%x has status %d", m.ID[:2], m.Status)
		}
	}
}

// TestPoison is MBX-20: what does not open holds nothing up; healed, it takes
// its own place, and the sender's order stands.
func TestPoison(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 19)
	start := len(bob.messages(chat))
	bob.disconnect()
	ids := []messaging.MessageID{w.say(alice, chat), w.say(alice, chat), w.say(alice, chat)}
	w.run()
	box := bob.mailbox()
	box[0].Body = slices.Clone(box[0].Body)
	box[0].Body[len(box[0].Body)/2] ^= 1
	alice.session.online = false // the sender is away
	bob.connect()
	w.run()
	if got := bob.messages(chat)[start:]; len(got) != 2 || got[0].ID != ids[1] || got[1].ID != ids[2] {
		t.Fatalf("behind the poison: %d messages", len(got))
	}
	if len(bob.mailbox()) != 0 {
		t.Error("the poison stays in the mailbox")
	}
	alice.disconnect()
	w.settle()
	got := bob.messages(chat)[start:]
	for i, m := range got {
		if m.ID != ids[i] {
			t.Fatalf("message %d is out of place", i)
		}
	}
	if len(got) != 3 || bob.dev.counts.Healed != 1 || bob.dev.heals.open != 0 {
		t.Errorf("%d messages, %+v", len(got), bob.dev.counts)
	}
}

// TestPlaceholder: when nobody can send it again, the member is told in the end,
// once, and it is counted.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	w, alice, _, bob, chat := pair(t, 20)
	start := len(bob.messages(chat))
	bob.disconnect()
	w.say(alice, chat)
	w.run()
	box := bob.mailbox()
	box[0].Body = slices.Clone(box[0].Body)
	box[0].Body[len(box[0].Body)/2] ^= 1
	alice.disconnect()
	bob.connect()
	for range 30 {
		w.run()
		w.clock = w.clock.Add(time.Hour)
		bob.check(bob.dev.tick())
		if w.clock.Sub(time.UnixMilli(1_800_000_000_000)) < healGiveUp && len(bob.messages(chat)) != start {
			t.Fatal("the placeholder comes too early")
		}
	}
	got := bob.messages(chat)[start:]
	if len(got) != 1 || got[0].Status != StatusLost || bob.dev.counts.Lost != 1 || bob.seen[EventLost] != 1 {
		t.Fatalf("%+v %+v", got, bob.dev.counts)
	}
	if n := w.server.partials; n == 0 || n > healTries {
		t.Errorf("asked %d times", n)
	}
	alice.connect()
	w.settle()
	if got := bob.messages(chat)[start:]; len(got) != 1 || got[0].Status != StatusReceived {
		t.Errorf("what came late does not take the place: %+v", got)
	}
}

// TestAckOwn is MBX-09 and the client's part of MBX-21: each device empties its
// own mailbox only, and acknowledges nothing that it was not given (the server of
// the simulation checks that in every test).
func TestAckOwn(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 21)
	phone.disconnect()
	id := w.say(bob, chat)
	w.run()
	if len(phone.mailbox()) == 0 || len(alice.mailbox()) != 0 {
		t.Fatal("mailboxes are not apart")
	}
	w.settle()
	if got := phone.messages(chat); got[len(got)-1].ID != id {
		t.Error("the phone missed it")
	}
}

// TestServerRestored is MBX-29: the database is put back to an hour ago. Nothing
// is shown twice, writing goes on, and a log that lost entries is noticed.
func TestServerRestored(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 22)
	backup := w.server.backup()
	w.say(alice, chat)
	w.say(bob, chat)
	w.settle()
	for _, n := range w.nodes {
		n.disconnect()
	}
	w.server.restore(backup)
	ids := []messaging.MessageID{w.say(alice, chat), w.say(bob, chat), w.say(phone, chat)}
	w.settle()
	for _, n := range []*node{alice, phone, bob} {
		seen := make(map[messaging.MessageID]int)
		for _, m := range n.messages(chat) {
			seen[m.ID]++
		}
		for _, id := range w.order {
			if seen[id] > 1 || slices.Contains(ids, id) && seen[id] != 1 {
				t.Errorf("%s shows %x %d times", n.name, id[:8], seen[id])
			}
		}
	}
	backup = w.server.backup()
	w.linkByCode(alice)
	w.settle()
	w.server.restore(backup)
	for _, n := range []*node{alice, bob} {
		n.disconnect()
		n.connect()
	}
	w.run()
	if alice.seen[EventRollback] == 0 || bob.seen[EventRollback] == 0 {
		t.Error("the rollback of the log goes unnoticed")
	}
}

// TestFork: the server shows bob another log of alice than alice's own devices
// have. The first message between them tells.
func TestFork(t *testing.T) {
	t.Parallel()
	w, alice, phone, bob, chat := pair(t, 23)
	account := w.server.account(alice.account)
	fork := *account
	signer := phone.dev.self.signer()
	code, err := devicelog.NewRecoveryCode(phone.random)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := account.log.Recovery(code, signer, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	fork.log, err = account.log.Extend(entry)
	if err != nil {
		t.Fatal(err)
	}
	fork.entries = append(slices.Clone(account.entries), entry)
	honest := *account
	*account = fork
	bob.dev.wantLog(alice.account)
	bob.check(bob.dev.progress())
	w.run()
	*account = honest
	code, _ = devicelog.NewRecoveryCode(alice.random)
	alice.check(alice.dev.change(&intent{action: devicelog.ActionRecovery, code: code.Reveal()}))
	alice.upstream()
	w.settle()
	w.say(alice, chat)
	w.settle()
	if bob.seen[EventFork] == 0 || !bob.dev.listChatsNow()[0].Forked {
		t.Errorf("the fork goes unnoticed: %v", bob.seen)
	}
}

// TestWrongInvite: the account behind an invite is not the one that it names.
func TestWrongInvite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 24, knobs{})
	alice, bob, eve := w.founded(0), w.founded(1), w.founded(2)
	fragment := bob.dev.logs[bob.account].log.Fingerprint().Fragment()
	var got error
	m := &wire.OpenChat{Token: eve.account[:], Purpose: wire.PurposeOpen}
	if err := alice.dev.openChat(m, fragment, func(_ *wire.Opened, err error) { got = err }); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	w.run()
	if !errors.Is(got, ErrMismatch) || alice.seen[EventMismatch] == 0 {
		t.Errorf("opened: %v", got)
	}
}
