package devicelog

import (
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Head names the newest entry of a log.
type Head struct {
	Sequence uint64
	Hash     [HashSize]byte
}

// Device is a device as the log lists it.
type Device struct {
	ID             messaging.DeviceID
	RegistrationID uint32
	Identity       key.IdentityPublic
	LogKey         key.LogPublic
	Sequence       uint64    // of the entry that lists it
	Since          time.Time // of that entry, as its signer claims
	Expiry         time.Time // zero: none
}

// listedAt reports whether the device has not expired.
func (d *Device) listedAt(t time.Time) bool { return d.Expiry.IsZero() || t.Before(d.Expiry) }

// Log is a verified log. It never changes: Extend returns a longer one. Only
// Open makes one; the zero value is no log.
type Log struct {
	_       [0]func()
	tenant  messaging.TenantID
	account messaging.AccountID

	hashes   [][HashSize]byte // of each entry
	last     uint64           // time of the newest entry, Unix milliseconds
	founding key.IdentityPublic
	listed   []Device // unexpired at the time of the newest entry, by id
	newest   messaging.DeviceID
	recovery key.LogPublic
	recovers bool // recovery is set

	// Every key that was ever listed: none may come back.
	identities []key.IdentityPublic
	logKeys    []key.LogPublic
}

// Open verifies a whole log of the given account, entry 0 first.
func Open(tenant messaging.TenantID, account messaging.AccountID, entries [][]byte) (*Log, error) {
	if len(entries) == 0 {
		return nil, messaging.Invalid(ErrSequence)
	}
	if tenant == (messaging.TenantID{}) || account == (messaging.AccountID{}) {
		return nil, messaging.Invalid(ErrAccount)
	}
	empty := &Log{tenant: tenant, account: account}
	return empty.Extend(entries...)
}

// Extend verifies further entries and returns the log with them. On error l is
// all that stands, whichever entry failed.
func (l *Log) Extend(entries ...[]byte) (*Log, error) {
	if len(entries) > MaxEntries-len(l.hashes) {
		return nil, messaging.Invalid(ErrFull)
	}
	longer := l.clone()
	for _, raw := range entries {
		if err := longer.take(raw); err != nil {
			return nil, messaging.Invalid(err)
		}
	}
	return longer, nil
}

// clone leaves out what apply replaces instead of changing: listed.
func (l *Log) clone() *Log {
	c := *l
	c.hashes = slices.Clone(l.hashes)
	c.identities = slices.Clone(l.identities)
	c.logKeys = slices.Clone(l.logKeys)
	return &c
}

// Tenant returns whose log it is.
func (l *Log) Tenant() messaging.TenantID { return l.tenant }

// Account returns whose log it is.
func (l *Log) Account() messaging.AccountID { return l.account }

// Head returns the newest entry.
func (l *Log) Head() Head {
	n := len(l.hashes) - 1
	return Head{Sequence: uint64(n), Hash: l.hashes[n]}
}

// Time returns that of the newest entry, as its signer claims. A server takes a
// new entry only when this lies near its own clock (docs/protocol.md section 2.6).
func (l *Log) Time() time.Time { return fromMS(l.last) }

// Devices returns the devices that are listed at a time, by id.
func (l *Log) Devices(at time.Time) []Device {
	return slices.DeleteFunc(slices.Clone(l.listed), func(d Device) bool { return !d.listedAt(at) })
}

// Device returns one of the devices that are listed at a time.
func (l *Log) Device(id messaging.DeviceID, at time.Time) (Device, bool) {
	for _, d := range l.listed {
		if d.ID == id && d.listedAt(at) {
			return d, true
		}
	}
	return Device{}, false
}

// FoundingIdentity returns the identity key of entry 0, which stands for the
// account in safety numbers even when that device is gone.
func (l *Log) FoundingIdentity() key.IdentityPublic { return l.founding }

// RecoveryKey returns the public key of the recovery code in force, if any.
func (l *Log) RecoveryKey() (key.LogPublic, bool) { return l.recovery, l.recovers }

// Knows reports whether one of a newcomer's keys was ever listed: such a device
// cannot join (again), and a link code that says so was used before.
func (l *Log) Knows(n Newcomer) bool {
	return slices.Contains(l.identities, n.Identity) || slices.Contains(l.logKeys, n.LogKey)
}

func fromMS(ms uint64) time.Time { return time.UnixMilli(int64(ms)).UTC() }

// toMS returns zero for the zero time and for what no entry can hold.
func toMS(t time.Time) uint64 {
	ms := t.UnixMilli()
	if t.IsZero() || ms < 0 || ms > maxTime {
		return 0
	}
	return uint64(ms)
}
