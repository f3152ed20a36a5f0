package ratchet

import (
	"math"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Signal's limits (docs/protocol.md section 10.4).
const (
	// MaxJump is how many messages one message may skip.
	MaxJump = 25_000
	// MaxSkipped is how many keys of skipped messages a chain keeps: the newest.
	MaxSkipped = 2000
	// MaxChains is how many chains of the peer are kept: the newest.
	MaxChains = 5
	// maxSelfJump stands in for MaxJump in a session of an identity with itself,
	// where Signal has no limit: about half a second of work, so that a forged
	// counter cannot ask for an hour of it.
	maxSelfJump = 1_000_000
)

// sender is the chain that we encrypt with.
type sender struct {
	private *key.RatchetPrivate
	public  key.RatchetPublic
	key     [keySize]byte
	index   uint32 // counter of the next message
}

// skipped is the seed of a message that has not come yet. The seed and not the
// keys: their salt is known only when the message comes.
type skipped struct {
	counter uint32
	seed    [keySize]byte
}

// receiver is a chain of the peer's. It never changes; advance returns the next.
type receiver struct {
	public  key.RatchetPublic
	key     [keySize]byte
	index   uint32    // counter of the next message
	skipped []skipped // ascending, below index; never changed, so that copies may share it
}

// ahead returns how many steps open would take to this counter.
func (r *receiver) ahead(counter, jump uint32) int {
	if counter < r.index || counter-r.index > jump {
		return 0
	}
	return int(counter-r.index) + 1
}

// open returns the seed of a message and the chain after it. The caller drops
// both when the message turns out not to authenticate.
func (r *receiver) open(counter, jump uint32) (seed [keySize]byte, next *receiver, err error) {
	switch {
	case counter < r.index:
		return r.recall(counter)
	case counter-r.index > jump || counter == math.MaxUint32:
		// The last counter is refused because none could follow it.
		return seed, nil, messaging.Invalid(ErrTooFar)
	}
	next = &receiver{public: r.public, key: r.key, index: counter + 1, skipped: r.skipped}
	if kept := min(counter-r.index, MaxSkipped); kept > 0 {
		next.skipped = make([]skipped, 0, min(len(r.skipped)+int(kept), MaxSkipped))
		room := MaxSkipped - int(kept)
		next.skipped = append(next.skipped, r.skipped[max(0, len(r.skipped)-room):]...)
	}
	for i := r.index; i < counter; i++ {
		if counter-i <= MaxSkipped {
			next.skipped = append(next.skipped, skipped{i, seedOf(&next.key)})
		}
		next.key = stepChain(&next.key)
	}
	seed = seedOf(&next.key)
	next.key = stepChain(&next.key)
	return seed, next, nil
}

// recall returns the seed of a message that was skipped.
func (r *receiver) recall(counter uint32) (seed [keySize]byte, next *receiver, err error) {
	at, found := slices.BinarySearchFunc(r.skipped, counter, func(s skipped, counter uint32) int {
		return int(int64(s.counter) - int64(counter))
	})
	if !found {
		return seed, nil, messaging.Invalid(ErrDuplicate)
	}
	next = &receiver{public: r.public, key: r.key, index: r.index}
	next.skipped = append(make([]skipped, 0, len(r.skipped)-1), r.skipped[:at]...)
	next.skipped = append(next.skipped, r.skipped[at+1:]...)
	return r.skipped[at].seed, next, nil
}
