package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// stored is a vault on a fake disk, as its bytes.
type stored struct {
	bytes  []byte
	frames []int // where each begins
	sealer Sealer
}

// keep makes a vault of three commits, of records of equal sizes.
func keep(t *testing.T, key byte) stored {
	t.Helper()
	d := newFakeDisk()
	f, err := create(t.Context(), d, "vault", sealerOf(key))
	if err != nil {
		t.Fatal(err)
	}
	first := f.log.tail
	if first == 0 {
		first = f.log.size - prefixSize - dirFixed - tagSize
	}
	s := stored{sealer: sealerOf(key), frames: []int{int(first)}}
	for i := range 3 {
		s.frames = append(s.frames, int(f.log.size))
		var b Batch
		b.Put(KindMessage, []byte("first"), fmt.Appendf(nil, "value %d", i))
		b.Put(KindMessage, []byte("other"), fmt.Appendf(nil, "VALUE %d", i))
		if err := f.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	s.bytes = d.names["vault"].data
	return s
}

// frame is the i-th one, commit 0 included.
func (s stored) frame(i int) []byte {
	end := len(s.bytes)
	if i+1 < len(s.frames) {
		end = s.frames[i+1]
	}
	return slices.Clone(s.bytes[s.frames[i]:end])
}

// with puts other bytes in the place of a frame.
func (s stored) with(i int, b []byte) []byte {
	rest := s.bytes[s.frames[i]+len(s.frame(i)):]
	return slices.Concat(s.bytes[:s.frames[i]], b, rest)
}

func openBytes(b []byte, s Sealer) (*File, error) {
	d := newFakeDisk()
	d.names["vault"] = &fakeFile{disk: d, data: slices.Clone(b), durable: slices.Clone(b)}
	return open(context.Background(), d, "vault", s)
}

// TestForged: what a thief can do with the bytes of this vault, of an older
// copy and of another vault. Nothing is taken for a record that was not
// committed in this place.
func TestForged(t *testing.T) {
	t.Parallel()
	a, b := keep(t, 1), keep(t, 1)
	body := 2 * (len("value 0") + tagSize)
	value := body / 2
	swapped := a.frame(2)
	copy(swapped[len(swapped)-body:], a.frame(2)[len(swapped)-value:])
	copy(swapped[len(swapped)-value:], a.frame(2)[len(swapped)-body:])
	older := a.frame(2)
	copy(older[len(older)-body:], a.frame(1)[len(older)-body:])
	renamed := b.frame(2)
	copy(renamed, a.frame(2)[:idSize]) // carries this file's id
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"continuations of one copy spliced", spliced(t, a), ErrCorrupt},
		{"frames swapped", slices.Concat(a.bytes[:a.frames[1]], a.frame(2), a.frame(1), a.frame(3)), ErrCorrupt},
		{"frame left out", slices.Concat(a.bytes[:a.frames[2]], a.frame(3), a.frame(3)), ErrCorrupt},
		{"frame twice", slices.Concat(a.bytes[:a.frames[3]], a.frame(2), a.frame(3)), ErrCorrupt},
		{"values swapped", a.with(2, swapped), nil},
		{"values of an older commit", a.with(2, older), nil},
		{"frame of another vault", a.with(2, b.frame(2)), ErrCorrupt},
		{"frame of another vault, renamed", a.with(2, renamed), ErrCorrupt},
		{"frames under another header", slices.Concat(b.bytes[:b.frames[0]], a.bytes[a.frames[0]:]), ErrCorrupt},
		{"header id of another vault", slices.Concat(a.bytes[:len(magic)+2], b.bytes[len(magic)+2:len(magic)+2+idSize], a.bytes[len(magic)+2+idSize:]), ErrHeader},
		{"master key of another vault", slices.Concat(a.bytes[:headerFixed], b.bytes[headerFixed:headerFixed+rawSize], a.bytes[headerFixed+rawSize:]), ErrHeader},
		{"no commit 0", a.bytes[:a.frames[0]], ErrCorrupt},
		{"a frame gone from the front", slices.Concat(a.bytes[:a.frames[0]], a.bytes[a.frames[1]:]), ErrCorrupt},
		{"empty", nil, ErrHeader},
		{"text", []byte("not a vault at all, but long enough to be looked at by the parser"), ErrHeader},
	} {
		f, err := openBytes(c.bytes, a.sealer)
		if c.want != nil {
			if !errors.Is(err, c.want) || !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
				t.Errorf("%s: %v, precisely %v", c.name, err, reason(err))
			}
			continue
		}
		// The values of a frame in the middle are proven when they are read; the
		// last frame replaced them, so go back to where they counted.
		if err != nil {
			t.Errorf("%s: %v", c.name, reason(err))
			continue
		}
		f.Close()
		if f, err = openBytes(append(c.bytes[:a.frames[3]:a.frames[3]], delOnly(t, a)...), a.sealer); err == nil {
			_ = f.View(t.Context(), func(r Reader) error {
				if got, err := r.Get(KindMessage, []byte("first")); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: got %q, %v", c.name, got, err)
				}
				return nil
			})
		}
	}
}

// spliced takes commit 3 as it was made on this copy, and 4 and 5 as they were
// made on another one.
func spliced(t *testing.T, s stored) []byte {
	t.Helper()
	f, err := openBytes(s.bytes[:s.frames[3]], s.sealer)
	if err != nil {
		t.Fatal(err)
	}
	var end int64
	for i := range 3 {
		if i == 1 {
			end = f.log.size
		}
		var b Batch
		b.Put(KindMessage, []byte("first"), []byte{byte(i)})
		if err := f.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	return append(slices.Clone(s.bytes), f.disk.(*fakeDisk).names["vault"].data[end:]...)
}

// delOnly is a frame that may follow commit 2 and touches neither record.
func delOnly(t *testing.T, s stored) []byte {
	t.Helper()
	f, err := openBytes(s.bytes[:s.frames[3]], s.sealer)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Put(KindChat, []byte("x"), nil)
	if err := f.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return f.disk.(*fakeDisk).names["vault"].data[s.frames[3]:]
}

// TestBindings: a value opens under the vault, commit, number, kind and key that
// it was sealed under, and under none other, even if the frame's key leaked into
// another place.
func TestBindings(t *testing.T) {
	t.Parallel()
	k := keys{vault: [idSize]byte{1}, file: [idSize]byte{2}, secret: hide(new([32]byte))}
	sealed, d, _ := k.seal(nil, chain{}, 5, true, []named{{"\x01key", change{value: []byte("value")}}})
	aead := k.cipher((*[saltSize]byte)(sealed[idSize:]))
	other := k
	other.vault[0]++
	for _, c := range []struct {
		name   string
		keys   keys
		commit uint64
		index  uint32
		as     string
		ok     bool
	}{
		{"itself", k, 5, 0, "\x01key", true},
		{"vault", other, 5, 0, "\x01key", false},
		{"commit", k, 6, 0, "\x01key", false},
		{"number", k, 5, 1, "\x01key", false},
		{"kind", k, 5, 0, "\x02key", false},
		{"key", k, 5, 0, "\x01kez", false},
		{"longer key", k, 5, 0, "\x01key\x00", false},
	} {
		value := slices.Clone(sealed[len(sealed)-int(d.body()):])
		got, err := c.keys.openValue(aead, c.commit, c.index, c.as, value)
		if (err == nil) != c.ok || c.ok && string(got) != "value" || !c.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("another %s: %q, %v", c.name, got, err)
		}
	}
}

// TestRollback: an older copy of the whole file opens, and the number of
// commits tells.
func TestRollback(t *testing.T) {
	t.Parallel()
	s := keep(t, 1)
	for n, end := range append(slices.Clone(s.frames[1:]), len(s.bytes)) {
		f, err := openBytes(s.bytes[:end], s.sealer)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := look(f); got != uint64(n) || f.Recovered() != 0 {
			t.Errorf("cut after commit %d: shows %d, recovered %d", n, got, f.Recovered())
		}
	}
}

// TestMiddle: damage with a frame behind it refuses the vault, however the
// damaged frame announces its length; the same damage to the last frame is cut.
func TestMiddle(t *testing.T) {
	t.Parallel()
	s := keep(t, 1)
	lengths := []int{idSize + saltSize, idSize + saltSize + 4}
	for frame := 1; frame <= 3; frame++ {
		for _, at := range append(lengths, 0, idSize, prefixSize) {
			for _, v := range []uint32{0, 1, 1 << 12, maxPart, 1<<32 - 1} {
				b := s.frame(frame)
				binary.BigEndian.PutUint32(b[at:], v)
				f, err := openBytes(s.with(frame, b), s.sealer)
				if frame < 3 {
					if !errors.Is(err, ErrCorrupt) {
						t.Errorf("frame %d, %d at %d: %v", frame, v, at, err)
					}
					continue
				}
				if err != nil || f.Recovered() != int64(len(b)) {
					t.Errorf("last frame, %d at %d: %v", v, at, err)
				}
			}
		}
	}
	long := append(slices.Clone(s.bytes), make([]byte, maxFrame+1)...)
	if _, err := openBytes(long, s.sealer); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a tail longer than any frame: %v", err)
	}
	// An id across the border of two windows of the search.
	far := append(slices.Clone(s.bytes), make([]byte, 1<<20+100)...)
	copy(far[len(s.bytes)+1<<20-3:], s.bytes[s.frames[0]:s.frames[0]+idSize])
	if _, err := openBytes(far, s.sealer); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a frame far behind: %v", err)
	}
}

// TestTornBase: a compacted file is synced before it has its name, so no crash
// explains a missing part of it.
func TestTornBase(t *testing.T) {
	t.Parallel()
	d := newFakeDisk()
	f, err := create(t.Context(), d, "vault", sealerOf(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		var b Batch
		b.Put(KindMessage, []byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, chunk*3/4))
		if err := f.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole := d.names["vault"].data
	if n := bytes.Count(whole, whole[len(magic)+2+idSize:][:idSize]); n < 3 {
		t.Fatalf("the id stands %d times: too few frames", n)
	}
	_, before, _ := look(f)
	for cut := 1; cut < len(whole)-1000; cut += 40_000 {
		if _, err := openBytes(whole[:len(whole)-cut], sealerOf(1)); !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%d bytes cut: %v", cut, err)
		}
	}
	g, err := openBytes(whole, sealerOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if n, sum, err := look(g); n != 4 || sum != before || err != nil {
		t.Errorf("%d commits, %v", n, err)
	}
}

// TestFrameKeys: the key of a frame is new even where an older copy of the file
// is continued, or a torn commit is made again.
func TestFrameKeys(t *testing.T) {
	t.Parallel()
	s := keep(t, 1)
	seen := map[string]bool{}
	for range 3 {
		f, err := openBytes(s.bytes[:len(s.bytes)-1], s.sealer) // the last commit is torn
		if err != nil {
			t.Fatal(err)
		}
		var b Batch
		b.Put(KindMessage, []byte("first"), []byte("value 2"))
		if err := f.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		data := f.disk.(*fakeDisk).names["vault"].data[s.frames[3]:]
		salt, sealed := string(data[idSize:][:saltSize]), string(data[prefixSize:])
		if seen[salt] || seen[sealed] {
			t.Error("a key was used twice")
		}
		seen[salt], seen[sealed] = true, true
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	cost := Cost{Time: 1, Memory: minMemory, Threads: 1}
	right := Passphrase([]byte("correct horse"), cost)
	d := newFakeDisk()
	f, err := create(t.Context(), d, "vault", right)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Put(KindChat, []byte("k"), []byte("v"))
	if err := f.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	_, want, _ := look(f)
	whole := d.names["vault"].data
	// The cost is the file's, not the caller's.
	g, err := openBytes(whole, Passphrase([]byte("correct horse"), DefaultCost()))
	if err != nil {
		t.Fatal(err)
	}
	if _, sum, _ := look(g); sum != want {
		t.Error("other records")
	}
	for _, s := range []Sealer{Passphrase([]byte("Correct horse"), cost), Passphrase(nil, cost), sealerOf(1)} {
		if _, err := openBytes(whole, s); !errors.Is(err, ErrKey) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("a wrong one: %v", err)
		}
	}
	for at := headerFixed; at < headerFixed+passphraseSize; at++ {
		altered := slices.Clone(whole)
		altered[at] ^= 1
		_, err := openBytes(altered, right)
		if !errors.Is(err, ErrKey) && !errors.Is(err, ErrCost) || err.Error() != messaging.ErrInvalid.Error() {
			t.Errorf("byte %d of the wrapped key: %v", at-headerFixed, err)
		}
	}
}

// TestCost: absurd parameters are refused before memory is asked for them. It
// is not parallel because it counts allocations.
func TestCost(t *testing.T) {
	p := Passphrase([]byte("x"), Cost{Time: 1, Memory: minMemory, Threads: 1})
	wrapped, err := p.Wrap(t.Context(), new([32]byte))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Cost{
		{0, minMemory, 1}, {maxTime + 1, minMemory, 1}, {1 << 31, minMemory, 1},
		{1, minMemory - 1, 1}, {1, 0, 1}, {1, maxMemory + 1, 1}, {1, 1<<32 - 1, 1},
		{1, minMemory, 0}, {1, minMemory, maxThreads + 1},
	} {
		altered := slices.Clone(wrapped)
		binary.BigEndian.PutUint32(altered[1:], c.Time)
		binary.BigEndian.PutUint32(altered[5:], c.Memory)
		altered[9] = c.Threads
		var refusal error
		spent := testing.AllocsPerRun(1, func() { _, refusal = p.Unwrap(t.Context(), altered) })
		if !errors.Is(refusal, ErrCost) || !errors.Is(refusal, messaging.ErrInvalid) || spent > 4 {
			t.Errorf("%+v: %v, %v allocations", c, refusal, spent)
		}
		if _, err := Passphrase([]byte("x"), c).Wrap(t.Context(), new([32]byte)); !errors.Is(err, ErrCost) {
			t.Errorf("%+v was taken: %v", c, err)
		}
	}
	if DefaultCost().check() != nil {
		t.Error("the default is out of bounds")
	}
}

// TestNothingPrinted prints everything that holds a secret with every verb.
func TestNothingPrinted(t *testing.T) {
	t.Parallel()
	secret := [32]byte([]byte("0123456789abcdef0123456789ABCDEF"))
	d := newFakeDisk()
	f, err := create(t.Context(), d, "vault", RawKey(secret))
	if err != nil {
		t.Fatal(err)
	}
	master := *f.master()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, value := range []any{RawKey(secret), Passphrase(secret[:], DefaultCost()), f, f.log, f.log.keys, &f.log.keys} {
			text := fmt.Sprintf(verb, value)
			for _, key := range [][]byte{secret[:], master[:], f.log.keys.secret()[:]} {
				for _, form := range []string{string(key), fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), fmt.Sprint(key)[1:60], fmt.Sprintf("%#v", key)[7:60]} {
					if bytes.Contains([]byte(text), []byte(form)) {
						t.Errorf("%s of %T shows a key", verb, value)
					}
				}
			}
		}
	}
}
