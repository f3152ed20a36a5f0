package client

import (
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
)

var (
	// ErrKeysNew: the account was founded anew; see Client.AcceptKeys.
	ErrKeysNew = errors.New("client: this person's keys are new, accept them first")
	// ErrUnknownAccount: no chat with this account.
	ErrUnknownAccount = errors.New("client: no chat with this account")
)

// peer is what is known of another account beside its log: KindPeer.
type peer struct {
	account  messaging.AccountID
	chat     messaging.ChatID
	keysNew  bool
	forked   bool
	verified devicelog.Fingerprint // compared by the member; zero: not
}

func (p *peer) pack() []byte {
	b := newPacker()
	b.raw(p.chat[:])
	b.bool(p.keysNew)
	b.bool(p.forked)
	b.raw(p.verified[:])
	return b
}

func (d *device) loadPeers(r vault.Reader) error {
	for rec, err := range r.Scan(vault.KindPeer, vault.Range{}) {
		if err != nil {
			return err
		}
		u := unpack(rec.Value)
		p := &peer{account: messaging.AccountID(rec.Key), chat: u.id(), keysNew: u.bool(), forked: u.bool(), verified: u.hash()}
		if err := u.done(); err != nil {
			return err
		}
		d.peers[p.account] = p
	}
	return nil
}

func (t *txn) putPeer(p *peer) error {
	t.d.peers[p.account] = p
	return t.Put(vault.KindPeer, p.account[:], p.pack())
}

// keysNew stops sending to an account; a comparison of safety numbers is void.
func (t *txn) keysNew(a messaging.AccountID) error {
	t.event(Event{Kind: EventKeysNew, Account: a})
	p := t.d.peers[a]
	if p == nil {
		return nil
	}
	p.keysNew, p.verified = true, devicelog.Fingerprint{}
	return t.putPeer(p)
}

func (t *txn) forked(a messaging.AccountID, by messaging.Address) error {
	t.event(Event{Kind: EventFork, Account: a, Device: by.Device})
	p := t.d.peers[a]
	if p == nil || p.forked {
		return nil
	}
	p.forked = true
	return t.putPeer(p)
}

// acceptKeys lets messages go to an account that was founded anew.
func (d *device) acceptKeys(a messaging.AccountID) error {
	p := d.peers[a]
	if p == nil {
		return ErrUnknownAccount
	}
	err := d.update(func(t *txn) error {
		p.keysNew = false
		return t.putPeer(p)
	})
	if err != nil {
		return err
	}
	return d.progress()
}
