package relay_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
)

func TestMessageReachesEveryDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a, b := w.member(1, 2), w.member(1)
	id := w.chat(a, b)
	sender, own, peer := w.dial(n, a, 1), w.dial(n, a, 2), w.dial(n, b, 1)
	expect[*wire.QueueEmpty](peer)
	s := send(a, b, 1, id, "hello")
	sender.accepted(s)
	for _, c := range []*client{own, peer} {
		got := c.receive()
		if got.SenderAccount != a.id || got.SenderDevice != 1 || got.ChatID != id || got.MessageID != s.MessageID || string(got.Body) != "hello" || got.Position != 1 {
			t.Errorf("got %+v", got)
		}
		c.write(0, &wire.Ack{Positions: []uint64{got.Position}})
	}
	w.eventually("acknowledged rows are deleted", func() bool { return w.rows("mailbox") == 0 })
}

func TestBacklogComesInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{Window: 8})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender := w.dial(n, a, 1)
	const count = 40
	for i := range count {
		sender.accepted(send(a, b, 1, id, fmt.Sprint(i)))
	}
	c := w.connect(n, &account.Who{Account: b.id, Device: 1})
	c.write(0, &wire.Hello{Versions: []uint8{wire.Version}, Build: "test"})
	if welcome := expect[*wire.Welcome](c); welcome.Queued != count || welcome.Limits.Window != 8 {
		t.Errorf("welcome: %+v", welcome)
	}
	next, unacked := 0, 0
	for next < count {
		d := expect[*wire.Deliver](c)
		for _, e := range d.Envelopes {
			if string(e.Body) != fmt.Sprint(next) || e.Position != uint64(next+1) {
				t.Fatalf("expected %d, got %q at %d", next, e.Body, e.Position)
			}
			next++
			unacked++
		}
		if unacked > 8 {
			t.Fatalf("%d delivered ahead of their acks", unacked)
		}
		var ack wire.Ack
		for ; unacked > 0; unacked-- {
			ack.Positions = append(ack.Positions, uint64(next-unacked+1))
		}
		c.write(0, &ack)
	}
	expect[*wire.QueueEmpty](c)
	w.eventually("the mailbox is empty", func() bool { return w.rows("mailbox") == 0 })
}

// MBX-20 and MBX-11: what a client does not acknowledge holds up nothing behind
// it until the window is full; then only its own connection ends.
func TestUnackedEnvelope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{Window: 4})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, c := w.dial(n, a, 1), w.dial(n, b, 1)
	sender.accepted(send(a, b, 1, id, "poison"))
	if c.receive().Position != 1 {
		t.Fatal("not the first")
	}
	for i := range 10 {
		sender.accepted(send(a, b, 1, id, fmt.Sprint(i)))
		e := c.receive()
		if string(e.Body) != fmt.Sprint(i) {
			t.Fatalf("got %q", e.Body)
		}
		c.write(0, &wire.Ack{Positions: []uint64{e.Position}})
	}
	for i := range 6 { // three fit beside the poison
		sender.accepted(send(a, b, 1, id, fmt.Sprint("late ", i)))
	}
	for fit := 0; fit < 3; {
		fit += len(expect[*wire.Deliver](c).Envelopes)
	}
	w.clock.advance(40 * time.Second)
	c.write(1, &wire.Ping{})
	expect[*wire.Pong](c)
	n.Tick()
	w.clock.advance(25 * time.Second)
	c.write(2, &wire.Ping{})
	expect[*wire.Pong](c)
	n.Tick()
	c.ends(wire.CloseSlow)
	again := w.dial(n, b, 1)
	var waits []string
	for len(waits) < 4 {
		for _, e := range expect[*wire.Deliver](again).Envelopes {
			waits = append(waits, string(e.Body))
		}
	}
	if want := []string{"poison", "late 0", "late 1", "late 2"}; !slices.Equal(waits, want) {
		t.Errorf("waits %q", waits)
	}
}

// A client that does not read costs a few frames of memory, and is cut.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{Window: 64, Tick: -1})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, c := w.dial(n, a, 1), w.dial(n, b, 1)
	for range 40 { // the pipe takes 16 frames; each of these is one
		sender.accepted(send(a, b, 1, id, "x"))
	}
	w.clock.advance(30 * time.Second)
	for request := range uint64(30) { // alive, but its answers are not read either
		c.write(request+1, &wire.Ping{})
	}
	w.eventually("the pings were read", func() bool { return len(c.up) == 0 })
	w.eventually("its connection is full", func() bool { return len(c.down) == cap(c.down) })
	w.eventually("it is cut", func() bool { // time passes, and it is alive all along
		w.clock.advance(10 * time.Second)
		c.write(98, &wire.Ping{})
		w.eventually("the ping was read", func() bool { return len(c.up) == 0 || c.hasClosed() })
		n.Tick()
		return c.hasClosed()
	})
	select {
	case <-c.closed:
	case <-time.After(patience):
		t.Fatal("not cut")
	}
	if c.code != wire.CloseSlow {
		t.Errorf("closed with %d", c.code)
	}
	<-c.served
}

// MBX-13: silence ends a connection within 45 s; any frame keeps it.
func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1, 2)
	silent, alive := w.dial(n, a, 1), w.dial(n, a, 2)
	greeting := w.connect(n, &account.Who{Account: a.id, Device: 1})
	w.eventually("the third is there", func() bool { return n.Connections() == 3 })
	w.clock.advance(11 * time.Second)
	n.Tick()
	greeting.ends(wire.CloseNoHello)
	w.clock.advance(20 * time.Second)
	alive.write(1, &wire.Ping{})
	expect[*wire.Pong](alive)
	w.clock.advance(14 * time.Second)
	n.Tick()
	silent.ends(wire.CloseIdle)
	alive.write(2, &wire.Ping{})
	expect[*wire.Pong](alive)
}

func TestFaultyFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1)
	hello := wire.AppendClient(nil, 0, &wire.Hello{Versions: []uint8{1}, Build: "test"})
	cases := map[string]struct {
		frames [][]byte
		code   wire.CloseCode
	}{
		"garbage first":     {[][]byte{{0xff, 0xff}}, wire.CloseMalformed},
		"ping first":        {[][]byte{wire.AppendClient(nil, 1, &wire.Ping{})}, wire.CloseOutOfPlace},
		"second hello":      {[][]byte{hello, hello}, wire.CloseOutOfPlace},
		"later version":     {[][]byte{wire.AppendClient(nil, 0, &wire.Hello{Versions: []uint8{9}, Build: "test"})}, wire.CloseVersion},
		"garbage":           {[][]byte{hello, {1, 2, 3}}, wire.CloseMalformed},
		"empty":             {[][]byte{hello, {}}, wire.CloseMalformed},
		"broken send":       {[][]byte{hello, {0x1a, 1, 0}}, wire.CloseMalformed},
		"broken ack":        {[][]byte{hello, {0x22, 1, 0}}, wire.CloseMalformed},
		"broken request":    {[][]byte{hello, {0x08, 1, 0x3a, 1, 0}}, wire.CloseMalformed},
		"above the ceiling": {[][]byte{hello, make([]byte, wire.MaxFrame+1)}, wire.CloseMalformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			who := &account.Who{Account: a.id, Device: 1}
			k := w.connect(n, who)
			for _, f := range c.frames {
				k.raw(f)
			}
			k.ends(c.code)
		})
	}
	t.Run("no session", func(t *testing.T) {
		k := w.connect(n, nil)
		k.raw(hello)
		k.ends(wire.CloseUnauthenticated)
	})
	t.Run("unknown kind", func(t *testing.T) {
		k := w.dial(n, a, 1)
		k.raw([]byte{0x08, 7, 0xfa, 0x01, 0}) // request 7, body 31
		if r := expect[*wire.Refused](k); r.Code != wire.CodeUnsupported {
			t.Errorf("got %+v", r)
		}
	})
}

// A session that is no device may link and nothing else.
func TestKeylessSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1)
	c := w.dial(n, a, 0)
	for request, m := range []wire.ClientMessage{&wire.CountKeys{}, &wire.ListChats{}, &wire.ListInvites{}, &wire.FetchBundles{}, &wire.FetchLog{ChatID: messaging.NewChatID()}} {
		c.write(uint64(request+1), m)
		if r := expect[*wire.Refused](c); r.Code != wire.CodeNotLinked {
			t.Errorf("%T: got %+v", m, r)
		}
	}
	c.write(0, send(a, a, 1, messaging.NewChatID(), "x"))
	if r := expect[*wire.Refused](c); r.Code != wire.CodeNotLinked {
		t.Errorf("send: got %+v", r)
	}
	c.write(9, &wire.FetchLog{})
	expect[*wire.Log](c)
}

// A watched slot is answered when it is there; the device learns that a session
// asks to be linked.
func TestLinkSlots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bus := relay.NewMemoryBus()
	first, second := w.node(bus, relay.Options{}), w.node(bus, relay.Options{})
	a := w.member(1)
	device, session := w.dial(first, a, 1), w.dial(second, a, 0)
	watched, put := [wire.SlotSize]byte{1}, [wire.SlotSize]byte{2}
	session.write(1, &wire.GetSlot{Slot: watched, Watch: true})
	session.write(2, &wire.PutSlot{Slot: put, Payload: []byte("keys")})
	expect[*wire.Done](session)
	if notice := expect[*wire.Notice](device); notice.Kind != wire.NoticeLinkRequested || !notice.MustShow || notice.Slot != put || notice.Position == 0 {
		t.Errorf("got %+v", notice)
	}
	device.write(1, &wire.GetSlot{Slot: put})
	if got := expect[*wire.Slot](device); string(got.Payload) != "keys" {
		t.Errorf("got %+v", got)
	}
	device.write(2, &wire.PutSlot{Slot: watched, Payload: []byte("answer")})
	if got := expect[*wire.Slot](session); string(got.Payload) != "answer" || got.Slot != watched {
		t.Errorf("got %+v", got)
	}
}

func TestRequestsAndNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a, b := w.member(1, 2), w.member(1)
	id := w.chat(a, b)
	own, other, peer := w.dial(n, a, 1), w.dial(n, a, 2), w.dial(n, b, 1)
	own.write(1, &wire.ListChats{})
	if got := expect[*wire.Chats](own); len(got.Chats) != 1 || got.Chats[0].ChatID != id || got.Chats[0].PeerHead != b.head {
		t.Errorf("got %+v", got)
	}
	own.write(2, &wire.SetChat{ChatID: id, Action: wire.ChatBlock})
	expect[*wire.Done](own)
	if got := expect[*wire.Notice](other); got.Kind != wire.NoticeChatChanged || got.ChatState != wire.StateBlocked {
		t.Errorf("the own device is told %+v", got)
	}
	own.write(3, &wire.SetChat{ChatID: id, Action: wire.ChatUnblock})
	own.write(4, &wire.SetChat{ChatID: id, Action: wire.ChatClose})
	if got := expect[*wire.Notice](peer); got.ChatState != wire.StateClosed { // and nothing of the block before
		t.Errorf("the peer is told %+v", got)
	}
	peer.write(0, send(b, a, 1, id, "x"))
	if got := expect[*wire.Refused](peer); got.Code != wire.CodeNotOpen || got.MessageID == (messaging.MessageID{}) {
		t.Errorf("got %+v", got)
	}
	for request, m := range []wire.ClientMessage{&wire.FetchLog{ChatID: messaging.NewChatID()}, &wire.FetchBundles{ChatID: messaging.NewChatID()}, &wire.SetChat{ChatID: messaging.NewChatID(), Action: wire.ChatBlock}} {
		peer.write(uint64(request+1), m)
		if got := expect[*wire.Refused](peer); got.Code != wire.CodeNotFound {
			t.Errorf("%T: got %+v", m, got)
		}
	}
	peer.write(9, &wire.ListChats{Cursor: []byte("short")})
	if got := expect[*wire.Refused](peer); got.Code != wire.CodeInvalid {
		t.Errorf("got %+v", got)
	}
	if err := n.NewLogin(context.Background(), w.tenant, account.Who{Account: b.id}); err != nil {
		t.Fatal(err)
	}
	if got := expect[*wire.Notice](peer); got.Kind != wire.NoticeNewLogin || !got.MustShow || got.Position == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestStaleSendNamesTheHeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a, b := w.member(1), w.member(1, 2)
	c := w.dial(n, a, 1)
	s := send(a, b, 1, w.chat(a, b), "x")
	s.Envelopes = s.Envelopes[:1]
	c.write(0, s)
	if r := expect[*wire.Refused](c); r.Code != wire.CodeStale || r.Detail != wire.DetailDeviceMissing || r.MessageID != s.MessageID || r.OwnHead != a.head || r.PeerHead != b.head {
		t.Errorf("got %+v", r)
	}
}

// MBX-14: a server's clock that steps back an hour changes no order and loses nothing.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a, b := w.member(1), w.member(1)
	id := w.chat(a, b)
	sender, peer := w.dial(n, a, 1), w.dial(n, b, 1)
	for i, step := range []time.Duration{0, time.Hour, -2 * time.Hour, time.Hour, -time.Minute} {
		w.clock.advance(step)
		sender.write(1, &wire.Ping{})
		expect[*wire.Pong](sender)
		peer.write(1, &wire.Ping{})
		expect[*wire.Pong](peer)
		n.Tick()
		sender.accepted(send(a, b, 1, id, fmt.Sprint(i)))
		if got := peer.receive(); string(got.Body) != fmt.Sprint(i) || got.Position != uint64(i+1) {
			t.Errorf("got %q at %d", got.Body, got.Position)
		}
	}
}

// Invites are made, listed page by page, rotated and revoked over the socket.
func TestInvites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	a := w.member(1)
	c := w.dial(n, a, 1)
	create := &wire.CreateInvite{IdempotencyKey: messaging.NewMessageID(), Label: "shop window", MaxUses: 3}
	c.write(1, create)
	made := expect[*wire.Invites](c).Invites
	c.write(2, create)
	if again := expect[*wire.Invites](c).Invites; len(made) != 1 || len(again) != 1 || again[0].InviteID != made[0].InviteID || made[0].Label != "shop window" || made[0].MaxUses != 3 {
		t.Fatalf("made %+v, again %+v", made, again)
	}
	seen := map[[16]byte]bool{}
	var cursor []byte
	for request := uint64(3); ; request++ {
		c.write(request, &wire.ListInvites{Cursor: cursor, Limit: 1})
		page := expect[*wire.Invites](c)
		for _, i := range page.Invites {
			seen[i.InviteID] = true
		}
		if cursor = page.Next; cursor == nil {
			break
		}
	}
	if len(seen) != 2 { // with the permanent one
		t.Errorf("%d invites are listed", len(seen))
	}
	c.write(20, &wire.SetInvite{InviteID: made[0].InviteID, Action: wire.InviteRotate, IdempotencyKey: messaging.NewMessageID()})
	if got := expect[*wire.Invites](c).Invites; len(got) != 1 || string(got[0].Token) == string(made[0].Token) {
		t.Errorf("rotated: %+v", got)
	}
	c.write(21, &wire.SetInvite{InviteID: made[0].InviteID, Action: wire.InviteRevoke, IdempotencyKey: messaging.NewMessageID()})
	if got := expect[*wire.Invites](c).Invites; len(got) != 1 || got[0].InviteID != made[0].InviteID || !got[0].Revoked || got[0].Label != "shop window" || got[0].Token != nil {
		t.Errorf("revoked: %+v", got)
	}
}
