package session_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sottochat/sotto/messaging/client/session"
)

// records are stored records of every shape.
func records(t testing.TB) map[string][]byte {
	t.Helper()
	alice, bob := pair(t, 40)
	out := map[string][]byte{"empty": encode(t, nil)}
	alice.start(t, bob, offer{})
	out["started"] = encode(t, alice.rec)
	alice.start(t, bob, offer{oneTime: true})
	out["started twice"] = encode(t, alice.rec)
	bob.read(t, alice, alice.send(t, bob, "x"))
	out["accepted"] = encode(t, bob.rec)
	late := alice.send(t, bob, "late")
	bob.read(t, alice, alice.send(t, bob, "y"))
	alice.read(t, bob, bob.send(t, alice, "z"))
	out["skipped"] = encode(t, bob.rec)
	bob.read(t, alice, late)
	out["answered"] = encode(t, alice.rec)
	out["archived"] = encode(t, alice.rec.Archive())
	return out
}

func TestStoredRecords(t *testing.T) {
	t.Parallel()
	for name, b := range records(t) {
		rec := must(session.ParseRecord(b))(t)
		if again := must(rec.AppendBinary([]byte("prefix")))(t); string(again) != "prefix"+string(b) {
			t.Errorf("%s: stored again it differs", name)
		}
		for n := range b {
			canonical(t, b[:n])
		}
		canonical(t, append(bytes.Clone(b), 0))
		for i := range b {
			flipped := bytes.Clone(b)
			flipped[i] ^= 0x81
			canonical(t, flipped)
		}
	}
}

// canonical checks that b is refused or is exactly what would be stored.
func canonical(t testing.TB, b []byte) {
	t.Helper()
	rec, err := session.ParseRecord(b)
	if err != nil {
		if !errors.Is(err, session.ErrRecord) || rec != nil {
			t.Fatalf("received %v, %v", rec, err)
		}
		return
	}
	if again := encode(t, rec); !bytes.Equal(again, b) {
		t.Fatalf("accepted\n%x\nand stores\n%x", b, again)
	}
}

func TestStoredRecordsRefuse(t *testing.T) {
	t.Parallel()
	all := records(t)
	tag := 6 + 33 + 4 // of the pending handshake of the first session
	archived := all["archived"][2:]
	many := []byte{1, 0}
	for range session.MaxArchived + 1 {
		many = append(many, archived[:4+binary.BigEndian.Uint32(archived)]...)
	}
	change := func(name string, f func(b []byte)) []byte {
		b := bytes.Clone(all[name])
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"no flag":           {1},
		"version 2":         change("empty", func(b []byte) { b[0] = 2 }),
		"flag 2":            change("answered", func(b []byte) { b[1] = 2 }),
		"current missing":   change("empty", func(b []byte) { b[1] = 1 }),
		"pending, archived": change("started", func(b []byte) { b[1] = 0 }),
		"unknown tag":       change("started", func(b []byte) { b[tag] = 3 }),
		"tag of another":    change("started", func(b []byte) { b[tag] = 2 }),
		"length too long":   change("answered", func(b []byte) { b[5]++ }),
		"length of 4 GiB":   change("answered", func(b []byte) { copy(b[2:], "\xff\xff\xff\xff") }),
		"41 archived":       many,
		"over the ceiling":  make([]byte, session.MaxRecord+1),
	} {
		if _, err := session.ParseRecord(b); !errors.Is(err, session.ErrRecord) {
			t.Errorf("%s: received %v", name, err)
		}
	}
	if _, err := session.ParseRecord(many[:len(many)-len(many)/(session.MaxArchived+1)]); err != nil {
		t.Errorf("40 archived: received %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, b := range records(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b) })
}

func TestEmptyRecord(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 41)
	for _, rec := range []*session.Record{nil, new(session.Record), must(session.ParseRecord(encode(t, nil)))(t)} {
		if rec.Usable(bob.peer(), epoch) || rec.Registration() != 0 || sessions(t, rec.Archive()) != 0 {
			t.Error("an empty record has something")
		}
		if _, _, err := alice.Encrypt(alice.rand, rec, bob.peer(), nil, epoch); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("encrypt: received %v", err)
		}
		m := session.Message{Kind: session.KindSignal, Body: bob.send(t, alice, "x").Body}
		if _, err := alice.Decrypt(alice.rand, rec, bob.peer(), m, alice.keys); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("decrypt: received %v", err)
		}
	}
}

// A Record may be read from several places at once; the race detector watches.
func TestRecordsAreShared(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 42)
	m := alice.send(t, bob, "x")
	alice.rec = must(session.ParseRecord(encode(t, alice.rec)))(t) // nothing is cached yet
	before := encode(t, alice.rec)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, _, err := alice.Encrypt(seeded(uint64(i)), alice.rec, bob.peer(), nil, epoch); err != nil {
				t.Error(err)
			}
			if _, err := bob.Decrypt(seeded(uint64(i)), bob.rec, alice.peer(), m, bob.keys); err != nil {
				t.Error(err)
			}
			encode(t, alice.rec.Archive())
		})
	}
	all.Wait()
	if !bytes.Equal(before, encode(t, alice.rec)) {
		t.Fatal("the record changed")
	}
}

func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	alice, bob := talk(t, 43)
	got := bob.read(t, alice, alice.send(t, bob, "171 is ab"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{alice.rec, *alice.rec, got, &got, struct{ R *session.Record }{alice.rec}, alice.Identity} {
			if s := fmt.Sprintf(verb, v); len(s) > 80 || strings.Contains(s, "171") {
				t.Errorf("%s prints %q", verb, s)
			}
		}
	}
}

// What one message allocates in an established chain. The number may fall; a
// rise has to be wanted. One is the plaintext or the message itself.
func TestAllocations(t *testing.T) {
	alice, bob := settled(t, 44)
	m := alice.send(t, bob, string(text))
	for name, c := range map[string]struct {
		most float64
		do   func() error
	}{
		"encrypt": {24, func() error {
			_, _, err := alice.Encrypt(alice.rand, alice.rec, bob.peer(), text, epoch)
			return err
		}},
		"decrypt": {24, func() error {
			_, err := bob.Decrypt(bob.rand, bob.rec, alice.peer(), m, bob.keys)
			return err
		}},
	} {
		n := testing.AllocsPerRun(50, func() {
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
		})
		if n > c.most {
			t.Errorf("%s: %v allocations, at most %v were wanted", name, n, c.most)
		}
		t.Logf("%s: %v allocations", name, n)
	}
}

// What a record takes in the vault. The ceilings are those of one session.
func TestSizes(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, 45)
	size := func(what string, d *device, most int) {
		t.Helper()
		n := len(encode(t, d.rec))
		t.Logf("%s: %d bytes", what, n)
		if n > most {
			t.Errorf("%s takes %d bytes, at most %d were wanted", what, n, most)
		}
	}
	alice.start(t, bob, offer{oneTime: true})
	size("started", alice, 2200)
	bob.read(t, alice, alice.send(t, bob, "x"))
	size("accepted", bob, 700)
	alice.read(t, bob, bob.send(t, alice, "y"))
	largest := 0
	for range 500 {
		bob.read(t, alice, alice.send(t, bob, "x"))
		alice.read(t, bob, bob.send(t, alice, "y"))
		largest = max(largest, len(encode(t, alice.rec)), len(encode(t, bob.rec)))
	}
	size("after 1000 messages", alice, 3500)
	t.Logf("largest on the way: %d bytes", largest)
	if largest > 4000 {
		t.Errorf("a session in order takes up to %d bytes", largest)
	}
	for range 5 {
		for range 2000 {
			alice.send(t, bob, "lost")
		}
		bob.read(t, alice, alice.send(t, bob, "x"))
		alice.read(t, bob, bob.send(t, alice, "y"))
	}
	size("with five full lists", bob, 640<<10)
}
