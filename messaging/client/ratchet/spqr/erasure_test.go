package spqr

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// slowMul is schoolbook multiplication in GF(2^16).
func slowMul(a, b uint16) uint16 {
	var p uint32
	for i := range 16 {
		if b>>i&1 == 1 {
			p ^= uint32(a) << i
		}
	}
	for i := 31; i >= 16; i-- {
		if p>>i&1 == 1 {
			p ^= 0x1100B << (i - 16)
		}
	}
	return uint16(p)
}

func slowInverse(a uint16) uint16 {
	result := uint16(1)
	for range 15 {
		a = slowMul(a, a)
		result = slowMul(result, a)
	}
	return result
}

func TestField(t *testing.T) {
	t.Parallel()
	r := rand.New(draws(2))
	for range 2000 {
		a, b := lanes(r.Uint64()), lanes(r.Uint64())
		p, q := a.times(b), a.inverse()
		for i := range laneCount {
			if got, want := p.lane(i), slowMul(a.lane(i), b.lane(i)); got != want {
				t.Fatalf("%04x times %04x is %04x, want %04x", a.lane(i), b.lane(i), got, want)
			}
			if a.lane(i) != 0 && slowMul(a.lane(i), q.lane(i)) != 1 {
				t.Fatalf("%04x is not the inverse of %04x", q.lane(i), a.lane(i))
			}
			if want := slowMul(slowMul(a.lane(0), a.lane(1)), slowMul(a.lane(2), a.lane(3))); a.fold().lane(i) != want {
				t.Fatalf("fold of %x is %x", a, a.fold())
			}
		}
	}
	if lanes(0).inverse() != 0 {
		t.Error("zero has an inverse")
	}
}

// slowInterpolate evaluates at x the polynomial through the points, one word at
// a time, by the definition.
func slowInterpolate(points, values []uint16, x uint16) (sum uint16) {
	for j := range points {
		term := values[j]
		for i := range points {
			if i != j {
				term = slowMul(term, slowMul(x^points[i], slowInverse(points[j]^points[i])))
			}
		}
		sum ^= term
	}
	return sum
}

func TestInterpolationAgainstDefinition(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 5} {
		message := randomMessage(uint64(n), n)
		points := make([]uint16, n)
		for x := uint16(0); int(x) < n+6; x++ {
			c := encodeChunk(message, x*9)
			for word := range chunkSize / 2 {
				values := make([]uint16, n)
				for j := range values {
					points[j] = uint16(j)
					values[j] = binary.BigEndian.Uint16(message[j*chunkSize+2*word:])
				}
				want := slowInterpolate(points, values, x*9)
				if got := binary.BigEndian.Uint16(c.data[2*word:]); got != want {
					t.Fatalf("n %d, chunk %d, word %d: %04x, want %04x", n, x*9, word, got, want)
				}
			}
		}
	}
}

func randomMessage(seed uint64, n int) []byte {
	message := make([]byte, n*chunkSize)
	_, _ = draws(seed).Read(message)
	return message
}

// chunksOf returns as many chunks as the message has, the first missing of them
// replaced by interpolated ones.
func chunksOf(message []byte, missing int) []chunk {
	n := len(message) / chunkSize
	var chunks []chunk
	for i := missing; i < missing+n; i++ {
		chunks = append(chunks, encodeChunk(message, uint16(i)))
	}
	return chunks
}

// TestDecodeAnyChunks: any n different chunks give the message back, up to the
// last index there is.
func TestDecodeAnyChunks(t *testing.T) {
	t.Parallel()
	r := rand.New(draws(3))
	for _, n := range []int{headerChunks, ct2Chunks, ct1Chunks, vectorChunks} {
		for round := range 60 {
			message := randomMessage(uint64(round), n)
			span := []int{n, n + 3, 2 * n, 1 << 16}[round%4]
			chosen := map[uint16]bool{}
			var chunks []chunk
			for len(chunks) < n {
				x := uint16(r.IntN(span))
				if !chosen[x] {
					chosen[x] = true
					chunks = append(chunks, encodeChunk(message, x))
				}
			}
			if got := decodeChunks(chunks[:n-1], &chunks[n-1]); !bytes.Equal(got, message) {
				t.Fatalf("n %d, round %d: message does not come back", n, round)
			}
		}
	}
}

// TestEncoderWrapsAround: the index after 65535 is 0.
func TestEncoderWrapsAround(t *testing.T) {
	t.Parallel()
	alice, _ := newPair(t, Config{}, Config{})
	first := commitSend(t, alice, draws(1))
	alice.machine.sent = 65535
	last := commitSend(t, alice, nil)
	again := commitSend(t, alice, nil)
	h0, _ := parseHeader(first.header)
	h1, _ := parseHeader(last.header)
	h2, _ := parseHeader(again.header)
	if h1.chunk.index != 65535 || h2.chunk != h0.chunk {
		t.Fatalf("chunk %d is followed by %d", h1.chunk.index, h2.chunk.index)
	}
}
