package devicelog

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// start is when the accounts of the tests are founded.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// device is one device with its private keys.
type device struct {
	id  messaging.DeviceID
	new Newcomer
	log *key.LogPrivate
}

func (d *device) signer() Signer { return Signer{d.id, d.log} }

// account builds a log step by step and keeps what a server would.
type account struct {
	t       testing.TB
	rand    io.Reader
	tenant  messaging.TenantID
	id      messaging.AccountID
	now     time.Time
	log     *Log
	entries [][]byte
	devices map[messaging.DeviceID]*device
}

// chacha makes the tests' keys repeatable.
func chacha(seed byte) io.Reader { return mrand.NewChaCha8([32]byte{seed}) }

func newDevice(t testing.TB, rand io.Reader) *device {
	t.Helper()
	identity, err := key.Generate[key.RoleIdentity](rand)
	if err != nil {
		t.Fatal(err)
	}
	log, err := key.GenerateLog(rand)
	if err != nil {
		t.Fatal(err)
	}
	return &device{log: log, new: Newcomer{RegistrationID: 1234, Identity: identity.Public(), LogKey: log.Public()}}
}

// found starts an account with one device.
func found(t testing.TB, seed byte) *account {
	t.Helper()
	r := chacha(seed)
	a := &account{t: t, rand: r, now: start, devices: map[messaging.DeviceID]*device{}}
	io.ReadFull(r, a.tenant[:])
	io.ReadFull(r, a.id[:])
	d := newDevice(t, r)
	raw, err := Found(a.tenant, a.id, d.new, d.log, a.now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := Open(a.tenant, a.id, [][]byte{raw})
	if err != nil {
		t.Fatal(err)
	}
	d.id = 1
	a.log, a.entries, a.devices[1] = log, [][]byte{raw}, d
	return a
}

// take appends an entry that must be good.
func (a *account) take(raw []byte, err error) []byte {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	if a.log, err = a.log.Extend(raw); err != nil {
		a.t.Fatal(err)
	}
	a.entries = append(a.entries, raw)
	a.now = a.now.Add(time.Minute)
	return raw
}

// add goes through all the steps of linking.
func (a *account) add(by messaging.DeviceID) *device { return a.addUntil(by, time.Time{}) }

func (a *account) addUntil(by messaging.DeviceID, expiry time.Time) *device {
	a.t.Helper()
	d := newDevice(a.t, a.rand)
	a.take(a.entryAdding(d, by, expiry), nil)
	d.id = a.log.newest
	a.devices[d.id] = d
	return d
}

func (a *account) entryAdding(d *device, by messaging.DeviceID, expiry time.Time) []byte {
	a.t.Helper()
	signer := a.devices[by]
	text, err := a.log.Add(d.new, by, a.now, expiry)
	if err != nil {
		a.t.Fatal(err)
	}
	reverse, err := a.log.Join(text, d.new, signer.new.Identity, d.log)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := a.log.CompleteAdd(text, d.new, reverse, signer.signer())
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

func (a *account) remove(device, by messaging.DeviceID) []byte {
	a.t.Helper()
	return a.take(a.log.Remove(device, a.devices[by].signer(), a.now))
}

func (a *account) recovery(by messaging.DeviceID) *RecoveryCode {
	a.t.Helper()
	code, err := NewRecoveryCode(a.rand)
	if err != nil {
		a.t.Fatal(err)
	}
	a.take(a.log.Recovery(code, a.devices[by].signer(), a.now))
	return code
}

func (a *account) ids(at time.Time) (ids []messaging.DeviceID) {
	for _, d := range a.log.Devices(at) {
		ids = append(ids, d.ID)
	}
	return ids
}

// refuses checks that the log takes none of it, for the reason given, and is as
// it was.
func refuses(t testing.TB, name string, l *Log, raw []byte, want error) {
	t.Helper()
	before := snapshot(l)
	longer, err := l.Extend(raw)
	if longer != nil || !errors.Is(err, want) || !errors.Is(err, messaging.ErrInvalid) {
		t.Errorf("%s: got %v, want %v", name, reason(err), want)
	}
	if err != nil && err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("%s: the outside sees %q", name, err)
	}
	if snapshot(l) != before {
		t.Errorf("%s: a refused entry changed the log", name)
	}
}

// reason unwraps to the precise error, for a test's message.
func reason(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

type state struct {
	head    Head
	last    uint64
	listed  [messaging.MaxDevices]Device
	count   int
	newest  messaging.DeviceID
	keys    int
	recover key.LogPublic
}

func snapshot(l *Log) (s state) {
	if len(l.hashes) > 0 {
		s.head = l.Head()
	}
	s.last, s.newest, s.recover = l.last, l.newest, l.recovery
	s.count, s.keys = copy(s.listed[:], l.listed), len(l.identities)+len(l.logKeys)
	return s
}

// forge signs an entry by the letter, whatever it says.
func forge(e Entry, signer, reverse *key.LogPrivate) []byte {
	e.signature = signer.Sign(e.domain(), e.text())
	if domain, _, ok := e.reversed(); ok {
		e.reverse = reverse.Sign(domain, e.text())
	}
	return e.encode()
}

func parsed(t testing.TB, raw []byte) Entry {
	t.Helper()
	e, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(e.encode(), raw) {
		t.Fatal("parse then print differs")
	}
	return e
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
