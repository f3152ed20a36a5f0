package session

import (
	"io"
	"time"

	"github.com/sottochat/sotto/messaging/key"
)

// Start returns a Record whose current session is a new one made from the
// peer's bundle; the session that was current is archived. It draws 32 bytes
// for the base key, 32 for the encapsulation and 32 for the first ratchet key.
// Nothing is sent: the handshake travels with each message until the peer
// answers. ErrUntrusted when the bundle is not of the identity key or device in
// peer, ErrNoSession never.
func (p *Party) Start(rand io.Reader, rec *Record, peer Peer, bundle *key.Verified, now time.Time) (*Record, error) {
	return nil, ErrUntrusted
}

// Encrypt encrypts in the current session. The Record must be saved before the
// Message leaves the device, or a crash would use a message key twice.
// ErrNoSession when rec is not Usable; ratchet.ErrPlaintext when plaintext is
// longer than ratchet.MaxPlaintext.
func (p *Party) Encrypt(rand io.Reader, rec *Record, peer Peer, plaintext []byte, now time.Time) (Message, *Record, error) {
	return Message{}, nil, ErrNoSession
}

// Decrypt opens a message from peer in one of rec's sessions, or in a new one
// when it carries an unknown handshake. On error nothing is to be saved and no
// prekey is to be deleted.
func (p *Party) Decrypt(rand io.Reader, rec *Record, peer Peer, m Message, keys PreKeys) (Received, error) {
	return Received{}, ErrNoSession
}

// RatchetKeyOf reads the ratchet key of a message that could not be decrypted,
// for a retry request (docs/protocol.md section 3.5). It is a stranger's word.
func RatchetKeyOf(m Message) (key.RatchetPublic, error) {
	return key.RatchetPublic{}, ErrKind
}
