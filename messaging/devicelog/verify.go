package devicelog

import (
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// take verifies the next entry and adds it (docs/protocol.md section 2.3). The
// cheap rules come first, the signatures after them, and nothing of l changes
// before all hold.
func (l *Log) take(raw []byte) error {
	e, err := Parse(raw)
	if err != nil {
		return err
	}
	if err := l.admit(&e); err != nil {
		return err
	}
	if err := l.verify(&e); err != nil {
		return err
	}
	l.apply(&e, Hash(raw))
	return nil
}

// admit applies every rule but the signatures.
func (l *Log) admit(e *Entry) error {
	if err := l.follows(e); err != nil {
		return err
	}
	switch e.Action {
	case ActionFound:
		return l.admitFound(e)
	case ActionAdd:
		return l.admitAdd(e)
	case ActionRemove:
		return l.admitRemove(e)
	default:
		return l.admitRecovery(e)
	}
}

// follows checks that the entry is the next one of this log.
func (l *Log) follows(e *Entry) error {
	n := len(l.hashes)
	switch {
	case e.Tenant != l.tenant || e.Account != l.account:
		return ErrAccount
	case e.Sequence != uint64(n):
		return ErrSequence
	case n > 0 && e.Previous != l.hashes[n-1]:
		return ErrPrevious
	case e.TimeMS < l.last:
		return ErrTime
	case (n == 0) != (e.Action == ActionFound):
		return ErrAction
	case n >= MaxEntries-reserve && e.Action != ActionRemove:
		return ErrFull
	}
	return nil
}

func (l *Log) admitFound(e *Entry) error {
	if e.Device != founder {
		return ErrDevice
	}
	if e.Signer != e.Device {
		return ErrSigner
	}
	return nil
}

func (l *Log) admitAdd(e *Entry) error {
	listed := l.listedAt(e.TimeMS)
	switch {
	case l.signer(e) == nil:
		return ErrSigner
	case len(listed) >= messaging.MaxDevices:
		return ErrFull
	case e.Device != l.next(listed):
		return ErrDevice
	case l.Knows(e.newcomer()):
		return ErrKeyReused
	}
	return nil
}

// admitRemove lets the recovery key remove only where it could not add: in a
// full account.
func (l *Log) admitRemove(e *Entry) error {
	listed := l.listedAt(e.TimeMS)
	switch {
	case l.signer(e) == nil:
		return ErrSigner
	case e.Signer == byRecovery && len(listed) < messaging.MaxDevices:
		return ErrSigner
	case !slices.ContainsFunc(listed, func(d Device) bool { return d.ID == e.Device }):
		return ErrDevice
	}
	return nil
}

func (l *Log) admitRecovery(e *Entry) error {
	switch {
	case e.Signer == byRecovery || l.signer(e) == nil:
		return ErrSigner
	case slices.Contains(l.logKeys, e.RecoveryKey):
		return ErrKeyReused
	}
	return nil
}

// signer returns the key that must have signed, or nil when who is named may
// not sign: it has to be listed before this entry, at the entry's own time.
func (l *Log) signer(e *Entry) *key.LogPublic {
	if e.Action == ActionFound {
		return &e.LogKey
	}
	if e.Signer == byRecovery {
		if !l.recovers {
			return nil
		}
		return &l.recovery
	}
	for _, d := range l.listedAt(e.TimeMS) {
		if d.ID == e.Signer {
			return &d.LogKey
		}
	}
	return nil
}

func (l *Log) listedAt(ms uint64) []Device { return l.Devices(fromMS(ms)) }

// next is the id that the next device gets: the first one after the newest
// device's that is not listed, going round from 127 to 1. An id so comes back
// after 119 other devices at the earliest (docs/protocol.md section 2.4).
func (l *Log) next(listed []Device) messaging.DeviceID {
	id := l.newest
	for {
		id = id%messaging.MaxDeviceID + 1
		if !slices.ContainsFunc(listed, func(d Device) bool { return d.ID == id }) {
			return id
		}
	}
}

// verify checks the signatures and the keys that they introduce.
func (l *Log) verify(e *Entry) error {
	signer := l.signer(e)
	if signer == nil {
		return ErrSigner
	}
	text := e.text()
	if signer.Verify(e.domain(), text, e.signature) != nil {
		return ErrSignature
	}
	if domain, public, ok := e.reversed(); ok && public.Verify(domain, text, e.reverse) != nil {
		return ErrSignature
	}
	return e.checkKeys()
}

// checkKeys refuses keys of small order and second forms of a key: the first
// would verify what nobody signed, the second would pass as a new key.
func (e *Entry) checkKeys() error {
	if e.Action.joins() && (key.CheckIdentity(e.Identity) != nil || key.CheckLog(e.LogKey) != nil) {
		return ErrKey
	}
	if e.Action == ActionRecovery && key.CheckLog(e.RecoveryKey) != nil {
		return ErrKey
	}
	return nil
}

// apply adds an entry for which everything holds.
func (l *Log) apply(e *Entry, hash [HashSize]byte) {
	l.hashes = append(l.hashes, hash)
	l.last = e.TimeMS
	l.listed = l.listedAt(e.TimeMS)
	switch e.Action {
	case ActionFound:
		l.founding = e.Identity
		l.list(e)
	case ActionAdd:
		l.list(e)
	case ActionRemove:
		l.listed = slices.DeleteFunc(l.listed, func(d Device) bool { return d.ID == e.Device })
	case ActionRecovery:
		l.recovery, l.recovers = e.RecoveryKey, true
		l.logKeys = append(l.logKeys, e.RecoveryKey)
	}
}

func (l *Log) list(e *Entry) {
	d := Device{
		ID: e.Device, RegistrationID: e.RegistrationID, Identity: e.Identity, LogKey: e.LogKey,
		Sequence: e.Sequence, Since: fromMS(e.TimeMS),
	}
	if e.ExpiryMS != 0 {
		d.Expiry = fromMS(e.ExpiryMS)
	}
	at, _ := slices.BinarySearchFunc(l.listed, d.ID, func(d Device, id messaging.DeviceID) int {
		return int(d.ID) - int(id)
	})
	l.listed = slices.Insert(l.listed, at, d)
	l.newest = e.Device
	l.identities = append(l.identities, e.Identity)
	l.logKeys = append(l.logKeys, e.LogKey)
}
