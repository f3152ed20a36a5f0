package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// TI-22: ids of another tenant reach nothing, also in a batch with that
// tenant's own sends.
func TestBatchedTenantsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{Writers: 1})
	other := w.beside()
	a, b := w.member(1), w.member(1)
	x, y := other.member(1), other.member(1)
	mine, theirs := w.chat(a, b), other.chat(x, y)

	release := w.hold() // all of the following meet in one batch
	type answer struct {
		name string
		want mailbox.Verdict
		out  mailbox.Outcome
	}
	answers := make(chan answer, 8)

	var wg sync.WaitGroup
	queue := func(name string, world *world, from messaging.Address, s *wire.Send, want mailbox.Verdict) {
		wg.Add(1)
		if err := w.boxes.Line(world.tenant, from).Put(t.Context(), s, func(o mailbox.Outcome) { answers <- answer{name, want, o}; wg.Done() }); err != nil {
			t.Error(err)
		}
	}
	queue("own chat", w, a.at(1), send(a.at(1), a, b, mine, "mine"), mailbox.Accepted)
	queue("other tenant's chat", w, a.at(1), send(a.at(1), a, y, theirs, "stray"), mailbox.NotFound)
	queue("other tenant's sender", w, x.at(1), send(x.at(1), x, y, theirs, "stray"), mailbox.NotLinked)
	queue("their own", other, x.at(1), send(x.at(1), x, y, theirs, "theirs"), mailbox.Accepted)
	queue("their sender in my chat", other, x.at(1), send(x.at(1), x, b, mine, "stray"), mailbox.NotFound)
	release()
	wg.Wait()
	for range 5 {
		if got := <-answers; got.out.Verdict != got.want {
			t.Errorf("%s: expected %d, got %d", got.name, got.want, got.out.Verdict)
		}
	}
	if got := bodies(next(t, w.boxes.Box(w.tenant, b.at(1)))); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("mine: %q", got)
	}
	if got := bodies(next(t, w.boxes.Box(other.tenant, y.at(1)))); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("theirs: %q", got)
	}
	batch, err := w.boxes.Box(w.tenant, y.at(1)).Next(t.Context(), 10, wire.MaxFrame, true)
	if err != nil || !batch.Gone || len(batch.Items) != 0 || batch.Queued != 0 {
		t.Errorf("another tenant's mailbox: %+v, %v", batch, err)
	}
}

// hold locks what a writer needs, so that sends queue up; release waits until
// they have and lets go.
func (w *world) hold() (release func()) {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), database.AdminURL())
	if err != nil {
		w.Fatal(err)
	}
	a, b := w.member(1), w.member(1)
	chat := w.chat(a, b)
	tx, err := conn.Begin(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	first := send(a.at(1), a, b, chat, "first")
	if _, err := tx.Exec(context.Background(), `insert into send_receipt values ($1, $2, 1, $3, current_date + 60)`, w.tenant, [16]byte(a.id), [16]byte(first.MessageID)); err != nil {
		w.Fatal(err)
	}
	done := make(chan struct{})
	if err := w.boxes.Line(w.tenant, a.at(1)).Put(context.Background(), first, func(mailbox.Outcome) { close(done) }); err != nil {
		w.Fatal(err)
	}
	w.blocked(conn)
	return func() {
		defer conn.Close(context.Background())
		if err := tx.Rollback(context.Background()); err != nil {
			w.Error(err)
		}
		<-done
	}
}

// blocked waits until a session of the relay waits for this one's lock.
func (w *world) blocked(by *pgx.Conn) {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), database.AdminURL())
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.Background())
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var n int
		if err := conn.QueryRow(context.Background(), `
			select count(*) from pg_stat_activity where usename = 'app_relay' and $1 = any (pg_blocking_pids(pid))`, by.PgConn().PID()).Scan(&n); err != nil {
			w.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	w.Fatal("nothing waits for the lock")
}

// A send that the database refuses fails alone; the rest of its batch is stored.
func TestBadSendFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{Writers: 1})
	other := w.beside()
	a, b := w.member(1), w.member(1)
	x, y := other.member(1), other.member(1)
	chat, theirs := w.chat(a, b), other.chat(x, y)
	release := w.hold()
	bad := send(a.at(1), a, b, chat, "bad")
	bad.Envelopes[0].Type = 77 // no frame could carry it; the table refuses it
	badLine := w.boxes.Line(w.tenant, a.at(1))
	outs := make(chan mailbox.Outcome, 3)
	for _, step := range []struct {
		line *mailbox.Line
		send *wire.Send
	}{{badLine, bad}, {w.boxes.Line(other.tenant, x.at(1)), send(x.at(1), x, y, theirs, "fine")}, {badLine, send(a.at(1), a, b, chat, "after")}} {
		if err := step.line.Put(t.Context(), step.send, func(o mailbox.Outcome) { outs <- o }); err != nil {
			t.Fatal(err)
		}
	}
	release()
	for _, want := range []mailbox.Verdict{mailbox.Unavailable, mailbox.Accepted, mailbox.Unavailable} {
		if got := <-outs; got.Verdict != want {
			t.Errorf("expected %d, got %d", want, got.Verdict)
		}
	}
	if got := bodies(next(t, w.boxes.Box(w.tenant, b.at(1)))); len(got) != 0 {
		t.Errorf("what followed the failed send overtook it: %q", got)
	}
	if got := bodies(next(t, w.boxes.Box(other.tenant, y.at(1)))); !slices.Equal(got, []string{"fine"}) {
		t.Errorf("the other tenant's: %q", got)
	}
}

// TI-12: no partition can be read past its parent, by either role.
func TestPartitionsAreClosed(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"app_relay", "app_worker", "app_web", "app_operator"} {
		conn, err := pgx.Connect(t.Context(), database.URL(role))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for i := range 16 {
			for _, sql := range []string{"select from mailbox_%d", "delete from mailbox_%d", "select from send_receipt_%d"} {
				if _, err := conn.Exec(t.Context(), fmt.Sprintf(sql, i)); err == nil {
					t.Errorf("%s: %s passed", role, fmt.Sprintf(sql, i))
				}
			}
		}
	}
}

// Each act with another tenant's ids, as the relay's role, changes nothing.
func TestRelayRoleIsConfined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mailbox.Config{})
	other := w.beside()
	x, y := other.member(1), other.member(1)
	put(t, w.boxes.Line(other.tenant, x.at(1)), send(x.at(1), x, y, other.chat(x, y), "theirs"))
	err := w.relay.InSet(t.Context(), []tenant.ID{w.tenant}, func(tx tenant.SetTx) error {
		for _, table := range []string{"mailbox", "send_receipt", "account", "account_head", "device", "chat", "tenant"} {
			var n int
			if err := tx.QueryRow(t.Context(), `select count(*) from `+table+` where tenant_id = $1`, other.tenant).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: saw %d rows, %v", table, n, err)
			}
		}
		n, err := tx.Exec(t.Context(), `delete from mailbox where tenant_id = $1`, other.tenant)
		if n != 0 {
			t.Errorf("deleted %d rows", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`insert into send_receipt values ($1, $2, 1, $2, current_date)`,
		`insert into mailbox (tenant_id, account_id, device_id, position, registration_id, kind, received_at, expires_at, body) values ($1, $2, 1, 1, 1, 0, now(), now(), '\x00')`,
	} {
		err := w.relay.InSet(t.Context(), []tenant.ID{w.tenant}, func(tx tenant.SetTx) error {
			_, err := tx.Exec(t.Context(), sql, other.tenant, [16]byte(y.id))
			return err
		})
		if !errors.Is(err, tenant.ErrDenied) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

// Random senders over two services on one database, with repetitions: each
// device finds each sender's messages once, in order, however it reads and
// acknowledges meanwhile.
func TestOrderOfEachSender(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, mailbox.Config{})
	second := mailbox.New(openRelay(t), mailbox.Config{Writers: 3})
	t.Cleanup(second.Close)
	const senders, messages = 6, 60
	reader := w.member(1)
	var wg sync.WaitGroup
	for i := range senders {
		m := w.member(1)
		chat := w.chat(m, reader)
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() { w.chatter(m, reader, chat, []*mailbox.Mailbox{w.boxes, second}, messages, random) })
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	heard := map[messaging.AccountID][]string{}
	random := rand.New(rand.NewPCG(seed, 99))
	w.listen(reader, []*mailbox.Mailbox{w.boxes, second}, heard, senders*messages, random)
	<-finished
	if len(heard) != senders {
		t.Errorf("heard %d senders", len(heard))
	}
	for who, texts := range heard {
		for i, text := range texts {
			if text != fmt.Sprint(i) {
				t.Fatalf("%v: message %d is %q", who, i, text)
			}
		}
	}
}

// chatter sends numbered messages over changing connections; a connection that
// ends leaves some without an answer, and the next one repeats them all.
func (w *world) chatter(m, peer *member, chat messaging.ChatID, nodes []*mailbox.Mailbox, messages int, random *rand.Rand) {
	outbox := make([]*wire.Send, messages)
	for i := range outbox {
		outbox[i] = send(m.at(1), m, peer, chat, fmt.Sprint(i))
	}
	for len(outbox) > 0 {
		line := nodes[random.IntN(len(nodes))].Line(w.tenant, m.at(1))
		n := 1 + random.IntN(min(12, len(outbox)))
		out := make(chan mailbox.Outcome, n)
		for _, s := range outbox[:n] {
			if err := line.Put(context.Background(), s, func(o mailbox.Outcome) { out <- o }); err != nil {
				w.Error(err)
				return
			}
		}
		seen := random.IntN(n + 1) // the connection ends here
		for range seen {
			if o := <-out; o.Verdict != mailbox.Accepted {
				w.Errorf("got %+v", o)
				return
			}
		}
		outbox = outbox[seen:]
	}
}

// listen reads over changing connections and drops what it has heard before.
func (w *world) listen(m *member, nodes []*mailbox.Mailbox, heard map[messaging.AccountID][]string, want int, random *rand.Rand) {
	known := map[messaging.MessageID]bool{}
	deadline := time.Now().Add(30 * time.Second)
	for len(known) < want && time.Now().Before(deadline) {
		box := nodes[random.IntN(len(nodes))].Box(w.tenant, m.at(1))
		for range 1 + random.IntN(5) {
			batch, err := box.Next(w.Context(), 1+random.IntN(40), wire.MaxFrame, false)
			if err != nil {
				w.Error(err)
				return
			}
			for _, i := range batch.Items {
				if e := i.Envelope; !known[e.MessageID] {
					known[e.MessageID] = true
					heard[e.SenderAccount] = append(heard[e.SenderAccount], string(e.Body))
				}
				if random.IntN(3) > 0 {
					box.Ack([]uint64{i.Envelope.Position})
				}
			}
		}
	}
	if len(known) < want {
		w.Errorf("heard %d of %d", len(known), want)
	}
}
