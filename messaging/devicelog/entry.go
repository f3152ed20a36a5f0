package devicelog

import (
	"crypto/sha256"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	tag     = "devicelog"
	version = 1

	// HashSize is the length in bytes of an entry's hash.
	HashSize = sha256.Size

	// founder is the id of the founding device.
	founder messaging.DeviceID = 1

	// byRecovery stands for a signer that is not a device but the recovery key.
	byRecovery messaging.DeviceID = 0
)

// Action is what an entry does.
type Action uint8

// The actions of docs/protocol.md section 2.2.
const (
	ActionFound    Action = 1
	ActionAdd      Action = 2
	ActionRemove   Action = 3
	ActionRecovery Action = 4
)

// joins reports whether the action lists a device.
func (a Action) joins() bool { return a == ActionFound || a == ActionAdd }

// Entry is a parsed entry. It says nothing true until a Log has taken it.
type Entry struct {
	Tenant         messaging.TenantID
	Account        messaging.AccountID
	Sequence       uint64
	Previous       [HashSize]byte // zero in entry 0
	Action         Action
	Device         messaging.DeviceID // 0 in ActionRecovery
	RegistrationID uint32             // as Identity and LogKey: of the device that joins
	Identity       key.IdentityPublic
	LogKey         key.LogPublic
	RecoveryKey    key.LogPublic      // in ActionRecovery
	Signer         messaging.DeviceID // 0: the recovery key
	TimeMS         uint64             // Unix time
	ExpiryMS       uint64             // Unix time; 0: none

	signature key.Signature
	reverse   key.Signature // in ActionAdd and ActionRecovery
}

// Newcomer is what a device brings along to be listed.
type Newcomer struct {
	RegistrationID uint32 // 1 to key.MaxRegistrationID
	Identity       key.IdentityPublic
	LogKey         key.LogPublic
}

// Hash is the SHA-256 of an entry's bytes: what the next entry refers to, and
// for entry 0 the account fingerprint.
func Hash(entry []byte) [HashSize]byte { return sha256.Sum256(entry) }

// Parse reads the canonical form of an entry, checks the range of each value by
// itself, and judges no signature.
func Parse(b []byte) (Entry, error) {
	if len(b) == 0 || len(b) > MaxEntry {
		return Entry{}, messaging.Invalid(ErrSize)
	}
	e, err := decode(b)
	if err == nil && string(e.encode()) != string(b) {
		err = ErrEncoding
	}
	if err == nil {
		err = e.inRange()
	}
	if err != nil {
		return Entry{}, messaging.Invalid(err)
	}
	return e, nil
}

// parseText is Parse for an entry without its signatures.
func parseText(b []byte) (Entry, error) {
	if len(b) == 0 || len(b) > MaxEntry {
		return Entry{}, messaging.Invalid(ErrSize)
	}
	e, err := decode(b)
	if err == nil && string(e.text()) != string(b) {
		err = ErrEncoding
	}
	if err == nil {
		err = e.inRange()
	}
	if err != nil {
		return Entry{}, messaging.Invalid(err)
	}
	return e, nil
}

// inRange checks what can be checked without the log.
func (e *Entry) inRange() error {
	switch {
	case e.Action < ActionFound || e.Action > ActionRecovery:
		return ErrAction
	case e.Sequence >= MaxEntries:
		return ErrFull
	case e.TimeMS == 0 || e.TimeMS > maxTime || e.ExpiryMS > maxTime:
		return ErrRange
	case e.ExpiryMS != 0 && e.ExpiryMS <= e.TimeMS:
		return ErrTime
	case e.Action != ActionRecovery && !e.Device.Valid():
		return ErrRange
	case e.Signer != byRecovery && !e.Signer.Valid():
		return ErrRange
	case e.Action.joins() && (e.RegistrationID == 0 || e.RegistrationID > key.MaxRegistrationID):
		return ErrRange
	}
	return nil
}

func (e *Entry) newcomer() Newcomer { return Newcomer{e.RegistrationID, e.Identity, e.LogKey} }

// Kinds of signed text; entry.proto has the table. Each has its own domain, so
// that a signature for one never passes for another.
const (
	domainFound         key.Domain = "sotto/devicelog/found/v1"
	domainAdd           key.Domain = "sotto/devicelog/add/v1"
	domainJoin          key.Domain = "sotto/devicelog/join/v1"
	domainRecover       key.Domain = "sotto/devicelog/recover/v1"
	domainRemove        key.Domain = "sotto/devicelog/remove/v1"
	domainRecoverRemove key.Domain = "sotto/devicelog/recover-remove/v1"
	domainRecovery      key.Domain = "sotto/devicelog/recovery/v1"
	domainRecoveryProof key.Domain = "sotto/devicelog/recovery-proof/v1"
)

// domain returns that of the entry's signature.
func (e *Entry) domain() key.Domain {
	recovery := e.Signer == byRecovery
	switch {
	case e.Action == ActionFound:
		return domainFound
	case e.Action == ActionAdd && recovery:
		return domainRecover
	case e.Action == ActionAdd:
		return domainAdd
	case e.Action == ActionRemove && recovery:
		return domainRecoverRemove
	case e.Action == ActionRemove:
		return domainRemove
	default:
		return domainRecovery
	}
}

// reversed returns the domain and the key of the reverse signature, if the
// action has one.
func (e *Entry) reversed() (key.Domain, key.LogPublic, bool) {
	switch e.Action {
	case ActionAdd:
		return domainJoin, e.LogKey, true
	case ActionRecovery:
		return domainRecoveryProof, e.RecoveryKey, true
	default:
		return "", key.LogPublic{}, false
	}
}
