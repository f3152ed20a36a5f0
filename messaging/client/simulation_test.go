package client

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

var (
	simSteps = flag.Int("steps", 10_000, "steps of the simulation")
	simSeed  = flag.Uint64("seed", 0, "seed of the simulation; 0: a new one")
)

// TestSimulation is the property of the whole client: under a random schedule
// of sends, losses, repeats, crashes at any commit and any frame, devices that
// join and leave, and prekeys that run out, every message reaches every device
// that was in the log when the server took it and still is, is shown once, in
// order for each sending device; no removed device can open anything; no message
// key is used twice; the devices of an account end with the same history.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seed := *simSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./messaging/client -run TestSimulation -seed %d -steps %d", seed, *simSteps)
	w := newWorld(t, seed, knobs{accounts: 5})
	w.simulate(*simSteps)
	t.Logf("%d sends, %d partial, %d bundles without one-time keys; %v", w.server.sends, w.server.partials, w.server.emptied, w.stats)
}

// TestSimulationSeeds runs short schedules of fixed seeds, so that a change
// which breaks a rare case is seen at once.
func TestSimulationSeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		newWorld(t, seed+1, knobs{accounts: 3}).simulate(400)
	}
}

// TestSimulationMean adds what an honest server does not do: mailboxes in any
// order, envelopes twice, bytes flipped on the way. Order is not promised then,
// but all else is, because what does not open is sent again.
func TestSimulationMean(t *testing.T) {
	t.Parallel()
	seed := *simSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	w := newWorld(t, seed, knobs{accounts: 3, reorder: true, corrupt: true})
	w.simulate(min(*simSteps, 1500))
	t.Logf("%d sends, %d partial; %v", w.server.sends, w.server.partials, w.stats)
	if w.stats["corrupt"] > 5 && w.server.partials == 0 {
		t.Error("nothing was healed")
	}
}

func (w *world) simulate(steps int) {
	for i := range w.knobs.accounts {
		w.founded(i)
	}
	for i := range w.knobs.accounts {
		for j := range i {
			w.chatBetween(w.nodes[j], w.nodes[i])
		}
	}
	w.settleFor(2, time.Second)
	for range steps {
		w.step()
	}
	w.endure()
	w.settle()
	w.checkAll()
}

// endure lets joins that hang on a crash finish.
func (w *world) endure() {
	w.knobs.corrupt = false
	w.settle()
	if w.knobs.reorder {
		w.settleFor(6, time.Hour)
	}
}

// pick returns a random device, rarely one that has left.
func (w *world) pick() *node {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	for range 8 {
		if n.dev.self.stage != stageRemoved {
			break
		}
		n = w.nodes[w.rng.IntN(len(w.nodes))]
	}
	return n
}

// step does one random thing.
func (w *world) step() {
	n := w.pick()
	w.clock = w.clock.Add(time.Duration(w.rng.IntN(300)) * time.Millisecond)
	switch p := w.rng.IntN(1000); {
	case p < 150:
		w.write(n)
	case p < 500:
		n.upstream()
	case p < 850:
		w.receive(n)
	case p < 900:
		n.check(n.dev.tick())
	case p < 930:
		if !n.gone {
			n.connect()
		}
	case p < 940:
		n.disconnect()
	case p < 965:
		w.crashSoon(n)
	case p < 975:
		w.loseFrames(n)
	case p < 982:
		w.duplicate(n)
	case p < 985:
		w.join(n)
	case p < 987:
		w.leave(n)
	case p < 989:
		w.clock = w.clock.Add(time.Duration(w.rng.IntN(30)) * time.Hour)
	default:
		for range 30 {
			n.upstream()
			w.receive(n)
		}
	}
}

func (w *world) write(n *node) {
	if !n.live() || len(n.dev.chats) == 0 {
		return
	}
	chat := w.chatOf(n)
	switch w.rng.IntN(12) {
	case 0:
		w.react(n, chat)
	case 1:
		n.check(n.dev.typing(chat, true))
	case 2:
		n.check(n.dev.markRead(chat, n.dev.chats[chat].next))
	default:
		id := w.say(n, chat)
		w.note("%s writes %x", n.name, id[:8])
	}
}

func (w *world) chatOf(n *node) messaging.ChatID {
	chats := n.dev.listChatsNow()
	return chats[w.rng.IntN(len(chats))].ID
}

// react puts an emoji to, or edits, a random message.
func (w *world) react(n *node, chat messaging.ChatID) {
	all, err := n.dev.conversation(chat, 0, 10)
	if err != nil || len(all) == 0 {
		return
	}
	m := all[w.rng.IntN(len(all))]
	w.next++
	var id messaging.MessageID
	copy(id[:], be64(w.next))
	var body content.Body = content.Reaction{Target: m.ID, Emoji: "👍"}
	if m.Sender.Account == n.account {
		body = content.Edit{Target: m.ID, Text: fmt.Sprint("edited ", w.next)}
	}
	n.check(n.dev.write(chat, id, body))
}

// crashSoon sets a crash at one of the next commits, before or after it takes
// effect; or crashes now, with frames on both sides lost.
func (w *world) crashSoon(n *node) {
	if w.rng.IntN(4) == 0 {
		w.note("%s is killed", n.name)
		n.restart()
		return
	}
	n.crash.in, n.crash.after = 1+w.rng.IntN(4), w.rng.IntN(2) == 0
}

// loseFrames cuts the connection so that some of what was written arrives.
func (w *world) loseFrames(n *node) {
	for range w.rng.IntN(4) {
		n.upstream()
	}
	n.disconnect()
}

// duplicate repeats a frame of the client at the server, or what the server
// delivered.
func (w *world) duplicate(n *node) {
	if !n.session.online {
		return
	}
	if len(n.toServer) > 0 && w.rng.IntN(2) == 0 {
		request, m, err := wire.ParseClient(n.toServer[0])
		if _, ok := m.(*wire.Send); err == nil && ok && request == 0 {
			n.toServer = slices.Insert(n.toServer, 1, n.toServer[0])
		}
		return
	}
	if d := w.server.device(n.session); d != nil && n.session.sent > 0 {
		n.session.sent = w.rng.Uint64N(n.session.sent)
	}
}

// receive moves one frame to the client; a mean server changes it first.
func (w *world) receive(n *node) {
	if waiting := w.server.waiting(n.session); len(waiting) > 0 {
		w.bend(waiting)
	}
	n.downstream()
}

func (w *world) bend(waiting []wire.Delivered) {
	if w.knobs.reorder && w.rng.IntN(4) == 0 {
		i, j := w.rng.IntN(len(waiting)), w.rng.IntN(len(waiting))
		p, q := waiting[i].Position, waiting[j].Position
		waiting[i], waiting[j] = waiting[j], waiting[i]
		waiting[i].Position, waiting[j].Position = p, q
	}
	if w.knobs.corrupt && w.rng.IntN(50) == 0 {
		e := &waiting[w.rng.IntN(len(waiting))]
		e.Body = slices.Clone(e.Body)
		e.Body[w.rng.IntN(len(e.Body))] ^= 1 << w.rng.IntN(8)
		w.stats["corrupt"]++
	}
}

func (w *world) liveNodes(a messaging.AccountID) (out []*node) {
	for _, n := range w.nodes {
		if n.account == a && n.live() {
			out = append(out, n)
		}
	}
	return out
}

// join adds a device to an account with fewer than five.
func (w *world) join(n *node) {
	if !n.live() || n.dev.intent != nil || len(w.liveNodes(n.account)) >= 5 || len(w.nodes) > 200 {
		return
	}
	if !n.dev.stands(n.account) || !n.dev.bound() {
		return
	}
	n.crash.in = 0
	added := w.link(n)
	w.stats["join"]++
	w.note("%s lets %s in", n.name, added.name)
}

// leave removes a device by another one, or by itself.
func (w *world) leave(n *node) {
	others := w.liveNodes(n.account)
	if !n.live() || len(others) < 2 || n.dev.intent != nil {
		return
	}
	victim := others[w.rng.IntN(len(others))]
	n.check(n.dev.change(&intent{action: devicelog.ActionRemove, device: victim.dev.self.device}))
	w.stats["leave"]++
	w.note("%s removes %s", n.name, victim.name)
}

// checkAll holds what everybody shows against what the server accepted.
func (w *world) checkAll() {
	if len(w.server.faults) > 0 {
		w.fatalf("server: %v", w.server.faults)
	}
	took := make(map[messaging.MessageID]*acceptedSend)
	for i := range w.server.accepted {
		if a := &w.server.accepted[i]; !a.partial {
			took[a.id] = a
		}
	}
	for _, n := range w.nodes {
		if n.live() {
			w.checkQueue(n)
			w.checkCounts(n)
			w.checkNode(n, took)
		}
	}
	w.checkAlike()
	w.checkRemoved()
}

// checkCounts holds that an honest network never makes a device ask again.
func (w *world) checkCounts(n *node) {
	c := n.dev.counts
	if !w.knobs.reorder && (c.Undecoded > 0 || c.Refused > 0) {
		w.fatalf("%s: %+v, refused %v", n.name, c, n.refused)
	}
	w.stats["healed"] += int(c.Healed)
}

func (w *world) checkQueue(n *node) {
	for _, o := range n.dev.queue {
		// A peer whose last device has left is waited for.
		if o.reaches(n.dev.targets(o)) {
			w.fatalf("%s still has %d sends: flying %v asked %v after %v sealed %d", n.name, len(n.dev.queue), o.flying, o.asked, o.after, len(o.sealed))
		}
	}
	if len(n.dev.inbox) > 0 {
		w.fatalf("%s still has %d envelopes", n.name, len(n.dev.inbox))
	}
	if d := w.server.account(n.account).devices[n.dev.self.device]; len(d.mailbox) > 0 {
		w.fatalf("%s still has a mailbox of %d", n.name, len(d.mailbox))
	}
}

// checkNode is the delivery property for one device.
func (w *world) checkNode(n *node, took map[messaging.MessageID]*acceptedSend) {
	shown := make(map[messaging.MessageID]int)
	for _, c := range n.dev.listChatsNow() {
		last := make(map[messaging.Address]int)
		for _, m := range n.messages(c.ID) {
			shown[m.ID]++
			w.checkMessage(n, c.ID, &m, last)
		}
	}
	for _, id := range w.order {
		a := took[id]
		if a == nil {
			continue
		}
		if w.knobs.reorder && !w.isLive(a.sender) && shown[id] == 0 {
			continue // nobody is left to send it again
		}
		expected := a.sender == n.address() || slices.Contains(a.to, n.address())
		if expected && shown[id] != 1 {
			w.fatalf("%s shows %x %d times, sent by %x/%d to %v; events %v, gaps %d, refused %v", n.name, id[:8], shown[id],
				a.sender.Account[1], a.sender.Device, a.to, n.seen, n.dev.heals.open, n.refused)
		}
		if !expected && shown[id] > 0 {
			w.fatalf("%s shows %x, which was not for it", n.name, id[:8])
		}
	}
}

// isLive reports whether a device is still in its log.
func (w *world) isLive(a messaging.Address) bool {
	return slices.ContainsFunc(w.nodes, func(n *node) bool { return n.live() && n.address() == a })
}

func (w *world) checkMessage(n *node, chat messaging.ChatID, m *Message, last map[messaging.Address]int) {
	if w.knobs.reorder && m.Status == StatusLost && !w.isLive(m.Sender) {
		w.stats["lost"]++
		return
	}
	sent := w.wrote[m.ID]
	if sent == nil {
		w.fatalf("%s shows %x, which nobody wrote", n.name, m.ID[:8])
	}
	if sent.by.Account != m.Sender.Account || sent.chat != chat || textOf(*m) != sent.text {
		w.fatalf("%s shows %x as %v, status %d; wrote %q", n.name, m.ID[:8], m.Content, m.Status, sent.text)
	}
	_, after, _ := strings.Cut(sent.text, "#")
	var number int
	fmt.Sscan(after, &number)
	if !w.knobs.reorder && number <= last[sent.by] {
		w.fatalf("%s shows #%d of %v after #%d", n.name, number, sent.by, last[sent.by])
	}
	last[sent.by] = number
	if m.Status == StatusQueued && n.dev.queued(m.ID) == nil {
		w.fatalf("%s shows %x as waiting, and has forgotten to send it", n.name, m.ID[:8])
	}
	if m.Status == StatusFailed {
		w.fatalf("%s could not send %x", n.name, m.ID[:8])
	}
}

// checkAlike holds the histories of the devices of each account together:
// message for message where both have it, with edits and reactions.
func (w *world) checkAlike() {
	compared := 0
	for i := range w.knobs.accounts {
		nodes := w.liveNodes(w.accountID(i))
		for _, n := range nodes[min(1, len(nodes)):] {
			compared += w.checkPair(nodes[0], n)
		}
	}
	w.stats["compared"] = compared
}

func (w *world) checkPair(a, b *node) (compared int) {
	for _, c := range a.dev.listChatsNow() {
		if waits := func(o *outgoing) bool { return o.chat == c.ID }; slices.ContainsFunc(a.dev.queue, waits) || slices.ContainsFunc(b.dev.queue, waits) {
			continue // the peer has no device: what was said last is here alone
		}
		leaves := make(map[messaging.MessageID]string)
		first := 0
		for _, m := range a.messages(c.ID) {
			leaves[m.ID] = string(m.leaf())
		}
		for _, m := range b.messages(c.ID) {
			leaf, ok := leaves[m.ID]
			if !ok {
				continue
			}
			first++
			if leaf != string(m.leaf()) {
				w.fatalf("%s and %s differ in %x: %+v", a.name, b.name, m.ID[:8], m)
			}
		}
		compared += first
	}
	return compared
}

// checkRemoved holds that a removed device shows nothing that was sent after the
// last send that it was an addressee of.
func (w *world) checkRemoved() {
	for _, n := range w.nodes {
		if n.dev.self.stage != stageRemoved {
			continue
		}
		last := 0
		for i, a := range w.server.accepted {
			if slices.Contains(a.to, n.address()) {
				last = i
			}
		}
		w.stats["removed"]++
		for _, c := range n.dev.listChatsNow() {
			for _, m := range n.messages(c.ID) {
				w.checkRight(n, m.ID, last)
			}
		}
	}
}

func (w *world) checkRight(n *node, id messaging.MessageID, last int) {
	for i, a := range w.server.accepted {
		if a.id == id && i > last && a.sender != n.address() {
			w.fatalf("%s was removed and shows %x", n.name, id[:8])
		}
	}
}

// eavesdrop lets a device that was removed, and does not stop, try an envelope
// that was not for it.
func (n *node) eavesdrop(ghost *device, from messaging.Address, e *wire.Delivered) bool {
	opened := false
	err := ghost.view(func(r vault.Reader) error {
		b, ok, err := lookup(r, vault.KindSession, addressKey(from))
		if !ok {
			return err
		}
		rec, err := session.ParseRecord(b)
		if err != nil {
			return err
		}
		identity, ok := ghost.logOf(from.Account).at(from.Device, n.w.clock)
		if !ok {
			return nil
		}
		m := session.Message{Kind: session.Kind(e.Type), Body: e.Body}
		_, err = ghost.party.Decrypt(n.random, rec, session.Peer{Address: from, Identity: identity}, m, prekeys{r})
		n.w.stats["eavesdropped"]++
		opened = err == nil
		return nil
	})
	if err != nil {
		n.w.fatalf("%v", err)
	}
	return opened
}
