package client

import (
	"context"
	"errors"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// errShared reports a vault that somebody else writes to: a device is its only
// writer.
var errShared = errors.New("client: the vault changed under its owner")

// A txn is one commit in the making. It holds sessions parsed until the end, so
// that a batch from one sender writes its record once, and events back until
// the commit stands.
type txn struct {
	*vault.Tx
	d        *device
	sessions map[messaging.Address]*session.Record
	events   []Event
}

// update makes one commit. Whatever error it returns, the device is dead: what
// is in memory may be ahead of the vault.
func (d *device) update(change func(*txn) error) error {
	if d.dead != nil {
		return d.dead
	}
	var t *txn
	err := vault.Update(context.Background(), d.vault, func(tx *vault.Tx) error {
		if t != nil {
			return errShared
		}
		t = &txn{Tx: tx, d: d, sessions: make(map[messaging.Address]*session.Record)}
		if err := change(t); err != nil {
			return err
		}
		return t.flush()
	})
	if err != nil {
		d.dead = err
		return err
	}
	d.publish(t.events)
	return nil
}

// view reads one snapshot.
func (d *device) view(read func(vault.Reader) error) error {
	if d.dead != nil {
		return d.dead
	}
	return d.vault.View(context.Background(), read)
}

// session returns the record of a device, nil when there is none.
func (t *txn) session(a messaging.Address) (*session.Record, error) {
	if r, ok := t.sessions[a]; ok {
		return r, nil
	}
	b, err := t.Get(vault.KindSession, addressKey(a))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return session.ParseRecord(b)
}

func (t *txn) setSession(a messaging.Address, r *session.Record) { t.sessions[a] = r }

func (t *txn) flush() error {
	order := make([]messaging.Address, 0, len(t.sessions))
	for a := range t.sessions {
		order = append(order, a)
	}
	slices.SortFunc(order, func(a, b messaging.Address) int {
		return slices.Compare(addressKey(a), addressKey(b))
	})
	for _, a := range order {
		b, err := t.sessions[a].AppendBinary(nil)
		if err != nil {
			return err
		}
		if err := t.Put(vault.KindSession, addressKey(a), b); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) event(e Event) { t.events = append(t.events, e) }

// has reports whether a record is there.
func has(r vault.Reader, kind vault.Kind, key []byte) (bool, error) {
	_, err := r.Get(kind, key)
	if errors.Is(err, vault.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
