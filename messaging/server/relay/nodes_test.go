package relay_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
)

// buses runs a test over both kinds; each call of bus gives a node its own.
func buses(t *testing.T, run func(t *testing.T, w *world, bus func() busAndPresence)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		shared := relay.NewMemoryBus()
		run(t, newWorld(t), func() busAndPresence { return shared })
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		r := newRedis(t)
		w := newWorld(t)
		run(t, w, func() busAndPresence {
			bus := relay.NewRedisBus(r.client(), w.clock.now)
			t.Cleanup(func() {}) // the hub closes before its client
			return bus
		})
	})
}

func healthy(w *world, all ...busAndPresence) {
	w.eventually("every bus is healthy", func() bool {
		for _, b := range all {
			if !b.Healthy() {
				return false
			}
		}
		return true
	})
}

// Messages, what is not stored, a takeover and a cut cross nodes by hints alone:
// no tick runs in this test.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	buses(t, func(t *testing.T, w *world, bus func() busAndPresence) {
		busA, busB := bus(), bus()
		first, second := w.node(busA, relay.Options{}), w.node(busB, relay.Options{})
		healthy(w, busA, busB)
		a, b := w.member(1), w.member(1)
		id := w.chat(a, b)
		sender, peer := w.dial(first, a, 1), w.dial(second, b, 1)
		expect[*wire.QueueEmpty](peer)
		for i := range 20 {
			sender.accepted(send(a, b, 1, id, fmt.Sprint(i)))
			if got := peer.receive(); string(got.Body) != fmt.Sprint(i) {
				t.Fatalf("got %q", got.Body)
			}
		}
		stored := w.rows("mailbox")
		typing := send(a, b, 1, id, "typing")
		typing.Urgency = wire.UrgencyEphemeral
		sender.accepted(typing)
		if got := peer.receive(); got.Position != 0 || string(got.Body) != "typing" || got.SenderAccount != a.id {
			t.Errorf("got %+v", got)
		}
		if w.rows("mailbox") != stored || w.rows("send_receipt") != 20 {
			t.Error("MBX-32: what is ephemeral was stored")
		}
		// The device comes back on the other node: the old connection ends, and
		// hints go to the new one.
		moved := w.dial(first, b, 1)
		peer.ends(wire.CloseReplaced)
		expect[*wire.QueueEmpty](moved)
		third := w.dial(second, b, 1)
		moved.ends(wire.CloseReplaced)
		expect[*wire.QueueEmpty](third)
		sender.accepted(send(a, b, 1, id, "after the moves"))
		if got := third.receive(); string(got.Body) != "after the moves" {
			t.Errorf("got %q", got.Body)
		}
		first.Cut(w.tenant, b.id, 1, wire.CloseDeviceRemoved)
		third.ends(wire.CloseDeviceRemoved)
		second.Cut(w.tenant, messaging.AccountID{}, 0, wire.CloseSuspended)
		sender.ends(wire.CloseSuspended)
	})
}

// MBX-19: with Redis gone messages arrive by looking, within 5 s; when it is
// back, by hints again.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	w := newWorld(t)
	busA, busB := relay.NewRedisBus(r.client(), w.clock.now), relay.NewRedisBus(r.client(), w.clock.now)
	first, second := w.node(busA, relay.Options{}), w.node(busB, relay.Options{})
	healthy(w, busA, busB)
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, peer := w.dial(first, a, 1), w.dial(second, b, 1)
	expect[*wire.QueueEmpty](peer)
	second.Tick() // notes that it has looked now
	r.kill()
	w.clock.advance(4 * time.Second)
	w.eventually("the loss is noticed", func() bool { return !busA.Healthy() && !busB.Healthy() })
	sender.accepted(send(a, b, 1, id, "without Redis"))
	w.clock.advance(1 * time.Second)
	second.Tick()
	if got := peer.receive(); string(got.Body) != "without Redis" {
		t.Errorf("got %q", got.Body)
	}
	// A device that comes now is found again when Redis is back.
	late := w.member(1)
	other := w.chat(a, late)
	newcomer := w.dial(second, late, 1)
	expect[*wire.QueueEmpty](newcomer)
	r.start()
	healthy(w, busA, busB)
	located := func() bool {
		at, err := busA.Locate(t.Context(), []relay.Owner{{Tenant: w.tenant, Address: messaging.Address{Account: late.id, Device: 1}}})
		return err == nil && at[0] != ""
	}
	w.eventually("presence is noted again", located)
	sender.accepted(send(a, late, 1, other, "with Redis"))
	if got := newcomer.receive(); string(got.Body) != "with Redis" {
		t.Errorf("got %q", got.Body)
	}
}

// MBX-19 in other words: a hint that never comes only delays.
func TestLostHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.node(relay.NewMemoryBus(), relay.Options{}), w.node(relay.NewMemoryBus(), relay.Options{}) // two buses: they cannot hear each other
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, peer := w.dial(first, a, 1), w.dial(second, b, 1)
	expect[*wire.QueueEmpty](peer)
	second.Tick()
	sender.accepted(send(a, b, 1, id, "late"))
	w.clock.advance(31 * time.Second)
	second.Tick()
	if got := peer.receive(); string(got.Body) != "late" {
		t.Errorf("got %q", got.Body)
	}
	// A removal whose hint is lost ends the connection by the same look.
	w.exec(`delete from device where tenant_id = $1 and account_id = $2`, w.tenant, [16]byte(b.id))
	w.clock.advance(31 * time.Second)
	peer.write(1, &wire.Ping{})
	expect[*wire.Pong](peer)
	second.Tick()
	peer.ends(wire.CloseDeviceRemoved)
}

// MBX-17: a draining node answers what it has taken, says when to come back,
// and closes with 1012.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{DrainSpread: 7 * time.Second})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, idle := w.dial(n, a, 1), w.dial(n, b, 1)
	sends := make([]*wire.Send, 10)
	for i := range sends {
		sends[i] = send(a, b, 1, id, fmt.Sprint(i))
		sender.write(0, sends[i])
	}
	w.eventually("the sends were read", func() bool { return len(sender.up) == 0 })
	done := make(chan struct{})
	go func() { n.Drain(context.Background()); close(done) }()
	answered, drained := 0, false
	for m := sender.read(); m != nil; m = sender.read() {
		switch m := m.(type) {
		case *wire.Accepted:
			answered += len(m.MessageIDs)
		case *wire.Refused: // read after the drain began
			answered++
		case *wire.Draining:
			drained = m.SpreadMS == 7000 && m.ReconnectAfterMS > 0
		}
	}
	if answered != len(sends) || !drained || sender.code != wire.CloseRestart {
		t.Errorf("answered %d, draining %v, closed with %d", answered, drained, sender.code)
	}
	idle.ends(wire.CloseRestart)
	<-done
	late := w.connect(n, &account.Who{Account: a.id, Device: 1})
	late.ends(wire.CloseRestart)
	n.Close()
}

// MBX-22: too much to one chat is refused with a wait and hurts no other; a
// client that goes on regardless is closed.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{Rates: relay.Rates{Pair: limit.PerHour(1, 5), Partial: limit.PerHour(1, 2)}})
	a, b, c := w.member(1), w.member(1), w.member(1)
	id, other := w.chat(a, b), w.chat(a, c)
	k := w.dial(n, a, 1)
	for range 5 {
		k.accepted(send(a, b, 1, id, "x"))
	}
	k.write(0, send(a, b, 1, id, "x"))
	if r := expect[*wire.Refused](k); r.Code != wire.CodeLimited || r.Detail != wire.DetailPair || r.RetryAfterMS < 3_500_000 {
		t.Errorf("got %+v", r)
	}
	k.accepted(send(a, c, 1, other, "x"))
	for range 2 {
		s := send(a, c, 1, other, "x")
		s.Partial = true
		k.accepted(s)
	}
	s := send(a, c, 1, other, "x")
	s.Partial = true
	k.write(0, s)
	if r := expect[*wire.Refused](k); r.Code != wire.CodeLimited {
		t.Errorf("got %+v", r)
	}
	if n := w.rows("mailbox"); n != 8 {
		t.Errorf("%d rows", n)
	}
	go func() {
		for range 400 {
			k.write(0, send(a, b, 1, id, "x"))
		}
	}()
	k.ends(wire.CloseFlood)
}

// MBX-23: while the table is locked sends fail at once and for good, their
// connections come later, and nothing piles up; afterwards everything goes on.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.nodeWith(relay.NewMemoryBus(), relay.Options{}, mailbox.Config{Timeout: 300 * time.Millisecond})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	k := w.dial(n, a, 1)
	expect[*wire.QueueEmpty](k)
	conn, err := pgx.Connect(t.Context(), database.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// A lock on rows of this test only: the table is shared with those that run beside it.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := send(a, b, 1, id, "x")
	if _, err := tx.Exec(t.Context(), `insert into send_receipt values ($1, $2, 1, $3, current_date + 60)`, w.tenant, [16]byte(a.id), [16]byte(s.MessageID)); err != nil {
		t.Fatal(err)
	}
	k.write(0, s)
	k.write(0, send(a, b, 1, id, "behind it"))
	k.ends(wire.CloseTryLater)
	if w.rows("mailbox") != 0 {
		t.Error("what followed overtook the send that failed")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := w.dial(n, a, 1)
	again.accepted(s)
}

// A node dies in the middle: its database sessions are cut like those of a
// killed process, its clients hear nothing more. What it had accepted arrives;
// what it had not is sent again on the other node, once each, in order.
func TestNodeAbandoned(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t)
	bus := relay.NewMemoryBus()
	second := w.node(bus, relay.Options{})
	const senders, messages = 4, 40
	reader := w.member(1)
	type writer struct {
		m  *member
		id messaging.ChatID
	}
	var writers []writer
	for range senders {
		m := w.member(1)
		writers = append(writers, writer{m, w.chat(m, reader)})
	}
	for round := range 3 {
		line := newCable(t)
		first := w.nodeAt(line.url(), bus, relay.Options{}, mailbox.Config{})
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		var wg sync.WaitGroup
		dead := make(chan struct{})
		for _, x := range writers {
			outbox := make([]*wire.Send, messages)
			for i := range outbox {
				outbox[i] = send(x.m, reader, 1, x.id, fmt.Sprint(round*messages+i))
			}
			wg.Go(func() { w.outlive(first, second, x.m, outbox, dead) })
		}
		wait := time.Duration(1+random.IntN(20)) * time.Millisecond
		time.Sleep(wait) // where in its work the node dies is left to chance
		line.cut()
		close(dead)
		wg.Wait()
	}
	heard := map[messaging.AccountID]int{}
	k := w.dial(second, reader, 1)
	for total := 0; total < senders*messages*3; {
		for _, e := range expect[*wire.Deliver](k).Envelopes {
			if string(e.Body) != fmt.Sprint(heard[e.SenderAccount]) {
				t.Fatalf("expected %d of a sender, got %q", heard[e.SenderAccount], e.Body)
			}
			heard[e.SenderAccount]++
			total++
			k.write(0, &wire.Ack{Positions: []uint64{e.Position}})
		}
	}
	w.eventually("nothing is left", func() bool { return w.rows("mailbox") == 0 })
}

// outlive sends an outbox over one node until it dies, the rest over the other.
func (w *world) outlive(first, second *node, m *member, outbox []*wire.Send, dead chan struct{}) {
	k := w.dial(first, m, 1)
	go func() {
		<-dead
		k.pipe.Close(wire.CloseLost) // the client hears nothing more
	}()
	left := pass(k, outbox)
	<-dead
	again := w.dial(second, m, 1)
	if left = pass(again, left); len(left) > 0 {
		w.Errorf("%d were not accepted", len(left))
	}
	again.hangUp()
}

// pass sends in order, three ahead of their answers, and returns what was not
// accepted when the connection ended.
func pass(k *client, outbox []*wire.Send) []*wire.Send {
	sent := 0
	for len(outbox) > 0 {
		for ; sent < min(3, len(outbox)); sent++ {
			k.write(0, outbox[sent])
		}
		switch m := k.read().(type) {
		case nil:
			return outbox
		case *wire.Accepted:
			outbox = outbox[len(m.MessageIDs):]
			sent -= len(m.MessageIDs)
		}
	}
	return nil
}

// MBX-28, short: connections leave nothing behind.
func TestConnectAndClose(t *testing.T) {
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1, 2)
	w.dial(n, a, 1).hangUp()
	before := runtime.NumGoroutine()
	for i := range 300 {
		k := w.dial(n, a, messaging.DeviceID(1+i%2))
		k.hangUp()
	}
	w.eventually("goroutines are back where they were", func() bool { return runtime.NumGoroutine() <= before+5 })
	if n.Connections() != 0 {
		t.Errorf("%d connections are left", n.Connections())
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{MaxConnections: 1})
	a := w.member(1, 2)
	first := w.dial(n, a, 1)
	w.connect(n, &account.Who{Account: a.id, Device: 2}).ends(wire.CloseTryLater)
	first.hangUp()
	w.dial(n, a, 2)
}

// cable is a way to the database that can be cut: to PostgreSQL it looks like
// the death of the process at its end.
type cable struct {
	listener net.Listener
	mu       sync.Mutex
	ends     []net.Conn
	gone     bool
}

func newCable(t *testing.T) *cable {
	t.Helper()
	real, err := url.Parse(database.URL("app_relay"))
	if err != nil || real.Query().Get("host") == "" {
		t.Skip("needs a database at a Unix socket")
	}
	c := &cable{}
	if c.listener, err = net.Listen("unix", filepath.Join(t.TempDir(), ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cut)
	go func() {
		for {
			near, err := c.listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", filepath.Join(real.Query().Get("host"), ".s.PGSQL.5432"))
			if err != nil {
				near.Close()
				continue
			}
			c.join(near, far)
		}
	}()
	return c
}

func (c *cable) join(near, far net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, near, far)
	if c.gone {
		near.Close()
		far.Close()
	}
	go func() { io.Copy(near, far); near.Close() }()
	go func() { io.Copy(far, near); far.Close() }()
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.listener.Close()
	for _, end := range c.ends {
		end.Close()
	}
}

func (c *cable) url() string {
	u, _ := url.Parse(database.URL("app_relay"))
	q := u.Query()
	q.Set("host", filepath.Dir(c.listener.Addr().String()))
	u.RawQuery = q.Encode()
	return u.String()
}
