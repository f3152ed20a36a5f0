package spqr

import "slices"

// replica is all the parts of a State in one allocation.
type replica struct {
	state   State
	core    core
	machine machine
	chain   keyChain
	links   [maxLinks]link
	refs    [maxLinks + 1]*link
	authKey [keySize]byte
}

// Clone returns a State that shares nothing with s that either will change or
// wipe. A session that must keep its present value plans and commits on a clone.
// The cost is one allocation of a kilobyte, and 36 bytes for each skipped key.
func (s *State) Clone() *State {
	r := &replica{core: *s.core}
	r.state.core = &r.core
	if s.authKey != nil {
		r.authKey = *s.authKey
		r.core.authKey = &r.authKey
	}
	if s.chain != nil {
		s.chain.cloneTo(r)
		r.core.chain = &r.chain
	}
	if s.machine != nil {
		r.machine = *s.machine
		r.machine.chunks = slices.Clip(r.machine.chunks) // only ever appended to
		r.core.machine = &r.machine
	}
	return &r.state
}

func (c *keyChain) cloneTo(r *replica) {
	r.chain = *c
	r.chain.links = r.refs[:len(c.links)]
	for i, l := range c.links {
		r.links[i] = *l
		r.links[i].stored = slices.Clone(l.stored) // dropped from and wiped in place
		r.refs[i] = &r.links[i]
	}
}
