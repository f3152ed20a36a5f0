package spqr

import (
	"bytes"
	"testing"
)

func FuzzHeader(f *testing.F) {
	for kind := typeNone; kind < typeUnknown; kind++ {
		h := header{epoch: 1 << (7 * kind), index: 1 << (4 * kind), kind: kind, chunk: chunk{index: 1 << (2 * kind)}}
		f.Add(h.append(nil))
	}
	f.Add([]byte{1, 0x81, 0, 0x82, 0, 0, 9, 9})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		if again, err := parseHeader(h.append(nil)); err != nil || again != h {
			t.Fatalf("%+v comes back as %+v, %v", h, again, err)
		}
	})
}

// FuzzUnmarshal: what is read is written the same, and can be used.
func FuzzUnmarshal(f *testing.F) {
	for _, b := range everyState(f) {
		f.Add(b, []byte{1, 1, 1, 0})
		f.Add(b, plain(2, 30))
	}
	f.Fuzz(func(t *testing.T, b, header []byte) {
		s, err := Unmarshal(b)
		if err != nil {
			return
		}
		if !bytes.Equal(stored(t, s), b) {
			t.Fatal("read, but written otherwise")
		}
		if step, err := s.Receive(header); err == nil {
			step.Commit()
			reload(t, s)
		}
		if step, err := s.Send(draws(1)); err == nil {
			step.Commit()
			reload(t, s)
		}
	})
}

// FuzzReceive: any header at all in any phase leaves a state that can be stored,
// or no trace.
func FuzzReceive(f *testing.F) {
	states := everyState(f)
	f.Add(uint8(0), []byte{1, 1, 1, 0})
	f.Add(uint8(3), plain(2, 3))
	for p := range states {
		h := header{epoch: 2, index: 40, kind: messageType(p % 7), chunk: chunk{index: 7}}
		f.Add(uint8(p), h.append(nil))
		h.epoch, h.index, h.chunk.index = 3, 1, 29
		f.Add(uint8(p), h.append(nil))
	}
	f.Fuzz(func(t *testing.T, which uint8, header []byte) {
		b := states[int(which)%len(states)]
		s, err := Unmarshal(b)
		if err != nil {
			t.Fatal(err)
		}
		step, err := s.Receive(header)
		if !bytes.Equal(stored(t, s), b) {
			t.Fatal("changed before the commit")
		}
		if err == nil {
			step.Commit()
			reload(t, s)
		}
	})
}

// FuzzTwoParties lets the fuzzer choose who sends, what is lost, what comes
// late and what is forged; whatever arrives unforged has the sender's key.
func FuzzTwoParties(f *testing.F) {
	f.Add(uint8(0), bytes.Repeat([]byte{0x00, 0x02, 0x01, 0x03}, 120))
	f.Add(uint8(1), bytes.Repeat([]byte{0x00, 0x00, 0x02, 0x01, 0x06, 0x03, 0x07}, 90))
	f.Add(uint8(2), bytes.Repeat([]byte{0x00, 0x00, 0x10, 0x12, 0x01, 0x03, 0x04, 0x05}, 90))
	f.Fuzz(func(t *testing.T, configs uint8, script []byte) {
		if len(script) > 700 {
			return
		}
		n := newNetwork(t, 1, Config{AllowFallback: configs&1 != 0}, Config{AllowFallback: configs&2 != 0})
		for _, b := range script {
			n.fuzzed(b)
		}
		for i := range n.side {
			reload(t, n.side[i])
		}
	})
}

// fuzzed does what one byte says: the low bit is the party, the next two the
// act, and the rest choose among the messages under way.
func (n *network) fuzzed(b byte) {
	party, choice := int(b&1), int(b>>3)
	if b>>1&3 == 0 {
		n.send(party)
		return
	}
	if len(n.queue[party]) == 0 {
		n.side[party] = reload(n.t, n.side[party])
		return
	}
	m := n.take(party, choice%len(n.queue[party]))
	switch b >> 1 & 3 {
	case 1:
		n.fuzzedDelivery(party, m)
	case 2:
		n.lost++
	case 3:
		n.forge(party, bytes.Clone(m.header), choice)
		n.fuzzedDelivery(party, m)
	}
}

// forge changes a bit on the way; the MAC would stop that before the commit. A
// larger index makes the receiver derive thousands of keys, which a script may
// do a few times only, lest the fuzzer find nothing but slow scripts.
func (n *network) forge(to int, header []byte, choice int) {
	header[choice%len(header)] ^= 1 << (choice % 8)
	if h, err := parseHeader(header); err == nil && h.index > 1000 {
		if n.jumps++; n.jumps > 2 {
			return
		}
	}
	_, _ = n.side[to].Receive(header)
}

// fuzzedDelivery hands over a message, which may only be refused for being late.
func (n *network) fuzzedDelivery(to int, m message) {
	n.t.Helper()
	step, err := n.side[to].Receive(m.header)
	if err != nil {
		if h, parsed := parseHeader(m.header); parsed != nil || h.epoch+2 > n.side[to].Epoch() {
			n.t.Fatalf("receive %x in epoch %d: %v", m.header, n.side[to].Epoch(), err)
		}
		return
	}
	step.Commit()
	if key, keyed := step.Key(); key != m.key || keyed != m.keyed {
		n.t.Fatalf("keys of %x differ", m.header)
	}
}
