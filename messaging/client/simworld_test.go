package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

var errCrash = errors.New("simulated crash")

// crashVault dies at a chosen commit, just before or just after it.
type crashVault struct {
	vault.Vault
	in    int // commits until the crash; 0: never
	after bool
}

func (c *crashVault) Commit(ctx context.Context, b *vault.Batch) error {
	if c.in == 0 {
		return c.Vault.Commit(ctx, b)
	}
	c.in--
	if c.in > 0 {
		return c.Vault.Commit(ctx, b)
	}
	if c.after {
		if err := c.Vault.Commit(ctx, b); err != nil {
			return err
		}
	}
	return errCrash
}

// world is accounts, their devices, a server, and a clock, in one thread: a seed
// gives one run.
type world struct {
	t      testing.TB
	seed   uint64
	rng    *rand.Rand
	clock  time.Time
	server *simServer
	nodes  []*node
	wrote  map[messaging.MessageID]*wrote
	order  []messaging.MessageID
	log    []string
	stats  map[string]int
	knobs  knobs
	next   uint64
}

// knobs are what the network does beside its duty.
type knobs struct {
	stock    int  // one-time prekeys a device keeps
	reorder  bool // the server mixes up its mailboxes
	corrupt  bool // and flips bytes
	accounts int
}

// node is one device and its login.
type node struct {
	w        *world
	name     string
	account  messaging.AccountID
	store    *vault.Memory
	crash    *crashVault
	random   *rand.ChaCha8
	dev      *device
	session  *simSession
	toServer [][]byte
	gone     bool // removed
	count    int  // messages written
	seen     map[EventKind]int
	refused  []string
}

// wrote is a message that a member wrote.
type wrote struct {
	by   messaging.Address
	chat messaging.ChatID
	text string
}

func newWorld(t testing.TB, seed uint64, k knobs) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), clock: time.UnixMilli(1_800_000_000_000),
		wrote: make(map[messaging.MessageID]*wrote), stats: make(map[string]int), knobs: k,
	}
	if w.knobs.stock == 0 {
		w.knobs.stock = 4
	}
	w.server = newSimServer(w.now, messaging.TenantID{1})
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	tail := w.log[max(0, len(w.log)-1000):]
	w.t.Fatalf("seed %d: %s\nlast steps:\n%s", w.seed, fmt.Sprintf(format, args...), strings.Join(tail, "\n"))
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
	if len(w.log) > 1000 {
		w.log = w.log[500:]
	}
}

func (w *world) accountID(i int) messaging.AccountID { return messaging.AccountID{0xaa, byte(i + 1)} }

// add makes a device with an empty vault, logged in to an account.
func (w *world) add(account messaging.AccountID) *node {
	w.next++
	var seed [32]byte
	copy(seed[:], be64(w.seed))
	copy(seed[8:], be64(w.next))
	n := &node{
		w: w, name: fmt.Sprintf("%x/%d", account[1], w.next), account: account, store: new(vault.Memory),
		random: rand.NewChaCha8(seed), seen: make(map[EventKind]int),
	}
	n.session = &simSession{account: account, slot: sha256.Sum256(seed[:])}
	w.server.sessions = append(w.server.sessions, n.session)
	w.nodes = append(w.nodes, n)
	n.open()
	return n
}

// open starts the process on whatever the vault holds.
func (n *node) open() {
	n.crash = &crashVault{Vault: n.store.Open()}
	dev, err := openDevice(settings{vault: n.crash, now: n.w.now, rand: n.random, build: "sim", stock: n.w.knobs.stock})
	if err != nil {
		n.w.fatalf("%s does not open: %v", n.name, err)
	}
	n.dev = dev
}

func (n *node) connect() {
	if n.session.online {
		return
	}
	n.session.online, n.session.sent, n.session.toClient = true, 0, nil
	n.toServer = nil
	n.dev.connected()
	n.flush()
}

// disconnect loses what is on the wire in both directions.
func (n *node) disconnect() {
	n.session.online, n.session.toClient, n.toServer = false, nil, nil
	n.check(n.dev.lost())
}

// restart is a crash: memory and wire are lost, commits stay.
func (n *node) restart() {
	n.w.stats["crash"]++
	n.session.online, n.session.toClient, n.toServer = false, nil, nil
	n.open()
}

// check ends the process on a simulated crash and the test on anything else.
func (n *node) check(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errCrash):
		n.w.note("%s crashes in a commit", n.name)
		n.leak()
		n.restart()
	default:
		n.w.fatalf("%s: %v", n.name, err)
	}
	n.flush()
}

// leak lets what the device wanted to send before it died reach the server, or
// not: nothing may leave before its commit, whoever empties the queue when.
func (n *node) leak() {
	left := append(n.toServer, n.dev.take()...)
	for _, f := range left[:n.w.rng.IntN(len(left)+1)] {
		if n.session.online {
			n.w.server.handle(n.session, f)
		}
	}
}

// flush puts what the device wants to send on the wire.
func (n *node) flush() {
	n.toServer = append(n.toServer, n.dev.take()...)
	for _, e := range n.dev.events {
		n.seen[e.Kind]++
		if e.Kind == EventRefused {
			n.refused = append(n.refused, fmt.Sprintf("%x from %x/%d", e.Message[:8], e.Account[1], e.Device))
		}
		n.w.stats["event "+strconv.Itoa(int(e.Kind))]++
	}
	n.dev.events = nil
}

func (n *node) address() messaging.Address { return n.dev.self.address() }

// live reports whether the device is in its log, as the server has it.
func (n *node) live() bool {
	d := n.w.server.account(n.account).devices[n.dev.self.device]
	return n.dev.ready() && d != nil && !n.gone
}

// upstream moves one frame to the server; downstream one to the client.
func (n *node) upstream() bool {
	if !n.session.online || len(n.toServer) == 0 {
		return false
	}
	f := n.toServer[0]
	n.toServer = n.toServer[1:]
	n.w.server.handle(n.session, f)
	return true
}

func (n *node) downstream() bool {
	if !n.session.online {
		return false
	}
	if len(n.session.toClient) == 0 && !n.w.server.push(n.session, 1+n.w.rng.IntN(20)) {
		return false
	}
	f := n.session.toClient[0]
	n.session.toClient = n.session.toClient[1:]
	n.check(n.dev.frame(f))
	return true
}

// settle connects everybody and runs the network until nothing moves, letting
// time pass in between.
func (w *world) settle() {
	w.settleFor(30, 5*time.Second)
}

func (w *world) settleFor(rounds int, step time.Duration) {
	for range rounds {
		for _, n := range w.nodes {
			n.crash.in = 0
			if !n.gone {
				n.connect()
			}
		}
		w.run()
		w.clock = w.clock.Add(step)
		for _, n := range w.nodes {
			n.check(n.dev.tick())
		}
	}
	w.run()
}

// run moves frames until the wire is empty.
func (w *world) run() {
	for i := 0; ; i++ {
		moved := false
		for _, n := range w.nodes {
			for n.upstream() {
				moved = true
			}
			for n.downstream() {
				moved = true
			}
		}
		if !moved {
			return
		}
		if i > 100_000 {
			w.fatalf("the network never comes to rest")
		}
	}
}

// founded makes an account with one device.
func (w *world) founded(i int) *node {
	n := w.add(w.accountID(i))
	n.connect()
	w.run()
	if _, err := n.dev.found(nil); err != nil {
		w.fatalf("found: %v", err)
	}
	n.flush()
	w.run()
	if !n.dev.ready() || n.dev.intent != nil {
		w.fatalf("%s is not founded", n.name)
	}
	return n
}

// chatBetween opens a chat from the first to the second account.
func (w *world) chatBetween(a, b *node) messaging.ChatID {
	var id messaging.ChatID
	log, err := devicelog.Open(w.server.tenant, b.account, w.server.account(b.account).entries)
	if err != nil {
		w.fatalf("open log: %v", err)
	}
	m := &wire.OpenChat{Token: b.account[:], Purpose: wire.PurposeOpen}
	err = a.dev.openChat(m, log.Fingerprint().Fragment(), func(o *wire.Opened, err error) {
		if err != nil {
			w.fatalf("open chat: %v", err)
		}
		id = o.ChatID
	})
	if err != nil {
		w.fatalf("open chat: %v", err)
	}
	a.flush()
	w.run()
	return id
}

// link lets a new device into the account of an old one, by the builders of the
// log; the exchange over the link code is tested on its own.
func (w *world) link(old *node) *node {
	n := w.add(old.account)
	n.connect()
	w.run()
	n.check(n.dev.update(func(t *txn) error {
		if err := t.makeSelf(n.session.tenantOf(w), n.account); err != nil {
			return err
		}
		return t.putSelf()
	}))
	w.approve(old, n)
	return n
}

func (x *simSession) tenantOf(w *world) messaging.TenantID { return w.server.tenant }

// approve signs a waiting device in.
func (w *world) approve(old, n *node) {
	log := old.dev.logs[old.account].log
	who := n.dev.self.newcomer()
	text, err := log.Add(who, old.dev.self.device, w.clock, time.Time{})
	if err != nil {
		w.note("%s cannot add: %v", old.name, err)
		n.gone = true
		return
	}
	reverse, err := log.Join(text, who, old.dev.self.identity.Public(), n.dev.self.log)
	if err != nil {
		w.fatalf("join: %v", err)
	}
	entry, err := log.CompleteAdd(text, who, reverse, old.dev.self.signer())
	if err != nil {
		w.fatalf("complete: %v", err)
	}
	reg, err := n.dev.registration()
	if err != nil {
		w.fatalf("registration: %v", err)
	}
	err = old.dev.change(&intent{
		action: devicelog.ActionAdd, entry: entry, slot: n.session.slot, reg: packRegistration(&reg),
		done: func(err error) {
			if err != nil {
				n.gone = true // another change came first: this device gives up
			}
		},
	})
	if errors.Is(err, ErrBusy) {
		n.gone = true
		return
	}
	old.check(err)
}

// say writes a numbered text.
func (w *world) say(n *node, chat messaging.ChatID) messaging.MessageID {
	n.count++
	var id messaging.MessageID
	w.next++
	copy(id[:], be64(w.next))
	text := fmt.Sprintf("%s %s #%d", n.name, strings.Repeat("x", w.rng.IntN(200)), n.count)
	w.wrote[id] = &wrote{by: n.address(), chat: chat, text: text}
	w.order = append(w.order, id)
	err := n.dev.write(chat, id, content.Text{Text: text})
	if err != nil && !errors.Is(err, errCrash) {
		w.fatalf("%s write: %v", n.name, err)
	}
	n.check(err)
	return id
}

func (n *node) messages(chat messaging.ChatID) []Message {
	out, err := n.dev.conversation(chat, 0, 1<<30)
	if err != nil {
		n.w.fatalf("%s conversation: %v", n.name, err)
	}
	slices.Reverse(out)
	return out
}

func textOf(m Message) string {
	if t, ok := m.Content.Body.(content.Text); ok {
		return t.Text
	}
	return ""
}
