package vaulttest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
)

func testWrongKey(t *testing.T, s Sealed) {
	v := open(t, s)
	put(t, v, 1, "a", "1")
	before := stateHash(t, v)
	v.Close()
	_, err := s.OpenWrong(t.Context())
	if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, vault.ErrKey) {
		t.Errorf("another key: %v", err)
	}
	if err != nil && err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("the error says %q", err)
	}
	if stateHash(t, open(t, s)) != before {
		t.Error("a wrong key changed the vault")
	}
}

func testNothingReadable(t *testing.T, s Sealed) {
	v := open(t, s)
	const key, value = "a key to be hidden", "a value to be hidden"
	put(t, v, 1, key, value)
	put(t, v, 2, key, value)
	v.Close()
	stored, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{key, value, key[:6], value[:6]} {
		if bytes.Contains(stored, []byte(word)) {
			t.Errorf("%q stands in the file", word)
		}
	}
}

// history fills a store and returns the state after each commit. When it
// replaces nothing, every stored byte is needed.
func history(t *testing.T, s Sealed, replace bool) (stored []byte, states [][32]byte) {
	t.Helper()
	v := open(t, s)
	states = append(states, stateHash(t, v))
	for _, value := range []string{"one", "two", "three"} {
		var b vault.Batch
		b.Put(vault.KindMessage, []byte(value), []byte("text"))
		if replace {
			b.Put(vault.KindSession, []byte("peer"), []byte("session "+value))
		}
		commit(t, v, &b)
		states = append(states, stateHash(t, v))
	}
	v.Close()
	stored, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return stored, states
}

// What an altered store may do.
const (
	refused = "refused" // when opened or when read, as a stranger's input
	cut     = "cut"     // shows the last commit but one, and says so
	whole   = "whole"   // shows the last commit
)

// outcome opens an altered store. Anything but the three is an error.
func outcome(t *testing.T, s Sealed, altered []byte, states [][32]byte) string {
	t.Helper()
	if err := s.Save(altered); err != nil {
		t.Fatal(err)
	}
	v, err := s.Open(t.Context())
	if err != nil {
		return refusal(t, err)
	}
	defer v.Close()
	var sum [32]byte
	err = v.View(t.Context(), func(r vault.Reader) (err error) {
		sum, err = vault.StateHash(r)
		return err
	})
	if err != nil {
		return refusal(t, err)
	}
	switch at := slices.Index(states, sum); {
	case at == len(states)-1:
		return whole
	case at == len(states)-2 && recovered(v) != 0:
		return cut
	default:
		t.Errorf("state %d of %d was shown, %d bytes reported as cut", at, len(states)-1, recovered(v))
		return ""
	}
}

func refusal(t *testing.T, err error) string {
	t.Helper()
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("refused with: %v", err)
	}
	return refused
}

// recovered is what the store says it had to cut; -1 if it does not tell.
func recovered(v vault.Vault) int64 {
	if r, ok := v.(interface{ Recovered() int64 }); ok {
		return r.Recovered()
	}
	return -1
}

// testFlips alters every byte, first where all are needed, so that all must be
// noticed, then where some belong to records that were replaced.
func testFlips(t *testing.T, s Sealed) {
	stored, states := history(t, s, false)
	for i := range stored {
		if outcome(t, s, flipped(stored, i), states) == whole {
			t.Errorf("byte %d of %d was flipped and nobody saw it", i, len(stored))
		}
	}
	if got := outcome(t, s, stored, states); got != whole {
		t.Errorf("the unaltered store was %s", got)
	}
}

func testFlipsReplaced(t *testing.T, s Sealed) {
	stored, states := history(t, s, true)
	for i := range stored {
		outcome(t, s, flipped(stored, i), states)
	}
}

func flipped(stored []byte, i int) []byte {
	b := slices.Clone(stored)
	b[i] ^= 1 << (i % 8)
	return b
}

// testLengths cuts the store at every length: each is refused, or shows a state
// that was committed.
func testLengths(t *testing.T, s Sealed) {
	stored, states := history(t, s, true)
	for n := range stored {
		if err := s.Save(stored[:n]); err != nil {
			t.Fatal(err)
		}
		v, err := s.Open(t.Context())
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Errorf("cut at %d: %v", n, err)
			}
			continue
		}
		if at := slices.Index(states, stateHash(t, v)); at < 0 || at == len(states)-1 {
			t.Errorf("cut at %d shows state %d", n, at)
		}
		v.Close()
	}
}
