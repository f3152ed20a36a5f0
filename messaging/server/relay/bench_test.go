package relay_test

import (
	"fmt"
	"testing"

	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
)

// One message from socket to socket and back to the acknowledgement, in pairs.
func BenchmarkMessage(b *testing.B) {
	for _, pairs := range []int{1, 32} {
		b.Run(fmt.Sprint(pairs, " pairs"), func(b *testing.B) { benchmarkPairs(b, pairs) })
	}
}

func benchmarkPairs(b *testing.B, pairs int) {
	w := newWorld(b)
	n := w.node(relay.NewMemoryBus(), relay.Options{})
	body := string(make([]byte, 1024))
	type pair struct {
		from, to *client
		send     func() *wire.Send
	}
	all := make(chan pair, pairs)
	for range pairs {
		x, y := w.member(1), w.member(1)
		id := w.chat(x, y)
		p := pair{w.dial(n, x, 1), w.dial(n, y, 1), func() *wire.Send { return send(x, y, 1, id, body) }}
		expect[*wire.QueueEmpty](p.to)
		all <- p
	}
	b.SetParallelism((pairs + 1) / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := <-all
			p.from.write(0, p.send())
			expect[*wire.Accepted](p.from)
			e := p.to.receive()
			p.to.write(0, &wire.Ack{Positions: []uint64{e.Position}})
			all <- p
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
