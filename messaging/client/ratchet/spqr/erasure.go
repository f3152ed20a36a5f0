package spqr

import (
	"encoding/binary"
	"slices"
	"sync"
)

// Sizes of the erasure code (docs/protocol.md section 11): what travels is cut
// into chunks of 32 bytes, any n different ones of which give the n chunks back.
const (
	chunkSize = 32

	headerChunks = (headerSize + macSize) / chunkSize // 3
	vectorChunks = vectorSize / chunkSize             // 36
	ct1Chunks    = ct1Size / chunkSize                // 30
	ct2Chunks    = (ct2Size + macSize) / chunkSize    // 5

	maxChunks  = vectorChunks
	basisWords = maxChunks / laneCount
)

// chunk is the value of the sixteen polynomials at one field element.
type chunk struct {
	index uint16
	data  [chunkSize]byte
}

// block is a chunk as sixteen field elements.
type block [chunkSize / 8]lanes

func blockOf(data []byte) (b block) {
	for i := range b {
		b[i] = lanes(binary.BigEndian.Uint64(data[8*i:]))
	}
	return b
}

func (b *block) bytes() (data [chunkSize]byte) {
	for i, word := range b {
		binary.BigEndian.PutUint64(data[8*i:], uint64(word))
	}
	return data
}

// basis is what Lagrange interpolation needs to know about a set of points: it
// is computed once for the set and serves all sixteen polynomials and every
// place at which they are evaluated. Point j sits in word j/4, lane j%4.
type basis struct {
	words   int
	padding lanes // all ones in the unused lanes of the last word
	points  [basisWords]lanes
	weights [basisWords]lanes // 1 / product of the differences to the other points
}

// newBasis returns the basis of different points, at most maxChunks of them.
func newBasis(points []uint16) *basis {
	b := &basis{words: (len(points) + laneCount - 1) / laneCount}
	for j, x := range points {
		b.points[j/laneCount] = b.points[j/laneCount].withLane(j%laneCount, x)
	}
	for j := len(points); j < b.words*laneCount; j++ {
		b.padding = b.padding.withLane(j%laneCount, 0xFFFF)
	}
	for j, x := range points {
		w := b.product(x, j).lane(0)
		b.weights[j/laneCount] = b.weights[j/laneCount].withLane(j%laneCount, w)
	}
	for i := range b.words {
		b.weights[i] = b.weights[i].inverse()
	}
	return b
}

// differences returns x minus the points of word i, with ones as padding.
func (b *basis) differences(x lanes, i int) lanes {
	d := x ^ b.points[i]
	if i == b.words-1 {
		d = d&^b.padding | lowBits&b.padding
	}
	return d
}

// product returns, in every lane, the product of the differences between x and
// all points but point j.
func (b *basis) product(x uint16, j int) lanes {
	p := lowBits
	for i := range b.words {
		d := b.differences(spread(x), i)
		if i == j/laneCount {
			own := laneMask << (16 * (j % laneCount))
			d = d&^own | lowBits&own
		}
		p = p.times(d)
	}
	return p.fold()
}

// coefficients returns the values of the Lagrange polynomials at x, packed like
// the points. Products before and after each word replace divisions by x - x_j,
// so that x may also be one of the points.
func (b *basis) coefficients(x uint16) (c [basisWords]lanes) {
	at, after := spread(x), lowBits
	for i := b.words - 1; i >= 0; i-- {
		c[i] = after
		after = after.times(b.differences(at, i))
	}
	before := after.rotate(1).times(after.rotate(2)).times(after.rotate(3))
	for i := range b.words {
		c[i] = c[i].times(before).times(b.weights[i])
		before = before.times(b.differences(at, i))
	}
	return c
}

// subsets is the sums of all selections out of four blocks; bit k of the index
// stands for block k. With them a bit of four coefficients costs one addition.
type subsets [1 << laneCount]block

// combined is the blocks at all points of a basis.
type combined [basisWords]subsets

// add enters block j, after all before it, grouped like the points of a basis.
func (groups *combined) add(j int, b *block) {
	sums, bit := &groups[j/laneCount], 1<<(j%laneCount)
	for s := range bit {
		for i, word := range b {
			sums[bit|s][i] = sums[s][i] ^ word
		}
	}
}

// evaluate returns the chunk at x of the polynomials that have the given blocks
// at the points of the basis.
func (b *basis) evaluate(x uint16, blocks *combined) [chunkSize]byte {
	c := b.coefficients(x)
	var sum block
	for bit := 15; bit >= 0; bit-- {
		for i := range sum {
			sum[i] = sum[i].double()
		}
		for g := range b.words {
			for i, word := range blocks[g][c[g].selection(bit)] {
				sum[i] ^= word
			}
		}
	}
	return sum.bytes()
}

// The bases of the points 0..n-1, on which the four kinds of message are sent.
var (
	headerBasis = sync.OnceValue(func() *basis { return firstPoints(headerChunks) })
	vectorBasis = sync.OnceValue(func() *basis { return firstPoints(vectorChunks) })
	ct1Basis    = sync.OnceValue(func() *basis { return firstPoints(ct1Chunks) })
	ct2Basis    = sync.OnceValue(func() *basis { return firstPoints(ct2Chunks) })
)

func firstPoints(n int) *basis {
	points := make([]uint16, n)
	for j := range points {
		points[j] = uint16(j)
	}
	return newBasis(points)
}

func basisOf(n int) *basis {
	switch n {
	case headerChunks:
		return headerBasis()
	case ct2Chunks:
		return ct2Basis()
	case ct1Chunks:
		return ct1Basis()
	case vectorChunks:
		return vectorBasis()
	}
	return firstPoints(n)
}

// encodeChunk returns the chunk with this index of a message of whole chunks:
// a piece of the message itself first, interpolated ones after that.
func encodeChunk(message []byte, index uint16) (c chunk) {
	c.index = index
	n := len(message) / chunkSize
	if int(index) < n {
		c.data = [chunkSize]byte(message[int(index)*chunkSize:])
		return c
	}
	var blocks combined
	for j := range n {
		b := blockOf(message[j*chunkSize:])
		blocks.add(j, &b)
	}
	c.data = basisOf(n).evaluate(index, &blocks)
	return c
}

// decodeChunks returns the message of len(have)+1 chunks of which have and last
// are all different ones.
func decodeChunks(have []chunk, last *chunk) []byte {
	n := len(have) + 1
	var (
		points  [maxChunks]uint16
		blocks  combined
		present [maxChunks]bool
	)
	message := make([]byte, n*chunkSize)
	for j := range n {
		c := last
		if j < len(have) {
			c = &have[j]
		}
		b := blockOf(c.data[:])
		points[j] = c.index
		blocks.add(j, &b)
		if int(c.index) < n {
			present[c.index] = true
			copy(message[int(c.index)*chunkSize:], c.data[:])
		}
	}
	if slices.Index(present[:n], false) < 0 {
		return message
	}
	b := newBasis(points[:n])
	for x := range n {
		if !present[x] {
			data := b.evaluate(uint16(x), &blocks)
			copy(message[x*chunkSize:], data[:])
		}
	}
	return message
}
