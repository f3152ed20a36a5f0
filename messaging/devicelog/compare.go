package devicelog

import (
	"crypto/subtle"

	"github.com/sottochat/sotto/messaging"
)

// Known is what a client remembers of a log, its own or a peer's.
type Known struct {
	Fingerprint Fingerprint
	Head        Head
}

// Known returns what to remember of l.
func (l *Log) Known() Known { return Known{l.Fingerprint(), l.Head()} }

// Relation says how a log stands to one that was known before.
type Relation uint8

const (
	// Same: nothing new.
	Same Relation = iota + 1
	// Extends: the known log and more.
	Extends
	// Rollback: ends before the known head. What a server does that hides a
	// removal, or that was restored from an old backup.
	Rollback
	// Forked: the same founding, another history.
	Forked
	// Refounded: another founding. "This person's keys are new."
	Refounded
)

// Compare says how l stands to what is known of it.
func (l *Log) Compare(k Known) Relation {
	if !l.Fingerprint().Equal(k.Fingerprint) {
		return Refounded
	}
	switch l.Locate(k.Head) {
	case Equal:
		return Same
	case Behind:
		return Extends
	case Ahead:
		return Rollback
	default:
		return Forked
	}
}

// Accept refuses a log that does not extend what is known, with ErrRollback,
// ErrFork or ErrRefounded.
func (l *Log) Accept(k Known) error {
	switch l.Compare(k) {
	case Same, Extends:
		return nil
	case Rollback:
		return messaging.Invalid(ErrRollback)
	case Refounded:
		return messaging.Invalid(ErrRefounded)
	default:
		return messaging.Invalid(ErrFork)
	}
}

// Position says where a head that someone reports lies against a log.
type Position uint8

const (
	// Equal: both see the same log.
	Equal Position = iota + 1
	// Behind: the head is an older one of this log.
	Behind
	// Ahead: the head is past the end; fetch the log and look again. If it stays
	// so, either the server hides entries or the one who reports made it up.
	Ahead
	// Fork: no log that extends this one can have this head.
	Fork
)

// Locate places a head, such as one that came inside a message.
func (l *Log) Locate(h Head) Position {
	n := uint64(len(l.hashes))
	switch {
	case h.Sequence >= MaxEntries:
		return Fork
	case h.Sequence >= n:
		return Ahead
	case subtle.ConstantTimeCompare(l.hashes[h.Sequence][:], h.Hash[:]) != 1:
		return Fork
	case h.Sequence == n-1:
		return Equal
	default:
		return Behind
	}
}
