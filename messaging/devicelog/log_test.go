package devicelog

import (
	"slices"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

func TestLifeOfAnAccount(t *testing.T) {
	t.Parallel()
	a := found(t, 1)
	first := a.log
	code := a.recovery(1)
	two, three := a.add(1), a.add(1)
	if two.id != 2 || three.id != 3 {
		t.Fatalf("ids %d and %d", two.id, three.id)
	}
	a.remove(1, 3)
	four := a.add(2)
	if got := a.ids(a.now); !slices.Equal(got, []messaging.DeviceID{2, 3, 4}) {
		t.Fatalf("devices %v", got)
	}
	d, ok := a.log.Device(four.id, a.now)
	if !ok || d.Identity != four.new.Identity || d.LogKey != four.new.LogKey || d.RegistrationID != 1234 || d.Sequence != 5 {
		t.Errorf("device 4 is %+v", d)
	}
	if _, ok := a.log.Device(1, a.now); ok {
		t.Error("device 1 was removed and is listed")
	}
	// All lost: the code brings a device in, and that one cleans up.
	five := newDevice(t, a.rand)
	a.take(a.log.Recover(code, five.new, five.log, a.now, time.Time{}))
	five.id = 5
	a.devices[5] = five
	for _, id := range []messaging.DeviceID{2, 3, 4} {
		a.remove(id, 5)
	}
	if got := a.ids(a.now); !slices.Equal(got, []messaging.DeviceID{5}) {
		t.Fatalf("devices %v", got)
	}
	if a.log.FoundingIdentity() != a.devices[1].new.Identity || a.log.Fingerprint() != first.Fingerprint() {
		t.Error("founding changed")
	}
	again, err := Open(a.tenant, a.id, a.entries)
	if err != nil || snapshot(again) != snapshot(a.log) {
		t.Fatalf("reading all entries gives another log (%v)", err)
	}
	if first.Head().Sequence != 0 || len(first.Devices(a.now)) != 1 {
		t.Error("extending a log changed it")
	}
}

// Two logs that grow out of one must not write into each other.
func TestExtendDoesNotShare(t *testing.T) {
	t.Parallel()
	a := found(t, 2)
	a.add(1)
	base := a.log
	left, err := base.Extend(must(base.Remove(2, a.devices[1].signer(), a.now)))
	if err != nil {
		t.Fatal(err)
	}
	leftHead := left.Head()
	right, err := base.Extend(must(base.Remove(1, a.devices[1].signer(), a.now)))
	if err != nil {
		t.Fatal(err)
	}
	if left.Head() != leftHead || left.Head() == right.Head() || base.Head().Sequence != 1 {
		t.Error("one branch changed the other")
	}
	if left.Devices(a.now)[0].ID != 1 || right.Devices(a.now)[0].ID != 2 {
		t.Error("the branches list each other's devices")
	}
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	a, b := found(t, 3), found(t, 4)
	a.add(1)
	tests := []struct {
		name    string
		tenant  messaging.TenantID
		account messaging.AccountID
		entries [][]byte
		want    error
	}{
		{"nothing", a.tenant, a.id, nil, ErrSequence},
		{"no tenant", messaging.TenantID{}, a.id, a.entries, ErrAccount},
		{"no account", a.tenant, messaging.AccountID{}, a.entries, ErrAccount},
		{"another tenant", b.tenant, a.id, a.entries, ErrAccount},
		{"another account", a.tenant, b.id, a.entries, ErrAccount},
		{"another account's log", a.tenant, a.id, b.entries, ErrAccount},
		{"without its founding", a.tenant, a.id, a.entries[1:], ErrSequence},
		{"founding twice", a.tenant, a.id, [][]byte{a.entries[0], a.entries[0]}, ErrSequence},
		{"backwards", a.tenant, a.id, [][]byte{a.entries[1], a.entries[0]}, ErrSequence},
		{"empty entry", a.tenant, a.id, [][]byte{{}}, ErrSize},
		{"oversized entry", a.tenant, a.id, [][]byte{make([]byte, MaxEntry+1)}, ErrSize},
		{"too many entries", a.tenant, a.id, make([][]byte, MaxEntries+1), ErrFull},
	}
	for _, tt := range tests {
		l, err := Open(tt.tenant, tt.account, tt.entries)
		if l != nil || !isReason(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, reason(err), tt.want)
		}
	}
}

// The rules of docs/protocol.md section 2.3, each broken by an entry whose
// signatures are otherwise right.
func TestRules(t *testing.T) {
	t.Parallel()
	a := found(t, 5)
	a.recovery(1)
	a.add(1)
	gone := a.add(1)
	a.remove(gone.id, 1)
	one, n := a.devices[1], newDevice(t, a.rand)
	other := found(t, 6)
	good := parsed(t, a.entryAdding(n, 1, time.Time{}))
	remove := parsed(t, must(a.log.Remove(2, one.signer(), a.now)))
	code, err := NewRecoveryCode(a.rand)
	if err != nil {
		t.Fatal(err)
	}
	recovery := parsed(t, must(a.log.Recovery(code, one.signer(), a.now)))
	recoveryKey, err := code.key(a.tenant, a.id)
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name    string
		entry   Entry
		change  func(*Entry)
		signer  *key.LogPrivate
		reverse *key.LogPrivate
		want    error
	}{
		{"other tenant", good, func(e *Entry) { e.Tenant = other.tenant }, one.log, n.log, ErrAccount},
		{"other account", good, func(e *Entry) { e.Account = other.id }, one.log, n.log, ErrAccount},
		{"sequence left out", good, func(e *Entry) { e.Sequence++ }, one.log, n.log, ErrSequence},
		{"sequence again", good, func(e *Entry) { e.Sequence-- }, one.log, n.log, ErrSequence},
		{"other previous", good, func(e *Entry) { e.Previous[0] ^= 1 }, one.log, n.log, ErrPrevious},
		{"founded again", good, func(e *Entry) { e.Action, e.Device = ActionFound, 1; e.Signer = 1 }, n.log, n.log, ErrAction},
		{"time goes back", good, func(e *Entry) { e.TimeMS = a.log.last - 1 }, one.log, n.log, ErrTime},
		{"expired when added", good, func(e *Entry) { e.ExpiryMS = e.TimeMS }, one.log, n.log, ErrTime},
		{"no time", good, func(e *Entry) { e.TimeMS = 0 }, one.log, n.log, ErrRange},
		{"time of 49 bits", good, func(e *Entry) { e.TimeMS = maxTime + 1 }, one.log, n.log, ErrRange},
		{"device id skipped", good, func(e *Entry) { e.Device++ }, one.log, n.log, ErrDevice},
		{"removed device's id", good, func(e *Entry) { e.Device = gone.id }, one.log, n.log, ErrDevice},
		{"listed device's id", good, func(e *Entry) { e.Device = 2 }, one.log, n.log, ErrDevice},
		{"device 0", good, func(e *Entry) { e.Device = 0 }, one.log, n.log, ErrRange},
		{"registration id 0", good, func(e *Entry) { e.RegistrationID = 0 }, one.log, n.log, ErrRange},
		{"removed device signs", good, func(e *Entry) { e.Signer = gone.id }, gone.log, n.log, ErrSigner},
		{"unknown device signs", good, func(e *Entry) { e.Signer = 9 }, one.log, n.log, ErrSigner},
		{"signs itself in", good, func(e *Entry) { e.Signer = e.Device }, n.log, n.log, ErrSigner},
		{"listed identity", good, func(e *Entry) { e.Identity = one.new.Identity }, one.log, n.log, ErrKeyReused},
		{"removed identity", good, func(e *Entry) { e.Identity = gone.new.Identity }, one.log, n.log, ErrKeyReused},
		{"listed log key", good, func(e *Entry) { e.LogKey = one.new.LogKey }, one.log, one.log, ErrKeyReused},
		{"removed log key", good, func(e *Entry) { e.LogKey = gone.new.LogKey }, one.log, gone.log, ErrKeyReused},
		{"recovery key as log key", good, func(e *Entry) { e.LogKey = a.log.recovery }, one.log, n.log, ErrKeyReused},
		{"signed by another device", good, func(*Entry) {}, a.devices[2].log, n.log, ErrSignature},
		{"signed by the newcomer", good, func(*Entry) {}, n.log, n.log, ErrSignature},
		{"no reverse signature", good, func(*Entry) {}, one.log, one.log, ErrSignature},
		{"the new code adds", good, func(e *Entry) { e.Signer = byRecovery }, recoveryKey, n.log, ErrSignature},
		{"removed device removes", remove, func(e *Entry) { e.Signer = gone.id }, gone.log, nil, ErrSigner},
		{"unlisted device removed", remove, func(e *Entry) { e.Device = gone.id }, one.log, nil, ErrDevice},
		{"removed by a stranger", remove, func(*Entry) {}, n.log, nil, ErrSignature},
		{"removed by code, not full", remove, func(e *Entry) { e.Signer = byRecovery }, recoveryKey, nil, ErrSigner},
		{"recovery signed by recovery", recovery, func(e *Entry) { e.Signer = byRecovery }, recoveryKey, recoveryKey, ErrSigner},
		{"recovery by a removed device", recovery, func(e *Entry) { e.Signer = gone.id }, gone.log, recoveryKey, ErrSigner},
		{"code without its proof", recovery, func(*Entry) {}, one.log, one.log, ErrSignature},
		{"same code again", recovery, func(e *Entry) { e.RecoveryKey = a.log.recovery }, one.log, recoveryKey, ErrKeyReused},
		{"log key as recovery key", recovery, func(e *Entry) { e.RecoveryKey = one.new.LogKey }, one.log, one.log, ErrKeyReused},
		{"signer 128", remove, func(e *Entry) { e.Signer = 128 }, one.log, nil, ErrRange},
		{"action 5", remove, func(e *Entry) { e.Action = 5 }, one.log, nil, ErrAction},
		{"beyond the last place", remove, func(e *Entry) { e.Sequence = MaxEntries }, one.log, nil, ErrFull},
	}
	for _, tt := range tests {
		e := tt.entry
		tt.change(&e)
		refuses(t, tt.name, a.log, forge(e, tt.signer, tt.reverse), tt.want)
	}
	// What the table broke was good before.
	for _, e := range []Entry{good, remove, recovery} {
		if _, err := a.log.Extend(e.encode()); err != nil {
			t.Errorf("action %d, untouched: %v", e.Action, reason(err))
		}
	}
}

func TestFoundingRules(t *testing.T) {
	t.Parallel()
	a := found(t, 15)
	one, other := a.devices[1], newDevice(t, a.rand)
	good, empty := parsed(t, a.entries[0]), &Log{tenant: a.tenant, account: a.id}
	for name, tt := range map[string]struct {
		change func(*Entry)
		signer *key.LogPrivate
		want   error
	}{
		"device 2":            {func(e *Entry) { e.Device, e.Signer = 2, 2 }, one.log, ErrDevice},
		"signed by device 2":  {func(e *Entry) { e.Signer = 2 }, one.log, ErrSigner},
		"signed by a code":    {func(e *Entry) { e.Signer = byRecovery }, one.log, ErrSigner},
		"signed by a foreign": {func(*Entry) {}, other.log, ErrSignature},
		"starts with add":     {func(e *Entry) { e.Action = ActionAdd }, one.log, ErrAction},
		"starts with remove":  {func(e *Entry) { e.Action = ActionRemove }, one.log, ErrAction},
	} {
		e := good
		tt.change(&e)
		refuses(t, name, empty, forge(e, tt.signer, one.log), tt.want)
	}
}

// PRO-13: an addition that was removed does not come back, neither as the same
// bytes nor under a new sequence.
func TestOldAdditionIsDead(t *testing.T) {
	t.Parallel()
	a := found(t, 7)
	d := a.add(1)
	old := a.entries[1]
	a.remove(d.id, 1)
	refuses(t, "replayed", a.log, old, ErrSequence)
	moved := parsed(t, old)
	moved.Sequence, moved.Previous = a.log.Head().Sequence+1, a.log.Head().Hash
	moved.Device, moved.TimeMS = a.log.newest+1, a.log.last
	refuses(t, "moved to the end", a.log, moved.encode(), ErrKeyReused)
	moved.Identity, moved.LogKey = newDevice(t, a.rand).new.Identity, newDevice(t, a.rand).new.LogKey
	refuses(t, "moved, with other keys", a.log, moved.encode(), ErrSignature)
	// A server that serves the log without the removal is caught by Accept.
	short, err := Open(a.tenant, a.id, a.entries[:2])
	if err != nil {
		t.Fatal(err)
	}
	if err := short.Accept(a.log.Known()); !isReason(err, ErrRollback) {
		t.Errorf("log without the removal: %v", reason(err))
	}
}

// PRO-09: no signature serves for another kind of text, whoever made it.
func TestSignatureKindsAreApart(t *testing.T) {
	t.Parallel()
	a := found(t, 8)
	code := a.recovery(1)
	recoveryKey, err := code.key(a.tenant, a.id)
	if err != nil {
		t.Fatal(err)
	}
	for range messaging.MaxDevices - 1 {
		a.add(1)
	}
	full := a.log
	a.remove(3, 1)
	n := newDevice(t, a.rand)
	one := a.devices[1]
	next, err := NewRecoveryCode(a.rand)
	if err != nil {
		t.Fatal(err)
	}
	fresh := found(t, 9)
	empty := &Log{tenant: fresh.tenant, account: fresh.id}

	domains := []key.Domain{
		domainFound, domainAdd, domainJoin, domainRecover, domainRemove, domainRecoverRemove, domainRecovery, domainRecoveryProof,
		"sotto/devicelog/add/v2", "sotto/devicelog/ad", "add",
	}
	nextKey, err := next.key(a.tenant, a.id)
	if err != nil {
		t.Fatal(err)
	}
	kinds := []struct {
		name            string
		log             *Log
		raw             []byte
		signer, reverse *key.LogPrivate
	}{
		{"found", empty, fresh.entries[0], fresh.devices[1].log, nil},
		{"add", a.log, a.entryAdding(n, 1, time.Time{}), one.log, n.log},
		{"recover", a.log, must(a.log.Recover(code, n.new, n.log, a.now, time.Time{})), recoveryKey, n.log},
		{"remove", a.log, must(a.log.Remove(2, one.signer(), a.now)), one.log, nil},
		{"recover-remove", full, must(full.RecoverRemove(code, 2, a.now)), recoveryKey, nil},
		{"recovery", a.log, must(a.log.Recovery(next, one.signer(), a.now)), one.log, nextKey},
	}
	for _, kind := range kinds {
		good := parsed(t, kind.raw)
		accepted := 0
		for _, domain := range domains {
			for _, rdomain := range domains {
				e := good
				e.signature = kind.signer.Sign(domain, e.text())
				want, reverse, ok := e.reversed()
				if ok {
					e.reverse = kind.reverse.Sign(rdomain, e.text())
				}
				if _, err := kind.log.Extend(e.encode()); err == nil {
					accepted++
					if domain != e.domain() || ok && (rdomain != want || reverse != kind.reverse.Public()) {
						t.Errorf("%s: accepted under %s and %s", kind.name, domain, rdomain)
					}
				} else if !isReason(err, ErrSignature) {
					t.Errorf("%s: %v", kind.name, reason(err))
				}
				if !ok {
					break
				}
			}
		}
		if accepted != 1 {
			t.Errorf("%s: accepted under %d pairs of domains, want 1", kind.name, accepted)
		}
		// The two signatures of one entry are no substitutes for each other.
		e := good
		if _, _, ok := e.reversed(); ok {
			e.signature, e.reverse = e.reverse, e.signature
			refuses(t, kind.name+", exchanged", kind.log, e.encode(), ErrSignature)
		}
		for _, other := range kinds {
			if other.name != kind.name {
				e := good
				e.signature = parsed(t, other.raw).signature
				refuses(t, kind.name+" with the signature of "+other.name, kind.log, e.encode(), ErrSignature)
			}
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	a := found(t, 10)
	until := start.Add(time.Hour)
	web := a.addUntil(1, until)
	if got := a.ids(until.Add(-time.Millisecond)); len(got) != 2 {
		t.Errorf("before the expiry: %v", got)
	}
	if got := a.ids(until); !slices.Equal(got, []messaging.DeviceID{1}) {
		t.Errorf("at the expiry: %v", got)
	}
	if _, ok := a.log.Device(web.id, until); ok {
		t.Error("an expired device is listed")
	}
	if d, _ := a.log.Device(web.id, a.now); !d.Expiry.Equal(until) {
		t.Errorf("expiry %v", d.Expiry)
	}
	if _, err := a.log.Remove(1, web.signer(), until.Add(-time.Millisecond)); err != nil {
		t.Errorf("signs until the expiry: %v", reason(err))
	}
	if _, err := a.log.Remove(1, web.signer(), until); !isReason(err, ErrSigner) {
		t.Errorf("signs after the expiry: %v", reason(err))
	}
	a.now = until
	if _, err := a.log.Remove(web.id, a.devices[1].signer(), a.now); !isReason(err, ErrDevice) {
		t.Errorf("an expired device is removed: %v", reason(err))
	}
	late := a.add(1)
	if late.id != 3 {
		t.Errorf("the expired device's id is given again: %d", late.id)
	}
	// Backdating ends at the newest entry.
	e := parsed(t, must(a.log.Remove(1, late.signer(), a.now)))
	e.Signer, e.TimeMS = web.id, toMS(until)-1
	refuses(t, "backdated", a.log, forge(e, web.log, nil), ErrTime)
}

func TestExpiredDevicesMakeRoom(t *testing.T) {
	t.Parallel()
	a := found(t, 11)
	until := start.Add(24 * time.Hour)
	for range messaging.MaxDevices - 1 {
		a.addUntil(1, until)
	}
	if _, err := a.log.Add(newDevice(t, a.rand).new, 1, a.now, time.Time{}); !isReason(err, ErrFull) {
		t.Errorf("a ninth device: %v", reason(err))
	}
	a.now = until
	if d := a.add(1); d.id != 9 {
		t.Errorf("id %d", d.id)
	}
	if got := a.ids(a.now); !slices.Equal(got, []messaging.DeviceID{1, 9}) || len(a.log.listed) != 2 {
		t.Errorf("devices %v, %d kept", got, len(a.log.listed))
	}
}

// An id comes back only after the round through all others.
func TestIDsGoRound(t *testing.T) {
	t.Parallel()
	a := found(t, 12)
	for want := messaging.DeviceID(2); want <= messaging.MaxDeviceID; want++ {
		d := a.add(1)
		if d.id != want {
			t.Fatalf("id %d, want %d", d.id, want)
		}
		a.remove(d.id, 1)
	}
	if d := a.add(1); d.id != 2 {
		t.Fatalf("after 127 came %d; 1 is listed, so want 2", d.id)
	}
}

// The last places take removals only, so that a full log cannot shield a device.
func TestFullLogStillRemoves(t *testing.T) {
	t.Parallel()
	a := found(t, 13)
	for range messaging.MaxDevices - 1 {
		a.add(1)
	}
	for len(a.entries)+2 <= MaxEntries-reserve {
		a.remove(a.log.newest, 1)
		a.add(1)
	}
	for len(a.entries) < MaxEntries-reserve {
		a.recovery(1)
	}
	if _, err := a.log.Add(newDevice(t, a.rand).new, 1, a.now, time.Time{}); !isReason(err, ErrFull) {
		t.Errorf("add: %v", reason(err))
	}
	code, err := NewRecoveryCode(a.rand)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.log.Recovery(code, a.devices[1].signer(), a.now); !isReason(err, ErrFull) {
		t.Errorf("recovery: %v", reason(err))
	}
	for _, d := range a.log.Devices(a.now) {
		if d.ID != 1 {
			a.remove(d.ID, 1)
		}
	}
	a.remove(1, 1)
	if len(a.entries) != MaxEntries || len(a.log.Devices(a.now)) != 0 {
		t.Errorf("%d entries, %d devices", len(a.entries), len(a.log.Devices(a.now)))
	}
	if _, err := Open(a.tenant, a.id, a.entries); err != nil {
		t.Errorf("the longest log: %v", reason(err))
	}
	if _, err := a.log.Extend(a.entries[5]); !isReason(err, ErrFull) {
		t.Errorf("one more entry: %v", reason(err))
	}
}

// A key of small order, or a second form of a key, never gets in.
func TestWeakKeys(t *testing.T) {
	t.Parallel()
	a := found(t, 14)
	n, one := newDevice(t, a.rand), a.devices[1]
	good := parsed(t, a.entryAdding(n, 1, time.Time{}))
	identity := func(u [32]byte) key.IdentityPublic {
		p, err := key.ParsePublic[key.RoleIdentity](append([]byte{5}, u[:]...))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	second := [32]byte(one.new.Identity.Bytes()[1:])
	second[31] |= 0x80
	for name, p := range map[string]key.IdentityPublic{
		"u = 0": identity([32]byte{}), "u = 1": identity([32]byte{1}), "second form of a listed key": identity(second),
	} {
		e := good
		e.Identity = p
		refuses(t, name, a.log, forge(e, one.log, n.log), ErrKey)
		if _, err := a.log.Add(e.newcomer(), 1, a.now, time.Time{}); !isReason(err, ErrKey) {
			t.Errorf("%s: the builder says %v", name, reason(err))
		}
	}
	// The identity point verifies the signature R = identity, s = 0 over anything.
	e := good
	e.LogKey = key.LogPublic{1}
	e.signature = one.log.Sign(e.domain(), e.text())
	e.reverse = key.Signature{1}
	if e.LogKey.Verify(domainJoin, e.text(), e.reverse) != nil {
		t.Fatal("the weak key does not verify what nobody signed: the test proves nothing")
	}
	refuses(t, "log key of order 1", a.log, e.encode(), ErrKey)
}
