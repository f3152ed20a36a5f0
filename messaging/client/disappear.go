package client

import (
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// Disappearing messages: the time runs from the reading on the reader's side,
// and from the sending on the sender's.

// startTimer dates the end of a message that disappears.
func (t *txn) startTimer(w *row, c *content.Content) {
	if c.ExpireAfter > 0 && w.expires == 0 {
		w.expires = t.d.ms() + uint64(c.ExpireAfter)*1000
	}
}

func expiryKey(w *row) []byte { return keyOf(rowExpiry, be64(w.expires), w.chat[:], be64(w.position)) }

// expireRow puts a row that has an end into the list of ends.
func (t *txn) expireRow(w *row) error {
	if w.expires == 0 {
		return nil
	}
	return t.Put(vault.KindMessage, expiryKey(w), newPacker())
}

// expire removes what has come to its end, with all that stood beside it.
func (t *txn) expire() error {
	within := vault.Range{From: []byte{rowExpiry}, To: keyOf(rowExpiry, be64(t.d.ms()+1)), KeysOnly: true}
	for rec, err := range t.Scan(vault.KindMessage, within) {
		if err != nil {
			return err
		}
		if err := t.Delete(vault.KindMessage, rec.Key); err != nil {
			return err
		}
		key := keyOf(rowPlace, rec.Key[9:])
		b, ok, err := lookup(t, vault.KindMessage, key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		w, err := unpackRow(key, b)
		if err != nil {
			return err
		}
		if err := t.eraseRow(w); err != nil {
			return err
		}
	}
	return nil
}

// eraseRow leaves a row without its content, so that a repeat is still known,
// and without edits and reactions.
func (t *txn) eraseRow(w *row) error {
	for rec, err := range t.Scan(vault.KindMessage, under(keyOf(rowEffect, w.chat[:], w.id[:]))) {
		if err != nil {
			return err
		}
		if err := t.Delete(vault.KindMessage, rec.Key); err != nil {
			return err
		}
	}
	w.status, w.content = StatusDeleted, nil
	return t.putRow(w)
}
