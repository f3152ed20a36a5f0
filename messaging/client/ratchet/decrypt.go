package ratchet

import (
	"crypto/hmac"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// Decrypt opens m and returns the State after it. On error there is none, and s
// is as it was. rand is read only when m carries a new ratchet key and is
// proven: for 32 bytes.
func (s *State) Decrypt(rand io.Reader, m *Message) (plaintext []byte, next *State, err error) {
	a := attempt{state: *s, at: s.find(m.RatchetKey)}
	if err := a.chainFor(m.RatchetKey); err != nil {
		return nil, nil, err
	}
	seed, err := a.advance(m.Counter)
	if err != nil {
		return nil, nil, err
	}
	a.state.pq = s.pq.Clone()
	step, err := a.state.pq.Receive(m.PQ)
	if err != nil {
		return nil, nil, pqError{err}
	}
	salt, _ := step.Key() // zeros without one
	keys := keysOf(&seed, &salt)
	mac := keys.sum(s.remote, s.local, m.signed)
	if !hmac.Equal(mac[:], m.mac[:]) {
		return nil, nil, messaging.Invalid(ErrMAC)
	}
	if plaintext, err = keys.decrypt(m.Ciphertext); err != nil {
		return nil, nil, err
	}
	if err := a.commit(rand); err != nil {
		return nil, nil, err
	}
	step.Commit()
	return plaintext, &a.state, nil
}

// attempt is a message being opened. Its state becomes the next one if the
// message turns out to be genuine.
type attempt struct {
	state State
	at    int // index of the chain among the receivers, -1 when it is new
	chain *receiver
}

// chainFor finds the chain of a ratchet key, or derives what a new one would be.
// Our own turn of the ratchet waits until the message is proven: a forger gets
// one agreement and no new key out of us.
func (a *attempt) chainFor(theirs key.RatchetPublic) error {
	if a.at >= 0 {
		a.chain = a.state.receivers[a.at]
		return nil
	}
	shared, err := key.Agree(a.state.send.private, theirs)
	if err != nil {
		return err
	}
	a.chain = &receiver{public: theirs}
	a.state.root, a.chain.key = stepRoot(&a.state.root, &shared)
	clear(shared[:])
	return nil
}

func (a *attempt) advance(counter uint32) (seed [keySize]byte, err error) {
	seed, a.chain, err = a.chain.open(counter, a.state.jump())
	return seed, err
}

func (s *State) jump() uint32 {
	if s.self {
		return maxSelfJump
	}
	return MaxJump
}

// Steps returns how many chain keys Decrypt would derive in both ratchets before
// it knows whether m is genuine: what a forged message costs. It derives none.
func (s *State) Steps(m *Message) int {
	chain := &receiver{}
	if at := s.find(m.RatchetKey); at >= 0 {
		chain = s.receivers[at]
	}
	return chain.ahead(m.Counter, s.jump()) + s.pq.Ahead(m.PQ)
}

// commit puts the chain in its place. After a new chain the ratchet turns, and
// the oldest chain goes when there are too many.
func (a *attempt) commit(rand io.Reader) error {
	old := a.state.receivers
	if a.at >= 0 {
		a.state.receivers = append(make([]*receiver, 0, len(old)), old...)
		a.state.receivers[a.at] = a.chain
		return nil
	}
	old = old[max(0, len(old)+1-MaxChains):]
	a.state.receivers = append(append(make([]*receiver, 0, len(old)+1), old...), a.chain)
	return a.state.turn(rand, a.chain.public)
}

// pqError is the refusal of package spqr, which is of the class
// messaging.ErrInvalid, found by ErrPostQuantum too.
type pqError struct{ reason error }

func (e pqError) Error() string        { return messaging.ErrInvalid.Error() }
func (e pqError) Is(target error) bool { return target == ErrPostQuantum }
func (e pqError) Unwrap() error        { return e.reason }
