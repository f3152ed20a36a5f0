package spqr

import "slices"

// Clone returns a State that shares nothing with s that either will change or
// wipe. A session that must keep its present value plans and commits on a clone.
// The cost is a few hundred bytes, and 36 for each skipped key.
func (s *State) Clone() *State {
	c := *s.core
	if s.authKey != nil {
		key := *s.authKey
		c.authKey = &key
	}
	if s.chain != nil {
		c.chain = s.chain.clone()
	}
	if s.machine != nil {
		m := *s.machine
		m.chunks = slices.Clip(m.chunks) // only ever appended to
		c.machine = &m
	}
	return &State{&c}
}

func (c *keyChain) clone() *keyChain {
	out := *c
	out.links = make([]*link, len(c.links), max(cap(c.links), maxLinks+1))
	for i, l := range c.links {
		copied := *l
		copied.stored = slices.Clone(l.stored) // dropped from and wiped in place
		out.links[i] = &copied
	}
	return &out
}
