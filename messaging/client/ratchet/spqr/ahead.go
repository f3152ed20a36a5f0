package spqr

// Ahead returns how many message keys Receive would derive for this header, as
// far as that can be told without deriving any: what an unproven header costs.
// It is 0 for a header that is refused at once.
func (s *State) Ahead(header []byte) int {
	if s.off || headerVersion(header) != version1 {
		return 0
	}
	h, err := parseHeader(header)
	if err != nil {
		return 0
	}
	var counter uint32
	if s.chain != nil {
		l := s.chain.link(h.epoch - 1)
		if l == nil {
			return 0
		}
		counter = l.recv.counter
	}
	if h.index <= counter || h.index-counter > s.jump() {
		return 0
	}
	return int(h.index - counter)
}
