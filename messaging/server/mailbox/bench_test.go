package mailbox_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// lanes are pairs of members that each keep a window of sends under way.
type lane struct {
	line *mailbox.Line
	make func() *wire.Send
	to   messaging.Address
	at   tenant.ID
}

func lanes(w *world, tenants, pairs int) (all []lane) {
	worlds := []*world{w}
	for len(worlds) < tenants {
		worlds = append(worlds, w.beside())
	}
	body := string(make([]byte, 1024))
	for i := range pairs {
		x := worlds[i%len(worlds)]
		a, b := x.member(1), x.member(1)
		id := x.chat(a, b)
		all = append(all, lane{x.boxes.Line(x.tenant, a.at(1)), func() *wire.Send { return send(a.at(1), a, b, id, body) }, b.at(1), x.tenant})
	}
	w.analyze()
	return all
}

// analyze does what autovacuum does within a minute: plans made for empty
// tables choose among indexes by chance.
func (w *world) analyze() {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), database.AdminURL())
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), `analyze account, account_head, device, chat, tenant`); err != nil {
		w.Fatal(err)
	}
}

// BenchmarkPut measures sends stored a second: group commit with one and with
// 50 tenants, and the same code held to one send a transaction.
func BenchmarkPut(b *testing.B) {
	for _, c := range []struct {
		name            string
		tenants, window int
		single          bool
	}{{"group commit, 1 tenant", 1, 5, false}, {"group commit, 50 tenants", 50, 5, false}, {"one transaction a message", 1, 5, true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, mailbox.Config{})
			all := lanes(w, c.tenants, 100)
			if c.single {
				mailbox.OneByOne(w.boxes)
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, l := range all {
				n := b.N / len(all)
				if i < b.N%len(all) {
					n++
				}
				wg.Go(func() { run(b, l, n, c.window) })
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

func run(b *testing.B, l lane, n, window int) {
	room := make(chan struct{}, window)
	for range n {
		room <- struct{}{}
		if err := l.line.Put(context.Background(), l.make(), func(o mailbox.Outcome) {
			if o.Verdict != mailbox.Accepted {
				b.Errorf("got %+v", o)
			}
			<-room
		}); err != nil {
			b.Error(err)
		}
	}
	for range window {
		room <- struct{}{}
	}
}

// BenchmarkDrain reads and acknowledges a backlog of b.N envelopes of one device.
func BenchmarkDrain(b *testing.B) {
	w := newWorld(b, mailbox.Config{MaxDepth: 1 << 30})
	l := lanes(w, 1, 1)[0]
	run(b, l, b.N, 256)
	b.ResetTimer()
	box := w.boxes.Box(l.at, l.to)
	for got := 0; got < b.N; {
		batch, err := box.Next(context.Background(), wire.MaxDeliver, wire.MaxFrame, false)
		if err != nil {
			b.Fatal(err)
		}
		var ack []uint64
		for _, i := range batch.Items {
			ack = append(ack, i.Envelope.Position)
		}
		got += len(ack)
		box.Ack(ack)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
