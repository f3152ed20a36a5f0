package spqr

// lanes is four elements of GF(2^16) side by side, 16 bits each, with
// x^16 + x^12 + x^3 + x + 1 as the reduction polynomial. Which element sits in
// which lane is up to the caller. Four at a time in one register need no
// tables, and are as fast as looking single elements up in 384 kB of them.
type lanes uint64

const (
	lowBits   lanes = 0x0001_0001_0001_0001 // the constant term of each lane; four ones
	highBits  lanes = 0x8000_8000_8000_8000
	laneMask  lanes = 0xFFFF
	laneCount       = 4
	reduction lanes = 0x100B // x^16 mod the polynomial
)

// spread puts the same element in all lanes.
func spread(x uint16) lanes { return lanes(x) * lowBits }

// lane returns the element in lane i.
func (a lanes) lane(i int) uint16 { return uint16(a >> (16 * i)) }

// withLane returns a with lane i, which must be zero before, set to x.
func (a lanes) withLane(i int, x uint16) lanes { return a | lanes(x)<<(16*i) }

// rotate moves every element n lanes on.
func (a lanes) rotate(n int) lanes { return a<<(16*n) | a>>(64-16*n) }

// double multiplies each lane by x.
func (a lanes) double() lanes {
	carry := a >> 15 & lowBits
	return (a&^highBits)<<1 ^ carry*reduction
}

// selection returns the coefficients of x^bit as a number: bit k is lane k's.
func (a lanes) selection(bit int) uint64 {
	const gather = 1<<48 | 1<<33 | 1<<18 | 1<<3
	return uint64(a>>bit&lowBits*gather) >> 48 & 0xF
}

// times multiplies lane by lane, from the highest coefficient of b down.
func (a lanes) times(b lanes) lanes {
	var p lanes
	for range 16 {
		carry, ones := p>>15&lowBits, b>>15&lowBits
		p = (p&^highBits)<<1 ^ carry*reduction ^ a&(ones<<16-ones)
		b <<= 1
	}
	return p
}

// inverse inverts each lane as a^(2^16-2); zero stays zero.
func (a lanes) inverse() lanes {
	power, result := a, lowBits
	for range 15 {
		power = power.times(power)
		result = result.times(power)
	}
	return result
}

// fold returns the product of the four lanes in every lane.
func (a lanes) fold() lanes {
	pairs := a.times(a.rotate(2))
	return pairs.times(pairs.rotate(1))
}
