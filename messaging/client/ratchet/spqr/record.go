package spqr

import (
	"encoding/binary"
	"math"

	"github.com/sottochat/sotto/messaging"
)

// The stored form: format, flags, then the machine and the chain with the
// fields that the phase calls for, in a fixed order. Numbers are shortest
// varints; whatever follows from the rest (epochs of the chain, number of its
// links, the message being sent) is left out, so that each state has one form.
const (
	recordFormat = 1

	flagOff       = 1 << 0
	flagResponder = 1 << 1
	flagSelf      = 1 << 2
	flagDemanded  = 1 << 3
	flagOpen      = 1 << 4
	flagLagging   = 1 << 5 // nothing was sent in this epoch yet, but for the first
	flagsEnd      = 1 << 6
)

// maxRecord is more than the longest state takes: three links full of stored
// keys, 34 bytes each with the distance to the one before, are 205 kB.
const maxRecord = 208 << 10

// maxEpoch leaves room for the arithmetic on epochs; at one epoch a millisecond
// it is reached in 292 million years.
const maxEpoch = math.MaxInt64

// AppendBinary appends the state in the form that Unmarshal reads. It holds
// secrets.
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, recordFormat, s.flags())
	if s.off {
		return b, nil
	}
	b = s.machine.append(b)
	if s.agreement == open {
		return append(b, s.authKey[:]...), nil
	}
	return s.chain.append(b), nil
}

func (s *State) flags() (f byte) {
	if s.off {
		return flagOff
	}
	if s.side == Responder {
		f |= flagResponder
	}
	if s.self {
		f |= flagSelf
	}
	switch s.agreement {
	case demanded:
		f |= flagDemanded
	case open:
		f |= flagOpen
	}
	if s.chain != nil && s.chain.sendEpoch+1 < s.machine.epoch {
		f |= flagLagging
	}
	return f
}

func (m *machine) append(b []byte) []byte {
	b = append(b, byte(m.phase))
	b = binary.AppendUvarint(b, m.epoch)
	b = append(append(b, m.auth.root[:]...), m.auth.mac[:]...)
	shape := m.phase.shape()
	if shape.seed {
		b = append(b, m.seed[:]...)
	}
	b = append(b, m.ct1...)
	if shape.header {
		b = append(b, m.header[:]...)
	}
	if shape.entropy {
		b = append(b, m.entropy[:]...)
	}
	b = append(b, m.vector...)
	if shape.sends > 0 {
		b = binary.AppendUvarint(b, uint64(m.sent))
	}
	if shape.keepSend {
		b = append(b, m.message...)
	}
	if shape.collects > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.chunks)))
	}
	for i := range m.chunks {
		b = binary.AppendUvarint(b, uint64(m.chunks[i].index))
		b = append(b, m.chunks[i].data[:]...)
	}
	return b
}

func (c *keyChain) append(b []byte) []byte {
	b = append(b, c.nextRoot[:]...)
	for i, l := range c.links {
		b = l.recv.append(b)
		if c.firstEpoch()+uint64(i) >= c.sendEpoch {
			b = l.send.append(b)
		}
		b = l.stored.append(b, l.recv.counter)
	}
	return b
}

func (r *ratchet) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(r.counter))
	return append(b, r.key[:]...)
}

// append writes each index as its distance to the one before, the first one's
// to the last index that is too old to be kept.
func (s storedKeys) append(b []byte, counter uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	last := beforeStored(counter)
	for i := range s {
		b = binary.AppendUvarint(b, uint64(s[i].index-last))
		b = append(b, s[i].key[:]...)
		last = s[i].index
	}
	return b
}

func beforeStored(counter uint32) uint32 {
	if counter <= maxStored {
		return 0
	}
	return counter - maxStored - 1
}

// Unmarshal returns the state of which these are all the bytes. It refuses
// whatever AppendBinary would not write.
func Unmarshal(b []byte) (*State, error) {
	if len(b) > maxRecord {
		return nil, messaging.Invalid(ErrStateEncoding)
	}
	in := &input{rest: b, strict: true}
	s := in.state()
	if in.failed || len(in.rest) > 0 {
		return nil, messaging.Invalid(ErrStateEncoding)
	}
	return s, nil
}

func (in *input) state() *State {
	format, flags := in.byte(), in.byte()
	if format != recordFormat || flags >= flagsEnd {
		in.fail()
		return nil
	}
	if flags&flagOff != 0 {
		in.require(flags == flagOff)
		return &State{&core{off: true}}
	}
	s := &State{&core{side: Initiator, self: flags&flagSelf != 0}}
	if flags&flagResponder != 0 {
		s.side = Responder
	}
	s.machine = in.machine()
	in.require(s.machine.belongsTo(s.side))
	switch flags & (flagDemanded | flagOpen) {
	case flagDemanded:
		s.agreement = demanded
	case flagOpen:
		s.agreement = open
	case flagDemanded | flagOpen:
		in.fail()
	}
	in.require(s.agreement == agreed || s.machine.untouched())
	lagging := flags&flagLagging != 0
	if s.agreement == open {
		in.require(!lagging)
		s.authKey = new([keySize]byte)
		in.fill(s.authKey[:])
		return s
	}
	s.chain = in.chain(s.side, s.machine, lagging)
	in.require(s.agreement == agreed || s.chain.unreceived())
	return s
}

// require fails the input unless the condition holds.
func (in *input) require(holds bool) {
	if !holds {
		in.fail()
	}
}

// belongsTo tells whether this side has this phase in this epoch: the initiator
// is the key side in the first, and they take turns.
func (m *machine) belongsTo(side Direction) bool {
	initiatorsTurn := m.epoch%2 == 1
	return m.phase.keySide() == (initiatorsTurn == (side == Initiator))
}

// untouched tells whether the machine can be that of a side that has not
// received anything yet.
func (m *machine) untouched() bool {
	return m.epoch == 1 && len(m.chunks) == 0 && (m.phase <= keysSampled || m.phase == noHeaderReceived)
}

// unreceived tells whether no key of the peer's was used.
func (c *keyChain) unreceived() bool {
	return c != nil && len(c.links) == 1 && c.links[0].recv.counter == 0
}

func (in *input) machine() *machine {
	m := &machine{phase: phase(in.byte()), epoch: in.uvarint(maxEpoch)}
	in.require(m.phase > 0 && m.phase < phaseEnd && m.epoch > 0)
	in.fill(m.auth.root[:])
	in.fill(m.auth.mac[:])
	shape := m.phase.shape()
	if shape.seed {
		in.fill(m.seed[:])
	}
	if shape.ct1 {
		m.ct1 = in.bytes(ct1Size)
	}
	if shape.header {
		in.fill(m.header[:])
	}
	if shape.entropy {
		in.fill(m.entropy[:])
	}
	if shape.vector {
		m.vector = in.bytes(vectorSize)
	}
	if shape.sends > 0 {
		m.sent = uint16(in.uvarint(math.MaxUint16))
	}
	if shape.keepSend {
		m.message = in.bytes(shape.sends * chunkSize)
	}
	in.collected(m, shape)
	return m
}

func (in *input) collected(m *machine, s shape) {
	if s.collects == 0 {
		return
	}
	n := int(in.uvarint(uint64(s.collects - 1)))
	in.require(n > 0 || !s.begun)
	m.chunks = make([]chunk, 0, s.collects)
	for ; n > 0 && !in.failed; n-- {
		c := chunk{index: uint16(in.uvarint(math.MaxUint16))}
		in.fill(c.data[:])
		in.require(!m.holds(c.index))
		m.chunks = append(m.chunks, c)
	}
}

// chain reads the key chain that goes with a machine: its last epoch is the
// machine's from the moment that ct1 is made, the one before until then.
func (in *input) chain(side Direction, m *machine, lagging bool) *keyChain {
	if in.failed {
		return nil
	}
	c := &keyChain{side: side, epoch: m.epoch - 1, sendEpoch: m.epoch - 1}
	if m.phase >= ct1Sampled {
		c.epoch++
	}
	if lagging {
		in.require(c.sendEpoch > 0 && m.mayLag())
		c.sendEpoch--
	} else {
		in.require(c.sendEpoch == 0 || m.phase != keysUnsampled) // sending is what ends that phase
	}
	in.fill(c.nextRoot[:])
	first := c.sendEpoch - min(c.sendEpoch, 1)
	c.links = make([]*link, 0, maxLinks+1)
	for e := first; e <= c.epoch && !in.failed; e++ {
		c.links = append(c.links, in.link(e >= c.sendEpoch))
	}
	return c
}

// mayLag tells whether this phase can be reached before anything was sent in
// its epoch.
func (m *machine) mayLag() bool {
	return m.phase == keysUnsampled || m.phase == noHeaderReceived || m.phase == headerReceived
}

func (in *input) link(sends bool) *link {
	l := &link{recv: in.ratchet()}
	if sends {
		l.send = in.ratchet()
	}
	n := int(in.uvarint(maxStored))
	if in.failed || n > len(in.rest)/(1+keySize) {
		in.fail()
		return l
	}
	l.stored = make(storedKeys, n)
	last := beforeStored(l.recv.counter)
	for i := range l.stored {
		distance := uint32(in.uvarint(math.MaxUint32))
		in.require(distance > 0 && distance < l.recv.counter-last)
		last += distance
		l.stored[i].index = last
		in.fill(l.stored[i].key[:])
	}
	return l
}

func (in *input) ratchet() (r ratchet) {
	r.counter = uint32(in.uvarint(math.MaxUint32))
	in.fill(r.key[:])
	return r
}
