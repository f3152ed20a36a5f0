package session

import (
	"io"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/handshake"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/ratchet/spqr"
	"github.com/sottochat/sotto/messaging/key"
)

// Start returns a Record whose current session is a new one made from the
// peer's bundle; the session that was current is archived. It draws 32 bytes
// for the base key, 32 for the encapsulation and 32 for the first ratchet key.
// Nothing is sent: the handshake travels with each message until the peer
// answers. The error is of class messaging.ErrInvalid when the bundle is of
// another device or identity key than peer, or when its keys lead to no secret.
func (p *Party) Start(rand io.Reader, rec *Record, peer Peer, verified *key.Verified, now time.Time) (*Record, error) {
	bundle := verified.Bundle()
	if bundle.Device != peer.Address.Device || !bundle.Identity.Equal(peer.Identity) {
		return nil, messaging.Invalid(ErrUntrusted)
	}
	sent, err := handshake.Initiate(rand, p.Identity, verified)
	if err != nil {
		return nil, err
	}
	state, err := ratchet.NewInitiator(rand, p.setup(peer), &sent.Secrets, bundle.Signed.Public)
	if err != nil {
		return nil, err
	}
	return rec.push(&entry{state: state, base: sent.Base, remote: bundle.RegistrationID, pending: &pending{
		oneTime: sent.OneTime, signed: sent.Signed, kem: sent.KEM,
		ciphertext: sent.Ciphertext, started: now.Unix(),
	}}), nil
}

// setup is what a session with peer needs to know.
func (p *Party) setup(peer Peer) ratchet.Setup {
	local := p.Identity.Public()
	return ratchet.Setup{Local: local, Remote: peer.Identity, PQ: spqr.Config{
		AllowFallback: p.Config.SPQR == Optional,
		Disabled:      p.Config.SPQR == Off,
		SelfSession:   local.Equal(peer.Identity) && p.Address.Account == peer.Address.Account,
	}}
}

// Encrypt encrypts in the current session. The Record must be saved before the
// Message leaves the device, or a crash would use a message key twice.
// ErrNoSession when rec is not Usable, and a bundle has to be fetched;
// ratchet.ErrPlaintext when plaintext is longer than ratchet.MaxPlaintext.
func (p *Party) Encrypt(rand io.Reader, rec *Record, peer Peer, plaintext []byte, now time.Time) (Message, *Record, error) {
	if !rec.Usable(peer, now) || !p.owns(rec.current) {
		return Message{}, nil, ErrNoSession
	}
	e := *rec.current
	var names []byte
	if e.pending != nil {
		names = p.outgoing(peer)
	}
	body, state, err := e.state.Encrypt(rand, plaintext, names)
	if err != nil {
		return Message{}, nil, err
	}
	e.state = state
	next := rec.replace(rec.current, &e)
	if e.pending == nil {
		return Message{KindSignal, body}, next, nil
	}
	return Message{KindPreKey, p.wrap(&e, body)}, next, nil
}

// wrap puts the pending handshake around a message.
func (p *Party) wrap(e *entry, body []byte) []byte {
	m := handshake.PreKeyMessage{
		Registration: p.RegistrationID, Identity: p.Identity.Public(), Base: e.base,
		OneTime: e.pending.oneTime, Signed: e.pending.signed,
		KEM: e.pending.kem, Ciphertext: e.pending.ciphertext, Message: body,
	}
	return m.Append(nil)
}

// owns reports whether a session is of this device's identity key: a store that
// outlived its device's registration holds others.
func (p *Party) owns(e *entry) bool { return e.state.Local() == p.Identity.Public() }
