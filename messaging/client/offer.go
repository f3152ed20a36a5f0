package client

import (
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

const offerRecord = "history" // KindBlob: the newest offer of history

// applyOffer keeps an offer of history until it was fetched. Only an own device
// can make one.
func (t *txn) applyOffer(from messaging.Address, o content.HistoryOffer) error {
	c := content.Content{Message: messaging.MessageID{1}, SentAt: t.d.ms(), Body: o}
	plain, err := t.d.encode(&c)
	if err != nil {
		return err
	}
	t.event(Event{Kind: EventHistory, Account: from.Account, Device: from.Device})
	return t.Put(vault.KindBlob, []byte(offerRecord), plain)
}

func (d *device) offerKept() (offer *content.HistoryOffer, err error) {
	err = d.view(func(r vault.Reader) error {
		b, ok, err := lookup(r, vault.KindBlob, []byte(offerRecord))
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoHistory
		}
		c, err := content.Parse(b)
		if err != nil {
			return errRecord
		}
		o, ok := c.Body.(content.HistoryOffer)
		if !ok {
			return errRecord
		}
		offer = &o
		return nil
	})
	return offer, err
}

func (t *txn) dropOffer() error {
	t.event(Event{Kind: EventHistory, Account: t.d.self.account, Active: true})
	return t.Delete(vault.KindBlob, []byte(offerRecord))
}
