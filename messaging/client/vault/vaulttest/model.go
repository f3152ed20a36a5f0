package vaulttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
)

// A model is what a vault should hold: kind and key to value.
type model map[string]string

func (m model) name(kind vault.Kind, key string) string { return string(rune(kind)) + key }

func (m model) clone() model {
	c := model{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

// scan is the plainest way to say what Scan does.
func (m model) scan(kind vault.Kind, in vault.Range) (lines []string) {
	prefix := string(rune(kind))
	for k, v := range m {
		key, ok := strings.CutPrefix(k, prefix)
		if !ok || key < string(in.From) || len(in.To) > 0 && key >= string(in.To) {
			continue
		}
		if in.KeysOnly {
			v = ""
		}
		lines = append(lines, fmt.Sprintf("%q=%q", key, v))
	}
	slices.Sort(lines)
	if in.Reverse {
		slices.Reverse(lines)
	}
	return lines
}

func scan(r vault.Reader, kind vault.Kind, in vault.Range) (lines []string, err error) {
	for record, err := range r.Scan(kind, in) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%q=%q", record.Key, record.Value))
	}
	return lines, nil
}

// A writer is what a batch and a Tx have in common.
type writer interface {
	Put(kind vault.Kind, key, value []byte) error
	Delete(kind vault.Kind, key []byte) error
}

// change makes some random changes to the writer and to the model.
func (m model) change(rng *rand.Rand, w writer, n int) {
	for range n {
		kind, key := vault.Kind(1+rng.IntN(3)), randomKey(rng)
		if rng.IntN(3) == 0 {
			w.Delete(kind, []byte(key))
			delete(m, m.name(kind, key))
			continue
		}
		value := strings.Repeat(string(rune('a'+rng.IntN(26))), rng.IntN(40))
		w.Put(kind, []byte(key), []byte(value))
		m[m.name(kind, key)] = value
	}
}

// randomKey draws from few keys, some of them prefixes of others, so that
// changes meet. All are plain ASCII, so the model's order is the byte order.
func randomKey(rng *rand.Rand) string {
	return strings.Repeat(string(rune('a'+rng.IntN(6))), rng.IntN(4)) + string(rune('0'+rng.IntN(4)))
}

func randomRange(rng *rand.Rand) vault.Range {
	r := vault.Range{Reverse: rng.IntN(2) == 0, KeysOnly: rng.IntN(4) == 0}
	if rng.IntN(3) > 0 {
		r.From = []byte(randomKey(rng))
	}
	if rng.IntN(3) > 0 {
		r.To = []byte(randomKey(rng))
	}
	return r
}

// check compares the reader with the model in many ranges.
func (m model) check(t *testing.T, rng *rand.Rand, r vault.Reader) {
	t.Helper()
	for kind := vault.Kind(1); kind <= 4; kind++ {
		for i := range 8 {
			var in vault.Range
			if i > 0 {
				in = randomRange(rng)
			}
			got, err := scan(r, kind, in)
			if want := m.scan(kind, in); err != nil || !slices.Equal(got, want) {
				t.Fatalf("kind %d, %q to %q, reverse %v: got %v (%v), want %v",
					kind, in.From, in.To, in.Reverse, got, err, want)
			}
		}
		key := randomKey(rng)
		value, err := r.Get(kind, []byte(key))
		want, ok := m[m.name(kind, key)]
		if (err == nil) != ok || string(value) != want {
			t.Fatalf("kind %d, %q: got %q (%v), want %q (%v)", kind, key, value, err, want, ok)
		}
	}
}

// seeded returns a random source whose seed is printed when the test fails.
func seeded(t *testing.T, seed uint64) *rand.Rand {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
