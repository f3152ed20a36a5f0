package ratchet

import (
	"fmt"
	"io"
	"math"

	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/key"
)

// Secrets is what the handshake leaves to both sides. It prints nothing.
type Secrets struct {
	Root  [keySize]byte
	Chain [keySize]byte
	Auth  [keySize]byte // for the post-quantum ratchet
}

// Setup is what both sides of a session know besides the Secrets.
type Setup struct {
	Local, Remote key.IdentityPublic
	// PQ is what is asked of the post-quantum ratchet; its SelfSession lifts the
	// limit of MaxJump here too.
	PQ spqr.Config
}

// State is one session. It is immutable and prints nothing.
type State struct {
	local, remote key.IdentityPublic
	self          bool
	root          [keySize]byte
	send          sender
	previous      uint32      // length of the sender chain before, less one
	receivers     []*receiver // oldest first
	pq            *spqr.State // never changed: steps are committed on clones
}

// NewInitiator returns the session of the side that made the handshake; signed
// is the peer's signed prekey. It draws 32 bytes.
func NewInitiator(rand io.Reader, setup Setup, secrets *Secrets, signed key.SignedPreKeyPublic) (*State, error) {
	s, err := newState(setup, secrets, spqr.Initiator)
	if err != nil {
		return nil, err
	}
	theirs := key.RatchetKeyPublic(signed)
	s.receivers = []*receiver{{public: theirs, key: secrets.Chain}}
	s.root = secrets.Root
	return s, s.turn(rand, theirs)
}

// NewResponder returns the session of the side that received the handshake, its
// signed prekey standing in for its first ratchet key. It never encrypts before
// the first message from the peer was decrypted and turned the ratchet.
func NewResponder(setup Setup, secrets *Secrets, signed *key.SignedPreKeyPrivate) (*State, error) {
	s, err := newState(setup, secrets, spqr.Responder)
	if err != nil {
		return nil, err
	}
	s.root = secrets.Root
	s.send = sender{private: key.RatchetKey(signed), public: key.RatchetKeyPublic(signed.Public()), key: secrets.Chain}
	return s, nil
}

func newState(setup Setup, secrets *Secrets, side spqr.Direction) (*State, error) {
	pq, err := spqr.New(&secrets.Auth, side, setup.PQ)
	if err != nil {
		return nil, fmt.Errorf("new session: %w", err)
	}
	return &State{local: setup.Local, remote: setup.Remote, self: setup.PQ.SelfSession, pq: pq}, nil
}

// turn makes a new sender chain against the peer's ratchet key. It draws 32 bytes.
func (s *State) turn(rand io.Reader, theirs key.RatchetPublic) error {
	private, err := key.Generate[key.RoleRatchet](rand)
	if err != nil {
		return err
	}
	shared, err := key.Agree(private, theirs)
	if err != nil {
		return err
	}
	if s.send.index > 0 {
		s.previous = s.send.index - 1
	} else {
		s.previous = 0
	}
	s.send = sender{private: private, public: private.Public()}
	s.root, s.send.key = stepRoot(&s.root, &shared)
	return nil
}

// Remote returns the identity key of the peer.
func (s *State) Remote() key.IdentityPublic { return s.remote }

// Local returns our own identity key.
func (s *State) Local() key.IdentityPublic { return s.local }

// RatchetKey returns the ratchet key that the next message will carry.
func (s *State) RatchetKey() key.RatchetPublic { return s.send.public }

// Knows reports whether a message with this ratchet key belongs to one of the
// peer's chains that are kept.
func (s *State) Knows(k key.RatchetPublic) bool { return s.find(k) >= 0 }

func (s *State) find(k key.RatchetPublic) int {
	for i, r := range s.receivers {
		if r.public == k {
			return i
		}
	}
	return -1
}

// Encrypt returns a SignalMessage and the State after it, which must be saved
// before the message leaves. addresses goes into the message as it is, authenticated;
// nil leaves the field out. rand is read only when the post-quantum ratchet begins
// a step: for 64 or 32 bytes.
func (s *State) Encrypt(rand io.Reader, plaintext, addresses []byte) (body []byte, next *State, err error) {
	if len(plaintext) > MaxPlaintext {
		return nil, nil, ErrPlaintext
	}
	if s.send.index == math.MaxUint32 {
		return nil, nil, ErrExhausted
	}
	pq := s.pq.Clone()
	step, err := pq.Send(rand)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt: %w", err)
	}
	seed := seedOf(&s.send.key)
	salt, _ := step.Key() // zeros without one
	keys := keysOf(&seed, &salt)
	m := Message{
		RatchetKey: s.send.public, Counter: s.send.index, Previous: s.previous,
		Ciphertext: keys.encrypt(plaintext), PQ: step.Header(), Addresses: addresses,
	}
	body = m.appendFields(make([]byte, 0, len(m.Ciphertext)+len(m.PQ)+len(addresses)+overhead))
	mac := keys.sum(s.local, s.remote, body)
	step.Commit()

	after := *s
	after.pq = pq
	after.send.key = stepChain(&s.send.key)
	after.send.index++
	return append(body, mac[:]...), &after, nil
}

// Format prints no part of the session, whatever the verb.
func (State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "ratchet.State") }

// Format prints no part of the secrets, whatever the verb.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "ratchet.Secrets") }
