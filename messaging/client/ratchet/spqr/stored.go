package spqr

import "slices"

// storedKey is the key of a message that has not come yet.
type storedKey struct {
	index uint32
	key   [keySize]byte
}

// storedKeys is in ascending order of the index, and never reaches back more
// than maxStored from the chain's counter.
type storedKeys []storedKey

func (s storedKeys) find(index uint32) (at int, found bool) {
	return slices.BinarySearchFunc(s, index, func(k storedKey, index uint32) int {
		if k.index < index {
			return -1
		}
		return int(min(k.index-index, 1))
	})
}

// drop forgets the key of a message that has come.
func (s *storedKeys) drop(index uint32) {
	if at, found := s.find(index); found {
		*s = slices.Delete(*s, at, at+1) // clears the slot that becomes free
	}
}

// expire forgets the keys too far behind the counter. The slots at the front
// are left to the next growth of the slice: moving thousands of keys for each
// message would cost more than the message.
func (s *storedKeys) expire(counter uint32) {
	old := 0
	for old < len(*s) && counter-(*s)[old].index > maxStored {
		old++
	}
	clear((*s)[:old])
	*s = (*s)[old:]
}
