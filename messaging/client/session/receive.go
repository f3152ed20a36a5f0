package session

import (
	"errors"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/handshake"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/key"
)

// Decrypt opens a message from peer in one of rec's sessions, or in a new one
// when it carries an unknown handshake. On error nothing is to be saved and no
// prekey is to be deleted. An error that is not of class messaging.ErrInvalid is
// of rand or keys: the message may still be good, and is to be tried again.
func (p *Party) Decrypt(rand io.Reader, rec *Record, peer Peer, m Message, keys PreKeys) (Received, error) {
	switch m.Kind {
	case KindSignal:
		return p.receiveSignal(rand, rec, peer, m.Body)
	case KindPreKey:
		return p.receivePreKey(rand, rec, peer, m.Body, keys)
	}
	return Received{}, messaging.Invalid(ErrKind)
}

// maxSteps is how many chain keys one message may cost over all sessions that it
// is tried in: what the first two of them may ask for. Without it a forgery
// costs MaxJump steps of both ratchets in each of 41 sessions, about a second. A
// genuine message comes to this limit only in an archived session, after
// thousands of messages of its chain were lost.
const maxSteps = 4 * ratchet.MaxJump

func (p *Party) receiveSignal(rand io.Reader, rec *Record, peer Peer, body []byte) (Received, error) {
	m, err := ratchet.Parse(body)
	if err != nil {
		return Received{}, err
	}
	if err := p.checkAddresses(peer, &m, false); err != nil {
		return Received{}, err
	}
	candidates, err := p.candidates(rec, peer, m.RatchetKey)
	if err != nil {
		return Received{}, err
	}
	var first error
	steps := 0
	for _, e := range candidates {
		if steps += e.state.Steps(&m); steps > maxSteps && first != nil {
			break
		}
		got, err := rec.open(rand, e, &m)
		if err == nil || !errors.Is(err, messaging.ErrInvalid) {
			return got, err
		}
		if first == nil {
			first = err
		}
	}
	return Received{}, first
}

// candidates are the sessions that may open a message with this ratchet key, in
// the order of trying. A session that has the key is the right one: the others
// would take it for a new key and fail, each after a key agreement and up to
// MaxJump steps, so they are not asked. A duplicate ends there too.
func (p *Party) candidates(rec *Record, peer Peer, k key.RatchetPublic) ([]*entry, error) {
	all := rec.sessions()
	if len(all) == 0 {
		return nil, messaging.Invalid(ErrNoSession)
	}
	var known, others []*entry
	for _, e := range all {
		switch {
		case !p.trusts(e, peer):
		case e.state.Knows(k):
			known = append(known, e)
		default:
			others = append(others, e)
		}
	}
	switch {
	case len(known) > 0:
		return known, nil
	case len(others) == 0:
		return nil, messaging.Invalid(ErrUntrusted)
	}
	return others, nil
}

// trusts reports whether a session is between our identity key and the one that
// the device log lists for the peer.
func (p *Party) trusts(e *entry, peer Peer) bool {
	return p.owns(e) && e.state.Remote().Equal(peer.Identity)
}

// open decrypts m in session e of rec, which thereby is acknowledged and becomes
// the current one.
func (r *Record) open(rand io.Reader, e *entry, m *ratchet.Message) (Received, error) {
	plaintext, state, err := e.state.Decrypt(rand, m)
	if err != nil {
		return Received{}, err
	}
	next := *e
	next.state, next.pending = state, nil
	return Received{Plaintext: plaintext, Record: r.replace(e, &next), RatchetKey: m.RatchetKey}, nil
}

func (p *Party) receivePreKey(rand io.Reader, rec *Record, peer Peer, body []byte, keys PreKeys) (Received, error) {
	outer, err := handshake.Parse(body)
	if err != nil {
		return Received{}, err
	}
	if !outer.Identity.Equal(peer.Identity) {
		return Received{}, messaging.Invalid(ErrUntrusted)
	}
	inner, err := ratchet.Parse(outer.Message)
	if err != nil {
		return Received{}, err
	}
	if err := p.checkAddresses(peer, &inner, p.Config.Addresses == Required); err != nil {
		return Received{}, err
	}
	for _, e := range rec.sessions() {
		if p.trusts(e, peer) && e.base.Equal(outer.Base) {
			return rec.open(rand, e, &inner)
		}
	}
	return p.accept(rand, rec, peer, &outer, &inner, keys)
}

// accept makes a new session of an unknown handshake. Its first message must
// open in it: a handshake by itself proves nothing.
func (p *Party) accept(rand io.Reader, rec *Record, peer Peer, outer *handshake.PreKeyMessage, inner *ratchet.Message, keys PreKeys) (Received, error) {
	own, lastResort, err := p.lookUp(outer, keys)
	if err != nil {
		return Received{}, err
	}
	secrets, err := handshake.Respond(own, outer)
	if err != nil {
		return Received{}, err
	}
	state, err := ratchet.NewResponder(p.setup(peer), &secrets, own.Signed)
	if err != nil {
		return Received{}, err
	}
	e := &entry{state: state, base: outer.Base, remote: outer.Registration}
	got, err := rec.push(e).open(rand, e, inner)
	if err != nil {
		return Received{}, err
	}
	got.Handshake, got.OneTime = true, outer.OneTime
	if lastResort {
		use := useOf(outer)
		got.LastResort = &use
	} else {
		got.KEM = &outer.KEM
	}
	return got, nil
}

// lookUp fetches the private keys that a handshake names.
func (p *Party) lookUp(m *handshake.PreKeyMessage, keys PreKeys) (own handshake.Keys, lastResort bool, err error) {
	own.Identity = p.Identity
	if own.Signed, err = keys.SignedPreKey(m.Signed); err != nil {
		return own, false, missing(err)
	}
	if own.KEM, lastResort, err = keys.KEMPreKey(m.KEM); err != nil {
		return own, false, missing(err)
	}
	if lastResort {
		seen, err := keys.Seen(useOf(m))
		if err != nil {
			return own, false, err
		}
		if seen {
			return own, false, messaging.Invalid(ErrReplay)
		}
	}
	if m.OneTime != nil {
		own.OneTime, err = keys.OneTimePreKey(*m.OneTime)
	}
	return own, lastResort, missing(err)
}

func useOf(m *handshake.PreKeyMessage) LastResortUse {
	return LastResortUse{KEM: m.KEM, Signed: m.Signed, Base: m.Base}
}

// missing makes a stranger's fault of an unknown id, and of nothing else.
func missing(err error) error {
	if errors.Is(err, ErrNoPreKey) {
		return messaging.Invalid(err)
	}
	return err
}

// RatchetKeyOf reads the ratchet key of a message that could not be decrypted,
// for a retry request (docs/protocol.md section 3.5). It is a stranger's word.
func RatchetKeyOf(m Message) (key.RatchetPublic, error) {
	body := m.Body
	switch m.Kind {
	case KindSignal:
	case KindPreKey:
		outer, err := handshake.Parse(m.Body)
		if err != nil {
			return key.RatchetPublic{}, err
		}
		body = outer.Message
	default:
		return key.RatchetPublic{}, messaging.Invalid(ErrKind)
	}
	inner, err := ratchet.Parse(body)
	return inner.RatchetKey, err
}
