package spqr

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// sends is the message type and the next phase that a send leads to.
var sends = map[phase]struct {
	kind messageType
	next phase
}{
	keysUnsampled:         {typeHeader, keysSampled},
	keysSampled:           {typeHeader, keysSampled},
	headerSent:            {typeVector, headerSent},
	ct1Received:           {typeVecAck, ct1Received},
	keySentCt1Received:    {typeAck, keySentCt1Received},
	noHeaderReceived:      {typeNone, noHeaderReceived},
	headerReceived:        {typeCt1, ct1Sampled},
	ct1Sampled:            {typeCt1, ct1Sampled},
	keyReceivedCt1Sampled: {typeCt1, keyReceivedCt1Sampled},
	ct1Acknowledged:       {typeNone, ct1Acknowledged},
	ct2Sampled:            {typeCt2, ct2Sampled},
}

func TestSendInEachPhase(t *testing.T) {
	t.Parallel()
	for p, want := range sends {
		s := inPhase(t, p)
		epoch, next := s.Epoch(), uint16(0)
		if p != keysUnsampled && p != headerReceived {
			next = s.machine.sent
		}
		m := commitSend(t, s, draws(9))
		h, err := parseHeader(m.header)
		if err != nil || h.kind != want.kind || h.epoch != epoch || s.machine.phase != want.next {
			t.Errorf("phase %d: type %d in epoch %d, then phase %d (%v)", p, h.kind, h.epoch, s.machine.phase, err)
		}
		if h.kind.hasChunk() && (h.chunk.index != next || s.machine.sent != next+1) {
			t.Errorf("phase %d: chunk %d, then %d", p, h.chunk.index, s.machine.sent)
		}
	}
}

// effect is what a receive does to the exchange.
type effect int

const (
	nothing effect = iota
	adds
	moves
)

// receives is the table of docs/protocol.md section 11 for headers of the same
// epoch, with a chunk that does not complete a message.
var receives = map[phase]map[messageType]struct {
	effect effect
	next   phase
}{
	keysUnsampled:         {},
	keysSampled:           {typeCt1: {moves, headerSent}},
	headerSent:            {typeCt1: {adds, headerSent}},
	ct1Received:           {typeCt2: {moves, keySentCt1Received}},
	keySentCt1Received:    {typeCt2: {adds, keySentCt1Received}},
	noHeaderReceived:      {typeHeader: {adds, noHeaderReceived}},
	headerReceived:        {},
	ct1Sampled:            {typeVector: {adds, ct1Sampled}, typeVecAck: {moves, ct1Acknowledged}},
	keyReceivedCt1Sampled: {typeVecAck: {moves, ct2Sampled}, typeAck: {moves, ct2Sampled}},
	ct1Acknowledged:       {typeVector: {adds, ct1Acknowledged}, typeVecAck: {adds, ct1Acknowledged}},
	ct2Sampled:            {},
}

// TestReceiveInEachPhase: each phase with each type, of an older, the same, the
// next and a later epoch.
func TestReceiveInEachPhase(t *testing.T) {
	t.Parallel()
	for p := keysUnsampled; p < phaseEnd; p++ {
		s := inPhase(t, p)
		for kind := typeNone; kind < typeUnknown; kind++ {
			t.Run(fmt.Sprintf("phase %d type %d", p, kind), func(t *testing.T) {
				same := received(t, s, s.Epoch(), kind)
				want, listed := receives[p][kind]
				if !listed {
					want.next = p
				}
				if same.machine.phase != want.next || same.Epoch() != s.Epoch() {
					t.Errorf("same epoch: phase %d in epoch %d", same.machine.phase, same.Epoch())
				}
				if before, after := len(s.machine.chunks), len(same.machine.chunks); want.effect == adds && after != before+1 ||
					want.effect == nothing && after != before {
					t.Errorf("same epoch: %d chunks become %d", before, after)
				}
				older := received(t, s, s.Epoch()-1, kind)
				if !bytes.Equal(machineOf(older), machineOf(s)) {
					t.Error("an older epoch changes the exchange")
				}
				next := received(t, s, s.Epoch()+1, kind)
				switch {
				case p != ct2Sampled && next != nil:
					t.Error("an epoch ahead is received")
				case p == ct2Sampled && (next.machine.phase != keysUnsampled || next.Epoch() != s.Epoch()+1):
					t.Errorf("next epoch: phase %d in epoch %d", next.machine.phase, next.Epoch())
				}
				if received(t, s, s.Epoch()+2, kind) != nil || received(t, s, 1<<63, kind) != nil {
					t.Error("an epoch far ahead is received")
				}
			})
		}
	}
}

func machineOf(s *State) []byte { return s.machine.append(nil) }

// received returns what becomes of a copy of the state after a header with a
// chunk it does not hold yet, or nil when the epoch is refused.
func received(t *testing.T, s *State, epoch uint64, kind messageType) *State {
	t.Helper()
	s = reload(t, s)
	h := header{epoch: epoch, index: 1, kind: kind, chunk: chunk{index: 40_000}}
	if l := s.chain.link(epoch - 1); l != nil {
		h.index = l.recv.counter + 1
	}
	step, err := s.Receive(h.append(nil))
	if errors.Is(err, ErrEpoch) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	step.Commit()
	return s
}

// TestRepeatedChunk: a chunk already held adds nothing, but its type still tells
// that ct1 has arrived.
func TestRepeatedChunk(t *testing.T) {
	t.Parallel()
	for _, p := range []phase{headerSent, keySentCt1Received, noHeaderReceived, ct1Sampled, ct1Acknowledged} {
		kind := map[phase]messageType{
			headerSent: typeCt1, keySentCt1Received: typeCt2, noHeaderReceived: typeHeader,
			ct1Sampled: typeVector, ct1Acknowledged: typeVecAck,
		}[p]
		s := inPhase(t, p)
		before := machineOf(s)
		h := header{epoch: s.Epoch(), kind: kind, chunk: s.machine.chunks[0]}
		h.index = s.chain.link(h.epoch-1).recv.counter + 1
		commitReceive(t, s, h.append(nil))
		if !bytes.Equal(machineOf(s), before) {
			t.Errorf("phase %d: a repeated chunk changes the state", p)
		}
	}
	s := inPhase(t, ct1Sampled)
	held := len(s.machine.chunks)
	h := header{epoch: s.Epoch(), kind: typeVecAck, chunk: s.machine.chunks[0]}
	h.index = s.chain.link(h.epoch-1).recv.counter + 1
	commitReceive(t, s, h.append(nil))
	if s.machine.phase != ct1Acknowledged || len(s.machine.chunks) != held {
		t.Errorf("phase %d with %d chunks", s.machine.phase, len(s.machine.chunks))
	}
}

// completing runs an exchange until the next message would complete what the
// side collects in phase p, and returns the side and that message's header.
func completing(t *testing.T, p phase) (*State, header) {
	t.Helper()
	alice, bob := newPair(t, Config{}, Config{})
	rng := draws(31)
	for range 300 {
		for _, d := range [2][2]*State{{alice, bob}, {bob, alice}} {
			m := commitSend(t, d[0], rng)
			to := d[1].machine
			if to.phase == p && d[1].Epoch() > 1 && len(to.chunks) == p.shape().collects-1 {
				h, err := parseHeader(m.header)
				if err != nil {
					t.Fatal(err)
				}
				return d[1], h
			}
			if p != ct1Sampled || !loseFor(keyReceivedCt1Sampled, m.header) {
				deliver(t, d[1], m)
			}
		}
	}
	t.Fatalf("phase %d is not reached", p)
	return nil, header{}
}

// TestCorruptedExchange: one bit of a key's header, a ciphertext or a key
// changed on the way is found when it is complete, and nothing is stored.
func TestCorruptedExchange(t *testing.T) {
	t.Parallel()
	for p, reason := range map[phase]error{
		noHeaderReceived:   ErrMAC,
		keySentCt1Received: ErrMAC,
		ct1Sampled:         ErrEncapsulationKey,
		ct1Acknowledged:    ErrEncapsulationKey,
	} {
		s, h := completing(t, p)
		for _, at := range []int{0, 15, 31} {
			bad := h
			bad.chunk.data[at] ^= 0x10
			refused(t, s, bad.append(nil), reason)
		}
		good, err := reload(t, s).Receive(h.append(nil))
		if err != nil || good.plan().move.next == nil {
			t.Errorf("phase %d: the right chunk does not complete it: %v", p, err)
		}
		s.machine.chunks[0].data[7] ^= 1
		refused(t, s, h.append(nil), reason)
	}
}

// TestCorruptedCt1: a wrong ct1 is decapsulated to a secret that fails the MAC.
func TestCorruptedCt1(t *testing.T) {
	t.Parallel()
	s, h := completing(t, keySentCt1Received)
	s.machine.ct1[100] ^= 4
	refused(t, s, h.append(nil), ErrMAC)
}

// TestSendingGoesOn: ct1 and the vector go on with the next chunk when the other
// side's message is complete.
func TestSendingGoesOn(t *testing.T) {
	t.Parallel()
	for p, next := range map[phase]phase{ct1Sampled: keyReceivedCt1Sampled, headerSent: ct1Received} {
		s, h := completing(t, p)
		h.kind = map[phase]messageType{ct1Sampled: typeVector, headerSent: typeCt1}[p]
		sent := s.machine.sent
		commitReceive(t, s, h.append(nil))
		if s.machine.phase != next || sent == 0 {
			t.Fatalf("phase %d leads to %d after %d chunks", p, s.machine.phase, sent)
		}
		m, err := parseHeader(commitSend(t, s, nil).header)
		if err != nil || m.chunk.index != sent {
			t.Errorf("phase %d: chunk %d follows %d", p, m.chunk.index, sent-1)
		}
	}
}

// TestKeyNotAnnounced: the vector of another key, and one that matches its hash
// but has a coefficient of 3329, are refused.
func TestKeyNotAnnounced(t *testing.T) {
	t.Parallel()
	keys, err := expandKey(new([seedSize]byte))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := announcedKey(&keys.header, keys.vector); err != nil {
		t.Fatal(err)
	}
	other, err := expandKey(&[seedSize]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := announcedKey(&keys.header, other.vector); !errors.Is(err, ErrEncapsulationKey) {
		t.Errorf("another key: %v", err)
	}
	bad := bytes.Clone(keys.vector)
	bad[0], bad[1] = 3329&0xFF, bad[1]&0xF0|3329>>8
	header := rehash(keys.header, bad)
	if _, err := announcedKey(&header, bad); !errors.Is(err, ErrEncapsulationKey) {
		t.Errorf("a coefficient of 3329: %v", err)
	}
}

// TestFailingRandomness: no step, no change.
func TestFailingRandomness(t *testing.T) {
	t.Parallel()
	for p, size := range map[phase]int{keysUnsampled: seedSize, headerReceived: entropySize} {
		s := inPhase(t, p)
		before := stored(t, s)
		if _, err := s.Send(bytes.NewReader(make([]byte, size-1))); err == nil {
			t.Fatalf("phase %d: sent with too little randomness", p)
		}
		if !bytes.Equal(stored(t, s), before) {
			t.Fatal("state changed")
		}
		rest := bytes.NewReader(make([]byte, 100))
		if _, err := s.Send(rest); err != nil || rest.Len() != 100-size {
			t.Fatalf("phase %d: %d bytes drawn, %v", p, 100-rest.Len(), err)
		}
	}
}
