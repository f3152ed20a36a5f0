package session

import (
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging/key"
)

// PreKeys is what an incoming handshake may need of the vault: one consistent
// snapshot, taken in the transaction in which the result will be saved. An
// unknown id is ErrNoPreKey; any other error is the store's own and Decrypt
// passes it on as it is.
type PreKeys interface {
	SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error)
	OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error)
	// KEMPreKey also says, from the owner's own record, whether the prekey is a
	// last-resort one: the message cannot tell.
	KEMPreKey(id key.PreKeyID) (private *key.KEMPrivate, lastResort bool, err error)
	// Seen reports whether the use was remembered before.
	Seen(use LastResortUse) (bool, error)
}

// LastResortUse identifies a handshake made with a last-resort prekey, which is
// not deleted after use. It is comparable; remember it for as long as the
// prekey of either id is kept.
type LastResortUse struct {
	KEM    key.PreKeyID
	Signed key.PreKeyID
	Base   key.BasePublic
}

// Received is what Decrypt found, and what to save in one transaction before
// anything of it is shown or acknowledged.
type Received struct {
	Plaintext []byte
	// Record replaces the one that was passed in.
	Record *Record
	// RatchetKey is the sender's ratchet key of this message.
	RatchetKey key.RatchetPublic
	// Handshake is set when the message began a new session. Only then can the
	// three fields below be set.
	Handshake bool
	// OneTime is the one-time curve prekey to delete, if any was used.
	OneTime *key.PreKeyID
	// KEM is the one-time KEM prekey to delete; nil when a last-resort one was used.
	KEM *key.PreKeyID
	// LastResort is to be remembered for PreKeys.Seen; nil unless a last-resort
	// prekey was used.
	LastResort *LastResortUse
}

// Format prints no part of what was received, whatever the verb.
func (Received) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session.Received") }
