package session

import (
	"time"

	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

// Record is every session with one device: the current one and up to
// MaxArchived earlier ones, newest first. It is immutable and may be shared
// between goroutines; nil is the empty Record. It prints nothing of its keys.
type Record struct {
	current  *entry
	archived []*entry
}

// entry is one session and how it began.
type entry struct {
	state   *ratchet.State
	base    key.BasePublic
	remote  uint32 // the peer's registration id, as the peer or its bundle said
	pending *pending
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
	return false
}

// Registration returns the peer's registration id in the current session, 0
// without one. It goes on the envelope.
func (r *Record) Registration() uint32 {
	return 0
}

// SendsWith reports whether the current session now sends with ratchet key k. A
// retry request that names another key is about a session that was replaced
// already, and archives nothing (docs/protocol.md section 3.5).
func (r *Record) SendsWith(k key.RatchetPublic) bool {
	return false
}

// Archive returns a Record without a current session: the next send has to
// start one. What the peer still sends in the old one decrypts.
func (r *Record) Archive() *Record {
	return r
}

// AppendBinary appends the one encoding of the Record. The result holds keys:
// it goes into the sealed vault and nowhere else.
func (r *Record) AppendBinary(b []byte) ([]byte, error) {
	return b, nil
}

// ParseRecord reads what AppendBinary wrote and accepts nothing else; otherwise ErrRecord.
func ParseRecord(b []byte) (*Record, error) {
	return nil, ErrRecord
}
