package spqr

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// everyState returns stored states of every kind.
func everyState(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for p := keysUnsampled; p < phaseEnd; p++ {
		all = append(all, stored(t, inPhase(t, p)))
	}
	for _, config := range []Config{{}, {AllowFallback: true}, {SelfSession: true}, {Disabled: true}} {
		alice, bob := newPair(t, config, config)
		all = append(all, stored(t, alice), stored(t, bob))
		commitSend(t, alice, draws(1))
		all = append(all, stored(t, alice))
	}
	_, bob := newPair(t, Config{}, Config{})
	commitReceive(t, bob, plain(1, 9))
	commitReceive(t, bob, plain(1, 4))
	return append(all, stored(t, bob))
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, b := range everyState(t) {
		s, err := Unmarshal(b)
		if err != nil {
			t.Fatalf("state of %d bytes: %v", len(b), err)
		}
		if !bytes.Equal(stored(t, s), b) {
			t.Error("parse then print is not the identity")
		}
		prefixed, err := s.AppendBinary([]byte("x"))
		if err != nil || !bytes.Equal(prefixed[1:], b) || prefixed[0] != 'x' {
			t.Error("AppendBinary does not append")
		}
	}
}

// TestRecordsCutOrChanged: no prefix and no extension is a state; a state with
// one changed byte is refused or is another state that is written the same.
func TestRecordsCutOrChanged(t *testing.T) {
	t.Parallel()
	for _, b := range everyState(t) {
		if _, err := Unmarshal(append(bytes.Clone(b), 0)); !errors.Is(err, ErrStateEncoding) {
			t.Fatalf("one byte more: %v", err)
		}
		for n := range b {
			if _, err := Unmarshal(b[:n]); !errors.Is(err, ErrStateEncoding) || !errors.Is(err, messaging.ErrInvalid) {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
			changed := bytes.Clone(b)
			for _, v := range []byte{0, 1, 0x7F, 0x80, 0xFF, b[n] ^ 1} {
				changed[n] = v
				if s, err := Unmarshal(changed); err == nil && !bytes.Equal(stored(t, s), changed) {
					t.Fatalf("byte %d set to %x: read, but written otherwise", n, v)
				}
			}
		}
	}
}

// TestImpossibleStates: what no sequence of messages leads to.
func TestImpossibleStates(t *testing.T) {
	t.Parallel()
	change := map[string]func(*State){
		"unknown phase":              func(s *State) { s.machine.phase = phaseEnd },
		"phase of the other side":    func(s *State) { s.machine.phase, s.machine.chunks = headerReceived, nil },
		"epoch of the other side":    func(s *State) { s.machine.epoch++ },
		"epoch 0":                    func(s *State) { s.machine.epoch = 0 },
		"epoch without end":          func(s *State) { s.machine.epoch = 1<<63 + 1 },
		"too many chunks":            func(s *State) { fillChunks(s, 30) },
		"no first chunk":             func(s *State) { s.machine.chunks = nil },
		"the same chunk twice":       func(s *State) { s.machine.chunks = append(s.machine.chunks, s.machine.chunks[0]) },
		"received, but demanding":    func(s *State) { s.agreement = demanded },
		"stored key of the counter":  func(s *State) { storeAt(s, s.chain.links[0].recv.counter) },
		"stored key ahead":           func(s *State) { storeAt(s, s.chain.links[0].recv.counter+5) },
		"stored keys not in order":   func(s *State) { storeAt(s, 2, 1) },
		"the same stored key twice":  func(s *State) { storeAt(s, 1, 1) },
		"stored key 0":               func(s *State) { storeAt(s, 0) },
		"stored key out of window":   func(s *State) { s.chain.links[0].recv.counter = 5000; storeAt(s, 2999) },
		"a link too few":             func(s *State) { s.chain.links = s.chain.links[1:] },
		"sent in an epoch too early": func(s *State) { s.chain.sendEpoch-- },
	}
	for name, spoil := range change {
		s := reload(t, inPhase(t, headerSent))
		if s.Epoch() < 2 || len(s.machine.chunks) == 0 {
			t.Fatal("not the state these changes are meant for")
		}
		spoil(s)
		if _, err := Unmarshal(stored(t, s)); !errors.Is(err, ErrStateEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fresh, _ := newPair(t, Config{}, Config{})
	short := stored(t, fresh)
	const epochAt = 3 // after format, flags and phase
	long := slices.Concat(short[:epochAt], []byte{0x81, 0}, short[epochAt+1:])
	for name, b := range map[string][]byte{
		"longer epoch":   long,
		"empty":          nil,
		"format 2":       {2, flagOff},
		"off and more":   {recordFormat, flagOff | flagSelf},
		"unknown flag":   {recordFormat, flagsEnd},
		"over the limit": make([]byte, maxRecord+1),
	} {
		if _, err := Unmarshal(b); !errors.Is(err, ErrStateEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fillChunks(s *State, n int) {
	s.machine.chunks = nil
	for i := range n {
		s.machine.chunks = append(s.machine.chunks, chunk{index: uint16(i)})
	}
}

func storeAt(s *State, indices ...uint32) {
	for _, index := range indices {
		s.chain.links[0].stored = append(s.chain.links[0].stored, storedKey{index: index})
	}
}

// TestLargestRecord: three full links stay below the ceiling.
func TestLargestRecord(t *testing.T) {
	t.Parallel()
	s := inPhase(t, ct1Acknowledged)
	for i := 0; len(s.machine.chunks) < vectorChunks-1; i++ {
		s.machine.chunks = append(s.machine.chunks, chunk{index: uint16(60_000 + i)})
	}
	if len(s.chain.links) != maxLinks {
		t.Fatalf("%d links", len(s.chain.links))
	}
	for _, l := range s.chain.links {
		l.recv.counter, l.stored = 4_000_000_000, nil
		l.send.counter = 4_000_000_000
		for i := range uint32(maxStored) {
			l.stored = append(l.stored, storedKey{index: l.recv.counter - maxStored + i})
		}
	}
	b := stored(t, s)
	if _, err := Unmarshal(b); err != nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	t.Logf("largest state: %d bytes", len(b))
}

// TestColdStates: a state read back makes what it did not store again, and sends
// what the one it was written from sends.
func TestColdStates(t *testing.T) {
	t.Parallel()
	for p := keysUnsampled; p < phaseEnd; p++ {
		warm := inPhase(t, p)
		cold := reload(t, warm)
		for i := range 40 {
			a, b := commitSend(t, warm, draws(5)), commitSend(t, cold, draws(5))
			if !bytes.Equal(a.header, b.header) || a.key != b.key {
				t.Fatalf("phase %d: message %d differs", p, i)
			}
		}
	}
}
