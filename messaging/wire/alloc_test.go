package wire

import (
	"runtime"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// TestAllocations holds the relay's hot path to none at all: frames go through
// values and buffers that a connection keeps.
func TestAllocations(t *testing.T) {
	send := AppendClient(nil, 0, sampleSend(1024))
	ack := AppendClient(nil, 0, sampleAck(MaxAck))
	batch := sampleDeliver(64, 1024)
	deliver := AppendServer(nil, 0, batch)
	accepted := &Accepted{MessageIDs: []messaging.MessageID{{1}}}

	var into struct {
		send    Send
		ack     Ack
		deliver Deliver
		buf     []byte
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(reason(err))
		}
	}
	for _, c := range []struct {
		what string
		most float64
		do   func()
	}{
		{"parse a Send of 16 envelopes", 0, func() {
			f, err := SplitClient(send)
			must(err)
			must(into.send.Parse(f.Body))
		}},
		{"parse a Send into a new value", 1, func() { // its envelopes
			var m Send
			f, err := SplitClient(send)
			must(err)
			must(m.Parse(f.Body))
		}},
		{"parse an Ack of 256 positions", 0, func() {
			f, err := SplitClient(ack)
			must(err)
			must(into.ack.Parse(f.Body))
		}},
		{"parse an Ack into a new value", 1, func() { // its positions
			var m Ack
			f, err := SplitClient(ack)
			must(err)
			must(m.Parse(f.Body))
		}},
		{"append a Deliver of 64 envelopes", 0, func() { into.buf = AppendServer(into.buf[:0], 0, batch) }},
		{"parse a Deliver of 64 envelopes", 0, func() {
			f, err := SplitServer(deliver)
			must(err)
			must(into.deliver.Parse(f.Body))
		}},
		{"append an Accepted", 0, func() { into.buf = AppendServer(into.buf[:0], 0, accepted) }},
	} {
		c.do() // the first round fills the buffers that later ones reuse
		if got := testing.AllocsPerRun(100, c.do); got > c.most {
			t.Errorf("%s: %v allocations, at most %v", c.what, got, c.most)
		}
	}
}

// TestRefusalAllocatesNothingLarge gives lengths and counts that promise more
// than there is: what is allocated does not depend on them.
func TestRefusalAllocatesNothingLarge(t *testing.T) {
	positions := make([]byte, MaxFrame-16)
	for i := range positions {
		positions[i] = 1
	}
	for _, c := range []struct {
		what string
		b    []byte
	}{
		{"length of 2^62 in a small frame", append(tag(3, 2), 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40)},
		{"400,000 positions", appendElement(nil, 4, appendElement(nil, 1, positions))},
	} {
		const rounds = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if _, _, err := ParseClient(c.b); err == nil {
				t.Fatal("accepted")
			}
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / rounds; got > 1024 {
			t.Errorf("%s: %d bytes allocated before it was refused", c.what, got)
		}
	}
}
