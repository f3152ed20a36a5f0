package mailbox_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

func TestSendReachesEveryDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1, 2), w.member(1, 5)
	chat := w.chat(a, b)
	s := send(a.at(1), a, b, chat, "hello")
	out := put(t, w.boxes.Line(w.tenant, a.at(1)), s)
	if out.Verdict != mailbox.Accepted || out.Repeated {
		t.Fatalf("got %+v", out)
	}
	if want := []messaging.Address{b.at(1), b.at(5), a.at(2)}; !slices.Equal(out.Recipients, want) {
		t.Errorf("expected to reach %v, reached %v", want, out.Recipients)
	}
	for _, to := range out.Recipients {
		box := w.boxes.Box(w.tenant, to)
		items := next(t, box)
		if len(items) != 1 {
			t.Fatalf("%v: expected one envelope, got %d", to, len(items))
		}
		got := items[0].Envelope
		if got.SenderAccount != a.id || got.SenderDevice != 1 || got.ChatID != chat || got.MessageID != s.MessageID || got.Position != 1 ||
			got.Type != wire.TypeSignal || string(got.Body) != "hello" || got.ServerTime == 0 || got.ServerTime%60 != 0 {
			t.Errorf("%v: got %+v", to, got)
		}
		if again := next(t, box); len(again) != 0 {
			t.Errorf("%v: given twice on one connection", to)
		}
		if comes := next(t, w.boxes.Box(w.tenant, to)); len(comes) != 1 {
			t.Errorf("%v: not given again on the next connection", to)
		}
		box.Ack([]uint64{1})
	}
	w.settled(0)
}

// MBX-07: a send whose answer was lost is sent again; the receipt says so.
func TestRepeatedSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1)
	s := send(a.at(1), a, b, w.chat(a, b), "once")
	if out := put(t, w.boxes.Line(w.tenant, a.at(1)), s); out.Verdict != mailbox.Accepted || out.Repeated {
		t.Fatalf("got %+v", out)
	}
	again := *s
	again.Envelopes = slices.Clone(s.Envelopes)
	again.Envelopes[0].Body = []byte("other content")
	if out := put(t, w.boxes.Line(w.tenant, a.at(1)), &again); out.Verdict != mailbox.Accepted || !out.Repeated || len(out.Recipients) != 0 {
		t.Errorf("repetition: got %+v", out)
	}
	box := w.boxes.Box(w.tenant, b.at(1))
	if got := bodies(next(t, box)); !slices.Equal(got, []string{"once"}) {
		t.Errorf("got %q", got)
	}
	box.Ack([]uint64{1})
	w.settled(0)
	if out := put(t, w.boxes.Line(w.tenant, a.at(1)), s); out.Verdict != mailbox.Accepted || !out.Repeated {
		t.Errorf("after it was acknowledged: got %+v", out)
	}
	w.settled(0)
}

// A repetition that is queued behind the first one meets it in one writer.
func TestRepeatedInOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{Writers: 1})
	a, b := w.member(1), w.member(1)
	s := send(a.at(1), a, b, w.chat(a, b), "once")
	outs := make(chan mailbox.Outcome, 20)
	for range cap(outs) {
		if err := w.boxes.Line(w.tenant, a.at(1)).Put(t.Context(), s, func(o mailbox.Outcome) { outs <- o }); err != nil {
			t.Fatal(err)
		}
	}
	fresh := 0
	for range cap(outs) {
		if o := <-outs; o.Verdict != mailbox.Accepted {
			t.Errorf("got %+v", o)
		} else if !o.Repeated {
			fresh++
		}
	}
	if fresh != 1 || w.rows("mailbox") != 1 {
		t.Errorf("stored %d times, %d rows", fresh, w.rows("mailbox"))
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b, stranger := w.member(1, 2), w.member(1, 2), w.member(1)
	chat, foreign := w.chat(a, b), w.chat(b, stranger)
	full := func() *wire.Send { return send(a.at(1), a, b, chat, "x") }
	cases := map[string]struct {
		change  func(*wire.Send)
		verdict mailbox.Verdict
		detail  wire.Detail
	}{
		"full set":                {func(s *wire.Send) {}, mailbox.Accepted, 0},
		"peer device missing":     {func(s *wire.Send) { s.Envelopes = slices.Delete(s.Envelopes, 1, 2) }, mailbox.Stale, wire.DetailDeviceMissing},
		"own device missing":      {func(s *wire.Send) { s.Envelopes = s.Envelopes[:2] }, mailbox.Stale, wire.DetailDeviceMissing},
		"first device missing":    {func(s *wire.Send) { s.Envelopes = s.Envelopes[1:] }, mailbox.Stale, wire.DetailDeviceMissing},
		"device of neither log":   {func(s *wire.Send) { s.Envelopes = slices.Insert(s.Envelopes, 2, extra(wire.SidePeer, 9)) }, mailbox.Stale, wire.DetailDeviceExtra},
		"the sender itself":       {func(s *wire.Send) { s.Envelopes = slices.Insert(s.Envelopes, 2, extra(wire.SideOwn, 1)) }, mailbox.Stale, wire.DetailDeviceExtra},
		"other registration":      {func(s *wire.Send) { s.Envelopes[1].RegistrationID++ }, mailbox.Stale, wire.DetailRegistration},
		"old own head":            {func(s *wire.Send) { s.OwnHead.Sequence-- }, mailbox.Stale, wire.DetailHead},
		"forked peer head":        {func(s *wire.Send) { s.PeerHead.Hash[0]++ }, mailbox.Stale, wire.DetailHead},
		"partial":                 {func(s *wire.Send) { s.Partial = true; s.Envelopes = s.Envelopes[1:2] }, mailbox.Accepted, 0},
		"partial, extra":          {func(s *wire.Send) { s.Partial = true; s.Envelopes = []wire.Envelope{extra(wire.SidePeer, 7)} }, mailbox.Stale, wire.DetailDeviceExtra},
		"partial, registration":   {func(s *wire.Send) { s.Partial = true; s.Envelopes = s.Envelopes[:1]; s.Envelopes[0].RegistrationID++ }, mailbox.Stale, wire.DetailRegistration},
		"unknown chat":            {func(s *wire.Send) { s.ChatID = messaging.NewChatID() }, mailbox.NotFound, 0},
		"chat of others":          {func(s *wire.Send) { s.ChatID = foreign }, mailbox.NotFound, 0},
		"own devices only":        {func(s *wire.Send) { *s = *send(a.at(1), a, nil, messaging.ChatID{}, "own") }, mailbox.Accepted, 0},
		"ephemeral is not stored": {func(s *wire.Send) { s.Urgency = wire.UrgencyEphemeral }, mailbox.Accepted, 0},
	}
	want := 0
	for name, c := range cases {
		s := full()
		c.change(s)
		out := put(t, w.boxes.Line(w.tenant, a.at(1)), s)
		if out.Verdict != c.verdict || out.Detail != c.detail {
			t.Errorf("%s: expected verdict %d detail %d, got %d %d", name, c.verdict, c.detail, out.Verdict, out.Detail)
		}
		if out.Verdict == mailbox.Stale && (out.OwnHead != a.head || out.PeerHead != b.head) {
			t.Errorf("%s: expected the heads that stand", name)
		}
		if c.verdict == mailbox.Accepted && s.Urgency != wire.UrgencyEphemeral {
			want += len(s.Envelopes)
		}
	}
	if got := w.rows("mailbox"); got != want { // MBX-32 too: the ephemeral one left nothing
		t.Errorf("expected %d rows, found %d", want, got)
	}
	if got := w.rows("send_receipt"); got != 3 {
		t.Errorf("expected 3 receipts, found %d", got)
	}
}

func extra(side wire.Side, d messaging.DeviceID) wire.Envelope {
	return wire.Envelope{Side: side, Device: d, RegistrationID: registrationOf(d), Type: wire.TypeSignal, Body: []byte("x")}
}

// A refused send has left no receipt: with the right set the same id is taken.
func TestRefusedSendMayBeRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1, 2)
	s := send(a.at(1), a, b, w.chat(a, b), "x")
	short := *s
	short.Envelopes = s.Envelopes[:1]
	line := w.boxes.Line(w.tenant, a.at(1))
	if out := put(t, line, &short); out.Verdict != mailbox.Stale {
		t.Fatalf("got %+v", out)
	}
	if out := put(t, line, s); out.Verdict != mailbox.Accepted || out.Repeated {
		t.Errorf("got %+v", out)
	}
}

func TestWhoMayWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	cases := map[string]struct {
		sql     string
		verdict mailbox.Verdict
	}{
		"peer blocked":              {`update chat set peer_stance = 'blocked' where tenant_id = $1 and chat_id = $2`, mailbox.NotOpen},
		"peer paused":               {`update chat set peer_stance = 'paused' where tenant_id = $1 and chat_id = $2`, mailbox.NotOpen},
		"own stance":                {`update chat set opener_stance = 'paused' where tenant_id = $1 and chat_id = $2`, mailbox.NotOpen},
		"declined":                  {`update chat set state = 'declined' where tenant_id = $1 and chat_id = $2`, mailbox.NotOpen},
		"closed":                    {`update chat set state = 'closed' where tenant_id = $1 and chat_id = $2`, mailbox.NotOpen},
		"peer suspended":            {`update account set status = 'suspended' where tenant_id = $1 and account_id = (select peer_id from chat where tenant_id = $1 and chat_id = $2)`, mailbox.NotOpen},
		"sender suspended":          {`update account set status = 'suspended' where tenant_id = $1 and account_id = (select opener_id from chat where tenant_id = $1 and chat_id = $2)`, mailbox.NotLinked},
		"sender is past its expiry": {`update device set expires_at = now() - interval '1 s' where tenant_id = $1 and account_id = (select opener_id from chat where tenant_id = $1 and chat_id = $2)`, mailbox.NotLinked},
		"peer's device is past it":  {`update device set expires_at = now() - interval '1 s' where tenant_id = $1 and account_id = (select peer_id from chat where tenant_id = $1 and chat_id = $2)`, mailbox.Stale},
		"sender is removed":         {`delete from device where tenant_id = $1 and account_id = (select opener_id from chat where tenant_id = $1 and chat_id = $2)`, mailbox.NotLinked},
	}
	for name, c := range cases {
		a, b := w.member(1), w.member(1)
		chat := w.chat(a, b)
		w.exec(c.sql, w.tenant, [16]byte(chat))
		if out := put(t, w.boxes.Line(w.tenant, a.at(1)), send(a.at(1), a, b, chat, "x")); out.Verdict != c.verdict {
			t.Errorf("%s: expected %d, got %d", name, c.verdict, out.Verdict)
		}
	}
	if n := w.rows("mailbox"); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

// MBX-09 and MBX-21: what one device acknowledges is its own, once.
func TestAcks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1, 2)
	chat := w.chat(a, b)
	line := w.boxes.Line(w.tenant, a.at(1))
	for i := range 3 {
		put(t, line, send(a.at(1), a, b, chat, fmt.Sprint(i)))
	}
	first, second := w.boxes.Box(w.tenant, b.at(1)), w.boxes.Box(w.tenant, b.at(2))
	next(t, first)
	for name, acks := range map[string][]uint64{"future": {4, 99, 1 << 62}, "never delivered to this device": {}} {
		if n := first.Ack(acks); n != 0 {
			t.Errorf("%s: %d taken", name, n)
		}
	}
	if n := second.Ack([]uint64{1, 2, 3}); n != 0 {
		t.Errorf("acks before anything was delivered: %d taken", n)
	}
	if n := first.Ack([]uint64{2}); n != 1 {
		t.Errorf("expected one, %d taken", n)
	}
	if n := first.Ack([]uint64{2}); n != 0 {
		t.Errorf("replay: %d taken", n)
	}
	w.settled(5)
	if got := bodies(next(t, w.boxes.Box(w.tenant, b.at(1)))); !slices.Equal(got, []string{"0", "2"}) {
		t.Errorf("first device: %q waits", got)
	}
	if got := bodies(next(t, second)); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("second device: %q waits", got)
	}
}

// Batches end by count and by bytes, and an envelope above the budget comes alone.
func TestNextIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1)
	chat := w.chat(a, b)
	line := w.boxes.Line(w.tenant, a.at(1))
	for range 10 {
		put(t, line, send(a.at(1), a, b, chat, strings.Repeat("x", 10_000)))
	}
	box := w.boxes.Box(w.tenant, b.at(1))
	for _, step := range []struct {
		limit, budget, want int
		more                bool
	}{{3, wire.MaxFrame, 3, true}, {256, 25_000, 2, true}, {256, 100, 1, true}, {256, wire.MaxFrame, 4, false}, {256, wire.MaxFrame, 0, false}} {
		batch, err := box.Next(t.Context(), step.limit, step.budget, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Items) != step.want || batch.More != step.more || batch.Queued != 10 || batch.Gone || batch.Suspended {
			t.Errorf("limit %d budget %d: got %d items, %+v", step.limit, step.budget, len(batch.Items), batch.More)
		}
	}
	if box.Unacked() != 10 {
		t.Errorf("%d unacknowledged", box.Unacked())
	}
}

func TestGoneAndSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1)
	put(t, w.boxes.Line(w.tenant, a.at(1)), send(a.at(1), a, b, w.chat(a, b), "secret of the old device"))
	look := func() mailbox.Batch {
		batch, err := w.boxes.Box(w.tenant, b.at(1)).Next(t.Context(), 10, wire.MaxFrame, false)
		if err != nil {
			t.Fatal(err)
		}
		return batch
	}
	w.exec(`update account set status = 'suspended' where tenant_id = $1 and account_id = $2`, w.tenant, [16]byte(b.id))
	if got := look(); !got.Suspended || got.Gone || len(got.Items) != 0 {
		t.Errorf("suspended: got %+v", got)
	}
	w.exec(`update account set status = 'active' where tenant_id = $1 and account_id = $2`, w.tenant, [16]byte(b.id))
	w.exec(`delete from device where tenant_id = $1 and account_id = $2`, w.tenant, [16]byte(b.id))
	if got := look(); !got.Gone || len(got.Items) != 0 {
		t.Errorf("removed: got %+v", got)
	}
	w.addDevice(b, 1, 4242)
	if got := look(); got.Gone || len(got.Items) != 0 {
		t.Errorf("a new device under the old number: got %+v", got)
	}
}

func TestFullMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{MaxDepth: 32})
	a, b, c := w.member(1), w.member(1), w.member(1)
	chat, other := w.chat(a, b), w.chat(a, c)
	line := w.boxes.Line(w.tenant, a.at(1))
	taken := 0
	for range 64 {
		switch out := put(t, line, send(a.at(1), a, b, chat, "x")); out.Verdict {
		case mailbox.Accepted:
			taken++
		case mailbox.Full:
			if out.Detail != wire.DetailMailbox {
				t.Errorf("got %+v", out)
			}
		default:
			t.Fatalf("got %+v", out)
		}
	}
	if taken < 32 || taken > 34 {
		t.Errorf("a mailbox of 32 took %d", taken)
	}
	if out := put(t, line, send(a.at(1), a, c, other, "x")); out.Verdict != mailbox.Accepted {
		t.Errorf("another mailbox: got %+v", out)
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a := w.member(1, 2, 3)
	told, err := w.boxes.Notify(t.Context(), w.tenant, a.id, 2, wire.Notice{Kind: wire.NoticeNewLogin, TimeMS: 5})
	if err != nil || len(told) != 2 {
		t.Fatalf("told %v, %v", told, err)
	}
	box := w.boxes.Box(w.tenant, a.at(1))
	items := next(t, box)
	if len(items) != 1 || items[0].Notice == nil {
		t.Fatalf("got %+v", items)
	}
	n := items[0].Notice
	if n.Kind != wire.NoticeNewLogin || !n.MustShow || n.Position != 1 || n.TimeMS != 5 {
		t.Errorf("got %+v", n)
	}
	if len(next(t, w.boxes.Box(w.tenant, a.at(2)))) != 0 {
		t.Error("the device that was left out has it")
	}
	box.Ack([]uint64{1})
	w.settled(1)
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	a, b := w.member(1), w.member(1)
	s := send(a.at(1), a, b, w.chat(a, b), "x")
	line := w.boxes.Line(w.tenant, a.at(1))
	if err := line.Put(t.Context(), s, func(o mailbox.Outcome) {
		if o.Verdict != mailbox.Accepted {
			t.Errorf("got %+v", o)
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.boxes.Close()
	if w.rows("mailbox") != 1 {
		t.Error("Close left a send behind")
	}
	w.boxes.Close()
	if err := line.Put(t.Context(), s, func(mailbox.Outcome) { t.Error("called") }); err != mailbox.ErrClosed {
		t.Errorf("got %v", err)
	}
	if _, err := w.boxes.Box(w.tenant, b.at(1)).Next(t.Context(), 1, 1, false); err != mailbox.ErrClosed {
		t.Errorf("got %v", err)
	}
}

// MBX-24: when the database gives one connection everybody waits, and nobody fails.
func TestOneDatabaseConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	db, err := tenant.OpenRelay(t.Context(), tenant.Config{URL: database.URL("app_relay"), AllowUnsafeDurability: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w.boxes = mailbox.New(db, mailbox.Config{Writers: 4, Readers: 4})
	t.Cleanup(w.boxes.Close)
	var wg sync.WaitGroup
	for range 16 {
		a, b := w.member(1), w.member(1)
		chat := w.chat(a, b)
		wg.Go(func() {
			line, box := w.boxes.Line(w.tenant, a.at(1)), w.boxes.Box(w.tenant, b.at(1))
			for i := range 10 {
				if out := put(t, line, send(a.at(1), a, b, chat, fmt.Sprint(i))); out.Verdict != mailbox.Accepted {
					t.Errorf("got %+v", out)
				}
				if got := bodies(next(t, box)); !slices.Equal(got, []string{fmt.Sprint(i)}) {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	wg.Wait()
}
