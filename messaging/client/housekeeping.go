package client

import (
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
)

// tickEvery is how often a running client calls tick: the shortest of the waits
// that it serves, receiptDelay.
const tickEvery = receiptDelay

// housekeepEvery is how often a tick looks for what has grown old.
const housekeepEvery = time.Minute

// tick does what only time makes due: receipts, disappearing messages, gaps,
// retries, old keys.
func (d *device) tick() error {
	if d.dead != nil {
		return d.dead
	}
	if !d.ready() {
		return d.progress()
	}
	if d.receiptsRipe() {
		if err := d.update(func(t *txn) error { return t.tellReceipts() }); err != nil {
			return err
		}
	}
	if !d.now().Before(d.ticked.Add(housekeepEvery)) {
		d.ticked = d.now()
		if err := d.housekeep(); err != nil {
			return err
		}
	}
	return d.progress()
}

func (d *device) housekeep() error {
	for _, s := range d.logs {
		// Ask again: the server may have got its log back.
		s.behind = false
	}
	return d.update(func(t *txn) error {
		for _, part := range []func() error{t.expire, t.tendGaps, t.forgetSent, t.forget, t.forgetActions} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetActions drops ids of calls that nobody repeats any more.
func (t *txn) forgetActions() error {
	for rec, err := range t.Scan(vault.KindAction, vault.Range{}) {
		if err != nil {
			return err
		}
		if t.d.ms() < fromBE(rec.Value)+uint64(keepSent.Milliseconds()) {
			continue
		}
		if err := t.Delete(vault.KindAction, rec.Key); err != nil {
			return err
		}
	}
	return nil
}

// unseen takes out an own device that was away for unseenAfter, and warns of the
// next. seen is when the server last saw each.
func (d *device) unseen(id messaging.DeviceID, seen time.Time) error {
	away := d.now().Sub(seen)
	switch {
	case !d.ready() || id == d.self.device:
		return nil
	case away >= unseenAfter:
		return d.change(&intent{action: devicelog.ActionRemove, device: id})
	case away >= unseenAfter-unseenWarning:
		d.emit(Event{Kind: EventUnseen, Account: d.self.account, Device: id})
	}
	return nil
}

func msDuration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
