package session

import (
	"fmt"
	"io"
	"time"

	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

// Record is every session with one device: the current one and up to
// MaxArchived earlier ones, newest first. It is immutable and may be shared
// between goroutines; nil is the empty Record. It prints nothing of its keys.
type Record struct {
	current  *entry // nil after Archive
	archived []*entry
}

// entry is one session and how it began. It is immutable too.
type entry struct {
	state   *ratchet.State
	base    key.BasePublic // of the handshake: what a repeated one is known by
	remote  uint32         // the peer's registration id, as the peer or its bundle said
	pending *pending       // nil once the peer answered, and when archived
}

// pending is the handshake that goes with each message until the peer answers.
type pending struct {
	oneTime    *key.PreKeyID
	signed     key.PreKeyID
	kem        key.PreKeyID
	ciphertext []byte
	started    int64 // Unix time in seconds
}

// Usable reports whether Encrypt has a session to encrypt in: there is a
// current one, it is with the identity key that the device log lists for peer,
// and if the peer never answered in it, it is at most MaxUnacknowledged old.
func (r *Record) Usable(peer Peer, now time.Time) bool {
	if r == nil || r.current == nil || !r.current.state.Remote().Equal(peer.Identity) {
		return false
	}
	p := r.current.pending
	return p == nil || now.Unix()-p.started <= int64(MaxUnacknowledged/time.Second)
}

// Registration returns the peer's registration id in the current session, 0
// without one. It goes on the envelope.
func (r *Record) Registration() uint32 {
	if r == nil || r.current == nil {
		return 0
	}
	return r.current.remote
}

// SendsWith reports whether the current session now sends with ratchet key k. A
// retry request that names another key is about a session that was replaced
// already, and archives nothing (docs/protocol.md section 3.5).
func (r *Record) SendsWith(k key.RatchetPublic) bool {
	return r != nil && r.current != nil && r.current.state.RatchetKey() == k
}

// Archive returns a Record without a current session: the next send has to
// start one. What the peer still sends in the old one decrypts.
func (r *Record) Archive() *Record { return r.push(nil) }

// sessions returns all, the current one first.
func (r *Record) sessions() []*entry {
	if r == nil {
		return nil
	}
	if r.current == nil {
		return r.archived
	}
	return append([]*entry{r.current}, r.archived...)
}

// push returns a Record with e as the current session; the one that was goes to
// the front of the archived, of which the oldest makes room.
func (r *Record) push(e *entry) *Record {
	if r == nil || r.current == nil {
		out := &Record{current: e}
		if r != nil {
			out.archived = r.archived
		}
		return out
	}
	old := *r.current
	old.pending = nil
	archived := append(make([]*entry, 0, min(len(r.archived)+1, MaxArchived)), &old)
	archived = append(archived, r.archived[:min(len(r.archived), MaxArchived-1)]...)
	return &Record{current: e, archived: archived}
}

// replace returns a Record in which e stands for the session that it followed
// from, and is the current one.
func (r *Record) replace(from, e *entry) *Record {
	if r.current == from {
		return &Record{current: e, archived: r.archived}
	}
	rest := make([]*entry, 0, len(r.archived))
	for _, old := range r.archived {
		if old != from {
			rest = append(rest, old)
		}
	}
	return (&Record{current: r.current, archived: rest}).push(e)
}

// Format prints no part of the sessions, whatever the verb.
func (Record) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session.Record") }
