package devicelog

import (
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// PRO-34: the newcomer signs only what adds itself to the log that it verified,
// on the word of the device whose keys it learned from the code.
func TestJoinSignsNothingElse(t *testing.T) {
	t.Parallel()
	a := found(t, 40)
	a.add(1)
	n, other := newDevice(t, a.rand), newDevice(t, a.rand)
	one, two := a.devices[1], a.devices[2]
	text, err := a.log.Add(n.new, 1, a.now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.log.Join(text, n.new, one.new.Identity, n.log); err != nil {
		t.Fatalf("untouched: %v", reason(err))
	}
	change := func(f func(*Entry)) []byte {
		e, err := parseText(text)
		if err != nil {
			t.Fatal(err)
		}
		f(&e)
		return e.text()
	}
	foreign := found(t, 41)
	older, err := Open(a.tenant, a.id, a.entries[:1])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		log      *Log
		text     []byte
		approver key.IdentityPublic
		want     error
	}{
		{"nothing", a.log, nil, one.new.Identity, ErrSize},
		{"a whole entry", a.log, a.entries[1], one.new.Identity, ErrEncoding},
		{"oversized", a.log, make([]byte, MaxEntry+1), one.new.Identity, ErrSize},
		{"random bytes", a.log, randomBytes(300), one.new.Identity, messaging.ErrInvalid},
		{"a removal", a.log, change(func(e *Entry) { e.Action = ActionRemove }), one.new.Identity, ErrAction},
		{"a founding", a.log, change(func(e *Entry) { e.Action = ActionFound }), one.new.Identity, ErrAction},
		{"by the recovery key", a.log, change(func(e *Entry) { e.Signer = byRecovery }), one.new.Identity, ErrAction},
		{"another device's keys", a.log, change(func(e *Entry) { e.Identity, e.LogKey = other.new.Identity, other.new.LogKey }), one.new.Identity, ErrKey},
		{"another identity", a.log, change(func(e *Entry) { e.Identity = other.new.Identity }), one.new.Identity, ErrKey},
		{"another registration id", a.log, change(func(e *Entry) { e.RegistrationID++ }), one.new.Identity, ErrKey},
		{"another account", a.log, change(func(e *Entry) { e.Account = foreign.id }), one.new.Identity, ErrAccount},
		{"another tenant", a.log, change(func(e *Entry) { e.Tenant = foreign.tenant }), one.new.Identity, ErrAccount},
		{"another log", foreign.log, text, one.new.Identity, ErrAccount},
		{"an older log", older, text, one.new.Identity, ErrSequence},
		{"another head", a.log, change(func(e *Entry) { e.Previous[0] ^= 1 }), one.new.Identity, ErrPrevious},
		{"another approver", a.log, text, two.new.Identity, ErrSigner},
		{"relabelled approver", a.log, change(func(e *Entry) { e.Signer = 2 }), one.new.Identity, ErrSigner},
		{"unlisted approver", a.log, change(func(e *Entry) { e.Signer = 5 }), one.new.Identity, ErrSigner},
	}
	for _, tt := range tests {
		sig, err := tt.log.Join(tt.text, n.new, tt.approver, n.log)
		if sig != (key.Signature{}) || !isReason(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, reason(err), tt.want)
		}
	}
	if _, err := a.log.Join(text, n.new, one.new.Identity, other.log); !isReason(err, ErrKey) {
		t.Errorf("with a key that is not the newcomer's: %v", reason(err))
	}
}

func TestCompleteAddRefuses(t *testing.T) {
	t.Parallel()
	a := found(t, 42)
	a.add(1)
	n, other := newDevice(t, a.rand), newDevice(t, a.rand)
	one := a.devices[1]
	text, err := a.log.Add(n.new, 1, a.now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	reverse, err := a.log.Join(text, n.new, one.new.Identity, n.log)
	if err != nil {
		t.Fatal(err)
	}
	removal := parsed(t, must(a.log.Remove(2, one.signer(), a.now)))
	grown := a.log
	if grown, err = grown.Extend(must(grown.Remove(2, one.signer(), a.now))); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		log     *Log
		text    []byte
		n       Newcomer
		reverse key.Signature
		by      Signer
		want    error
	}{
		{"another newcomer", a.log, text, other.new, reverse, one.signer(), ErrAction},
		{"a removal slipped in", a.log, removal.text(), n.new, reverse, one.signer(), ErrAction},
		{"no reverse signature", a.log, text, n.new, key.Signature{}, one.signer(), ErrSignature},
		{"reverse by another", a.log, text, n.new, other.log.Sign(domainJoin, text), one.signer(), ErrSignature},
		{"reverse under another domain", a.log, text, n.new, n.log.Sign(domainAdd, text), one.signer(), ErrSignature},
		{"other signer", a.log, text, n.new, reverse, a.devices[2].signer(), ErrAction},
		{"other signer's key", a.log, text, n.new, reverse, Signer{1, a.devices[2].log}, ErrSignature},
		{"the log grew meanwhile", grown, text, n.new, reverse, one.signer(), ErrSequence},
		{"nothing", a.log, nil, n.new, reverse, one.signer(), ErrSize},
	}
	for _, tt := range tests {
		if raw, err := tt.log.CompleteAdd(tt.text, tt.n, tt.reverse, tt.by); raw != nil || !isReason(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, reason(err), tt.want)
		}
	}
}

func TestFoundRefuses(t *testing.T) {
	t.Parallel()
	d, other := newDevice(t, chacha(1)), newDevice(t, chacha(2))
	tenant, account := messaging.NewTenantID(), messaging.NewAccountID()
	none := d.new
	none.RegistrationID = 0
	tests := []struct {
		name       string
		tenant     messaging.TenantID
		n          Newcomer
		k          *key.LogPrivate
		at, expiry time.Time
		want       error
	}{
		{"no tenant", messaging.TenantID{}, d.new, d.log, start, time.Time{}, ErrAccount},
		{"another's key", tenant, d.new, other.log, start, time.Time{}, ErrSignature},
		{"no registration id", tenant, none, d.log, start, time.Time{}, ErrRange},
		{"no time", tenant, d.new, d.log, time.Time{}, time.Time{}, ErrRange},
		{"before 1970", tenant, d.new, d.log, time.UnixMilli(-1), time.Time{}, ErrRange},
		{"year 20000", tenant, d.new, d.log, time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}, ErrRange},
		{"expired", tenant, d.new, d.log, start, start, ErrTime},
	}
	for _, tt := range tests {
		if _, err := Found(tt.tenant, account, tt.n, tt.k, tt.at, tt.expiry); !isReason(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, reason(err), tt.want)
		}
	}
}

// A slow clock costs nothing: the entry takes the time of the one before.
func TestSlowClock(t *testing.T) {
	t.Parallel()
	a := found(t, 43)
	a.add(1)
	raw := a.take(a.log.Remove(2, a.devices[1].signer(), start.Add(-time.Hour)))
	if got := parsed(t, raw).TimeMS; got != toMS(start) {
		t.Errorf("time %d", got)
	}
}
