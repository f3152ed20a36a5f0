package safety

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

type octets []byte

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

type vector struct {
	Note                                   string
	Version                                byte
	Iterations                             int
	LocalID, LocalKey, RemoteID, RemoteKey octets
	Display                                string
	Scannable, PeerScannable               octets
	CompareWithPeer, CompareWithSelf       bool
	Compare                                bool
}

func readVectors(t testing.TB) (cases, negative []vector) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "signal", "safety-numbers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases, Negative []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 8 || len(file.Negative) < 1 {
		t.Fatalf("%d cases, %d negative", len(file.Cases), len(file.Negative))
	}
	return file.Cases, file.Negative
}

func (v vector) number(t testing.TB) Number {
	t.Helper()
	return compute(v.Version, v.Iterations, sideOf(t, v.LocalID, v.LocalKey), sideOf(t, v.RemoteID, v.RemoteKey))
}

func sideOf(t testing.TB, id, public []byte) side {
	t.Helper()
	k, err := key.ParsePublic[key.RoleIdentity](public)
	if err != nil {
		t.Fatal(err)
	}
	return side{id, k}
}

// Every number, QR form and comparison of Signal's own builds.
func TestSignalVectors(t *testing.T) {
	t.Parallel()
	cases, negative := readVectors(t)
	for _, v := range cases {
		n := v.number(t)
		if n.String() != v.Display {
			t.Errorf("%s: digits\n%s, want\n%s", v.Note, n, v.Display)
		}
		if !bytes.Equal(n.Scannable(), v.Scannable) {
			t.Errorf("%s: QR form differs", v.Note)
		}
		if err := n.Compare(v.PeerScannable); (err == nil) != v.CompareWithPeer {
			t.Errorf("%s: with the peer's: %v", v.Note, err)
		}
		if err := n.Compare(v.Scannable); (err == nil) != v.CompareWithSelf {
			t.Errorf("%s: with its own: %v", v.Note, err)
		}
	}
	for _, v := range negative {
		if err := v.number(t).Compare(v.PeerScannable); (err == nil) != v.Compare || !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", v.Note, err)
		}
	}
}

// What the product shows is the case of Signal's vectors with 16-byte ids.
func TestNewIsSignalsVersion2(t *testing.T) {
	t.Parallel()
	cases, _ := readVectors(t)
	compared := 0
	for _, v := range cases {
		if v.Version != 2 || v.Iterations != 5200 || len(v.LocalID) != 16 || len(v.RemoteID) != 16 {
			continue
		}
		compared++
		local, remote := partyOf(t, v.LocalID, v.LocalKey), partyOf(t, v.RemoteID, v.RemoteKey)
		if n := New(local, remote); n.String() != v.Display || !bytes.Equal(n.Scannable(), v.Scannable) {
			t.Errorf("%s: New gives another number", v.Note)
		}
	}
	if compared < 4 {
		t.Fatalf("%d cases compared", compared)
	}
}

func partyOf(t testing.TB, id, public []byte) Party {
	return Party{messaging.AccountID(id), sideOf(t, id, public).identity}
}

func pair(t testing.TB) (a, b Party) {
	cases, _ := readVectors(t)
	v := cases[0]
	return partyOf(t, v.LocalID, v.LocalKey), partyOf(t, v.RemoteID, v.RemoteKey)
}

// PRO-27: equal on both sides, and bound to both accounts and both keys.
func TestBothSides(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	ours, theirs := New(a, b), New(b, a)
	if ours.String() != theirs.String() || len(ours.String()) != Digits {
		t.Error("the two sides read other digits")
	}
	if ours.CompareQR(theirs.QR()) != nil || theirs.CompareQR(ours.QR()) != nil {
		t.Error("the two sides' QR codes do not match")
	}
	if joined := ours.Groups(); strings.Join(joined[:], "") != ours.String() {
		t.Errorf("groups %v", joined)
	}
	for name, c := range map[string]Party{
		"account": {a.Account, b.Identity}, "identity": {b.Account, a.Identity},
	} {
		other := New(a, c)
		if other.String() == ours.String() {
			t.Errorf("the peer's %s does not matter", name)
		}
		if err := other.CompareQR(theirs.QR()); !errors.Is(err, ErrMismatch) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	ours, good := New(a, b), New(b, a).Scannable()
	changed := func(f func(b []byte)) []byte {
		c := bytes.Clone(good)
		f(c)
		return c
	}
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"none":               {nil, ErrKind},
		"cut":                {good[:len(good)-1], ErrKind},
		"long":               {append(bytes.Clone(good), 0), ErrKind},
		"version 1":          {changed(func(b []byte) { b[1] = 1 }), ErrVersion},
		"version 3":          {changed(func(b []byte) { b[1] = 3 }), ErrVersion},
		"version 0":          {changed(func(b []byte) { b[1] = 0 }), ErrKind},
		"version of 2 bytes": {changed(func(b []byte) { b[1] = 0x82 }), ErrKind},
		"field renumbered":   {changed(func(b []byte) { b[2] = 0x2a }), ErrKind},
		"local half flipped": {changed(func(b []byte) { b[6] ^= 1 }), ErrMismatch},
		"last bit flipped":   {changed(func(b []byte) { b[73] ^= 1 }), ErrMismatch},
		"halves exchanged":   {ours.Scannable(), ErrMismatch},
		"text instead":       {[]byte(ours.String()), ErrKind},
	} {
		if err := ours.Compare(tt.in); !errors.Is(err, tt.want) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	for i := range good {
		if err := ours.Compare(changed(func(b []byte) { b[i] ^= 1 })); err == nil {
			t.Errorf("byte %d flipped: accepted", i)
		}
	}
	qr := New(b, a).QR()
	for name, in := range map[string]string{
		"invite":      "https://chat.example/i/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA",
		"device link": "DEVICE-LINK:" + strings.TrimPrefix(qr, Prefix), "digits": ours.String(), "empty": "", "prefix alone": Prefix,
		"lower case": strings.ToLower(qr), "cut": qr[:100], "long": qr + strings.Repeat("A", 300), "line break": qr[:40] + "\n" + qr[40:],
		"spare bits set": qr[:len(qr)-1] + "7", "padded": qr + "=",
	} {
		if err := ours.CompareQR(in); !errors.Is(err, ErrKind) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("QR, %s: got %v", name, err)
		}
	}
	if len(qr) != 133 || strings.Trim(qr, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:") != "" {
		t.Errorf("%d characters, or some that QR's alphanumeric mode lacks", len(qr))
	}
}

func FuzzCompare(f *testing.F) {
	a, b := pair(f)
	ours, theirs := New(a, b), New(b, a)
	f.Add(theirs.QR())
	f.Add(ours.QR())
	f.Add(Prefix)
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := parseQR(s)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Errorf("error %v is not of the outside's class", err)
			}
			return
		}
		if parsed, err := parseScannable(raw); err == nil && !bytes.Equal(parsed.bytes(), raw) {
			t.Error("parse then print differs")
		}
		if err := ours.Compare(raw); err == nil && s != theirs.QR() {
			t.Error("another text compares as equal")
		}
	})
}

func BenchmarkNew(b *testing.B) {
	local, remote := pair(b)
	b.ReportAllocs()
	for b.Loop() {
		New(local, remote)
	}
}
