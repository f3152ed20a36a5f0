package ratchet

import (
	"encoding/binary"
	"math"

	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	// stateVersion is the first byte of a stored State; another layout gets
	// another number (docs/protocol.md section 10.5).
	stateVersion = 1
	flagSelf     = 1

	skippedSize = 4 + keySize
	// MaxState is the largest stored State in bytes: five full chains, a full
	// post-quantum ratchet (at most 208 KiB) and everything else.
	MaxState = MaxChains*(128+MaxSkipped*skippedSize) + 208<<10 + 512
)

// AppendBinary appends the one encoding of s; it holds keys. Numbers are
// big-endian. Version, flags, both identity keys, root key; the sender chain:
// private key, chain key, counter, previous counter; the number of receiver
// chains, and for each, oldest first: ratchet key, chain key, counter, number of
// skipped seeds in 16 bits, each with its counter before it, ascending; the rest
// is the post-quantum ratchet's.
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, stateVersion, s.flags())
	b = s.remote.Append(s.local.Append(b))
	b = append(b, s.root[:]...)
	b = append(b, s.send.private.Bytes()...)
	b = append(b, s.send.key[:]...)
	b = binary.BigEndian.AppendUint32(b, s.send.index)
	b = binary.BigEndian.AppendUint32(b, s.previous)
	b = append(b, byte(len(s.receivers)))
	for _, r := range s.receivers {
		b = r.append(b)
	}
	return s.pq.AppendBinary(b)
}

func (s *State) flags() byte {
	if s.self {
		return flagSelf
	}
	return 0
}

func (r *receiver) append(b []byte) []byte {
	b = r.public.Append(b)
	b = append(b, r.key[:]...)
	b = binary.BigEndian.AppendUint32(b, r.index)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.skipped)))
	for i := range r.skipped {
		b = binary.BigEndian.AppendUint32(b, r.skipped[i].counter)
		b = append(b, r.skipped[i].seed[:]...)
	}
	return b
}

// Unmarshal reads what AppendBinary wrote and accepts nothing else; otherwise
// ErrState.
func Unmarshal(b []byte) (*State, error) {
	if len(b) > MaxState {
		return nil, ErrState
	}
	r := reader{rest: b}
	s := r.state()
	if r.bad {
		return nil, ErrState
	}
	var err error
	if s.pq, err = spqr.Unmarshal(r.rest); err != nil {
		return nil, ErrState
	}
	return s, nil
}

// reader takes a stored State apart. After the first fault it gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) uint8() (v uint8) {
	if b := r.take(1); b != nil {
		v = b[0]
	}
	return v
}

func (r *reader) uint16() (v uint16) {
	if b := r.take(2); b != nil {
		v = binary.BigEndian.Uint16(b)
	}
	return v
}

func (r *reader) uint32() (v uint32) {
	if b := r.take(4); b != nil {
		v = binary.BigEndian.Uint32(b)
	}
	return v
}

func (r *reader) key() (k [keySize]byte) {
	copy(k[:], r.take(keySize))
	return k
}

func (r *reader) check(ok bool) { r.bad = r.bad || !ok }

func (r *reader) state() *State {
	s := new(State)
	r.check(r.uint8() == stateVersion)
	flags := r.uint8()
	r.check(flags&^flagSelf == 0)
	s.self = flags&flagSelf != 0
	s.local = public[key.IdentityPublic](r, key.ParsePublic)
	s.remote = public[key.IdentityPublic](r, key.ParsePublic)
	s.root = r.key()
	s.send = r.sender()
	s.previous = r.uint32()
	chains := int(r.uint8())
	r.check(chains <= MaxChains)
	for i := 0; i < chains && !r.bad; i++ {
		c := r.receiver()
		r.check(s.find(c.public) < 0)
		s.receivers = append(s.receivers, c)
	}
	return s
}

// public reads a public key of any role.
func public[P any](r *reader, parse func([]byte) (P, error)) (p P) {
	b := r.take(key.PublicSize)
	if r.bad {
		return p
	}
	p, err := parse(b)
	r.check(err == nil)
	return p
}

func (r *reader) sender() (s sender) {
	b := r.take(key.PrivateSize)
	if r.bad {
		return s
	}
	private, err := key.NewPrivate[key.RoleRatchet](b)
	if err != nil || string(private.Bytes()) != string(b) {
		r.bad = true // a key that was not clamped is not one that we wrote
		return s
	}
	s.private, s.public = private, private.Public()
	s.key = r.key()
	s.index = r.uint32()
	return s
}

func (r *reader) receiver() *receiver {
	c := &receiver{public: public[key.RatchetPublic](r, key.ParsePublic), key: r.key(), index: r.uint32()}
	n := int(r.uint16())
	r.check(n <= MaxSkipped && n*skippedSize <= len(r.rest))
	if r.bad || n == 0 {
		return c
	}
	c.skipped = make([]skipped, n)
	floor := int64(math.MinInt64)
	for i := range c.skipped {
		c.skipped[i] = skipped{r.uint32(), r.key()}
		at := int64(c.skipped[i].counter)
		r.check(at > floor && at < int64(c.index))
		floor = at
	}
	return c
}
