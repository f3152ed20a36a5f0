package devicelog

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

func FuzzEntry(f *testing.F) {
	for _, raw := range everyKind(f) {
		f.Add(raw)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := Parse(raw)
		if err != nil {
			outsideClass(t, err)
			return
		}
		if !bytes.Equal(e.encode(), raw) {
			t.Error("parse then print differs")
		}
		if text, err := parseText(e.text()); err != nil || text.Action != e.Action {
			t.Errorf("the text of an accepted entry is refused: %v", err)
		}
	})
}

func FuzzText(f *testing.F) {
	a := found(f, 60)
	n := newDevice(f, a.rand)
	text, err := a.log.Add(n.new, 1, a.now, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(a.entries[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		sig, err := a.log.Join(b, n.new, a.devices[1].new.Identity, n.log)
		if err != nil {
			outsideClass(t, err)
			return
		}
		e, err := parseText(b)
		if err != nil || e.newcomer() != n.new || e.Account != a.id || sig == (key.Signature{}) {
			t.Error("signed what does not add this device")
		}
	})
}

// FuzzLog lets the fuzzer pick, repeat, reorder and change entries. Whatever it
// serves, a log that opens is a beginning of the honest one.
func FuzzLog(f *testing.F) {
	a := found(f, 61)
	a.recovery(1)
	a.add(1)
	a.add(2)
	a.remove(2, 1)
	f.Add([]byte{0, 1, 2, 3, 4}, uint16(0), byte(0))
	f.Add([]byte{0, 1}, uint16(300), byte(1))
	f.Add([]byte{0, 2, 1}, uint16(7), byte(0x80))
	f.Fuzz(func(t *testing.T, picks []byte, at uint16, flip byte) {
		var entries [][]byte
		for _, p := range picks[:min(len(picks), 16)] {
			entries = append(entries, bytes.Clone(a.entries[int(p)%len(a.entries)]))
		}
		if len(entries) > 0 {
			last := entries[len(entries)-1]
			last[int(at)%len(last)] ^= flip
		}
		l, err := Open(a.tenant, a.id, entries)
		if err != nil {
			outsideClass(t, err)
			return
		}
		if p := a.log.Locate(l.Head()); p != Equal && p != Behind {
			t.Errorf("a log that is not the honest one opened: position %d", p)
		}
	})
}

func FuzzFragment(f *testing.F) {
	f.Add(found(f, 62).log.Fingerprint().Fragment().String())
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		fragment, err := ParseFragment(s)
		if err != nil {
			outsideClass(t, err)
		} else if fragment.String() != s {
			t.Errorf("%q parses, and prints as %q", s, fragment)
		}
	})
}

func FuzzRecoveryCode(f *testing.F) {
	code, err := NewRecoveryCode(chacha(63))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code.Reveal())
	f.Add("OOOO-IIII-LLLL")
	f.Fuzz(func(t *testing.T, s string) {
		code, err := ParseRecoveryCode(s)
		if err != nil {
			outsideClass(t, err)
			return
		}
		again, err := ParseRecoveryCode(code.Reveal())
		if err != nil || again.Reveal() != code.Reveal() {
			t.Errorf("what Reveal prints is refused: %v", err)
		}
	})
}

func outsideClass(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("error %v is not of the outside's class", err)
	}
}
