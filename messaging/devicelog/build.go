package devicelog

import (
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Every builder runs the rules of a reader over what it made: an entry that it
// returns extends the log. Times before that of the newest entry are raised to
// it, so that a slow clock costs nothing.

// Signer is a listed device that signs an entry.
type Signer struct {
	Device messaging.DeviceID
	Key    *key.LogPrivate
}

// Found makes entry 0: the newcomer's device founds the account. A zero expiry
// is none.
func Found(tenant messaging.TenantID, account messaging.AccountID, n Newcomer, k *key.LogPrivate, at, expiry time.Time) ([]byte, error) {
	e := Entry{
		Tenant: tenant, Account: account, Action: ActionFound, Device: founder, Signer: founder,
		RegistrationID: n.RegistrationID, Identity: n.Identity, LogKey: n.LogKey,
		TimeMS: toMS(at), ExpiryMS: toMS(expiry),
	}
	e.signature = k.Sign(e.domain(), e.text())
	raw := e.encode()
	_, err := Open(tenant, account, [][]byte{raw})
	return raw, err
}

// Add makes the signed text of an entry that adds a device, for a listed device
// to sign with CompleteAdd once the newcomer has signed it with Join
// (docs/protocol.md section 6.4). A zero expiry is none.
func (l *Log) Add(n Newcomer, signer messaging.DeviceID, at, expiry time.Time) (text []byte, err error) {
	e := l.draft(ActionAdd, signer, at)
	e.RegistrationID, e.Identity, e.LogKey = n.RegistrationID, n.Identity, n.LogKey
	e.Device, e.ExpiryMS = l.next(l.listedAt(e.TimeMS)), toMS(expiry)
	return e.text(), messaging.Invalid(l.plausible(&e))
}

// Join is the newcomer's part: it checks that text adds it, by its own keys, to
// the log that it verified, on the word of the device with the given identity
// key, and returns the reverse signature. It signs nothing else, whoever asks.
func (l *Log) Join(text []byte, n Newcomer, approver key.IdentityPublic, k *key.LogPrivate) (key.Signature, error) {
	e, err := parseText(text)
	if err != nil {
		return key.Signature{}, err
	}
	if e.Action != ActionAdd || e.Signer == byRecovery {
		return key.Signature{}, messaging.Invalid(ErrAction)
	}
	if e.newcomer() != n || k.Public() != n.LogKey {
		return key.Signature{}, messaging.Invalid(ErrKey)
	}
	if err := l.plausible(&e); err != nil {
		return key.Signature{}, messaging.Invalid(err)
	}
	if by, ok := l.Device(e.Signer, fromMS(e.TimeMS)); !ok || !by.Identity.Equal(approver) {
		return key.Signature{}, messaging.Invalid(ErrSigner)
	}
	return k.Sign(domainJoin, text), nil
}

// CompleteAdd signs a text of Add and returns the entry. It refuses a text that
// is not the next addition to l by this signer of this newcomer.
func (l *Log) CompleteAdd(text []byte, n Newcomer, reverse key.Signature, by Signer) ([]byte, error) {
	e, err := parseText(text)
	if err != nil {
		return nil, err
	}
	if e.Action != ActionAdd || e.Signer != by.Device || e.newcomer() != n {
		return nil, messaging.Invalid(ErrAction)
	}
	if err := l.plausible(&e); err != nil {
		return nil, messaging.Invalid(err)
	}
	e.reverse = reverse
	return l.sign(&e, by.Key)
}

// Remove makes the entry with which a listed device takes out a device, itself
// included.
func (l *Log) Remove(device messaging.DeviceID, by Signer, at time.Time) ([]byte, error) {
	e := l.draft(ActionRemove, by.Device, at)
	e.Device = device
	return l.sign(&e, by.Key)
}

// Recovery makes the entry that lists a recovery code's key, in place of the
// one before.
func (l *Log) Recovery(code *RecoveryCode, by Signer, at time.Time) ([]byte, error) {
	k, err := code.key(l.tenant, l.account)
	if err != nil {
		return nil, err
	}
	e := l.draft(ActionRecovery, by.Device, at)
	e.RecoveryKey = k.Public()
	e.reverse = k.Sign(domainRecoveryProof, e.text())
	return l.sign(&e, by.Key)
}

// Recover makes the entry with which a newcomer that holds the recovery code
// adds itself. A wrong code is refused with ErrCode.
func (l *Log) Recover(code *RecoveryCode, n Newcomer, k *key.LogPrivate, at, expiry time.Time) ([]byte, error) {
	signer, err := l.recoveryKey(code)
	if err != nil {
		return nil, err
	}
	e := l.draft(ActionAdd, byRecovery, at)
	e.RegistrationID, e.Identity, e.LogKey = n.RegistrationID, n.Identity, n.LogKey
	e.Device, e.ExpiryMS = l.next(l.listedAt(e.TimeMS)), toMS(expiry)
	e.reverse = k.Sign(domainJoin, e.text())
	return l.sign(&e, signer)
}

// RecoverRemove makes the entry with which the holder of the recovery code
// takes a device out of an account that is full.
func (l *Log) RecoverRemove(code *RecoveryCode, device messaging.DeviceID, at time.Time) ([]byte, error) {
	signer, err := l.recoveryKey(code)
	if err != nil {
		return nil, err
	}
	e := l.draft(ActionRemove, byRecovery, at)
	e.Device = device
	return l.sign(&e, signer)
}

// recoveryKey returns the private key of a code that is in force.
func (l *Log) recoveryKey(code *RecoveryCode) (*key.LogPrivate, error) {
	k, err := code.key(l.tenant, l.account)
	if err != nil {
		return nil, err
	}
	if !l.recovers || k.Public() != l.recovery {
		return nil, messaging.Invalid(ErrCode)
	}
	return k, nil
}

func (l *Log) draft(action Action, signer messaging.DeviceID, at time.Time) Entry {
	head := l.Head()
	return Entry{
		Tenant: l.tenant, Account: l.account, Sequence: head.Sequence + 1, Previous: head.Hash,
		Action: action, Signer: signer, TimeMS: max(toMS(at), l.last),
	}
}

// plausible applies all rules to an entry that is not signed yet.
func (l *Log) plausible(e *Entry) error {
	if err := e.inRange(); err != nil {
		return err
	}
	if err := l.admit(e); err != nil {
		return err
	}
	return e.checkKeys()
}

func (l *Log) sign(e *Entry, k *key.LogPrivate) ([]byte, error) {
	e.signature = k.Sign(e.domain(), e.text())
	raw := e.encode()
	if _, err := l.Extend(raw); err != nil {
		return nil, err
	}
	return raw, nil
}
