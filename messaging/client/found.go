package client

import (
	"time"

	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// found makes this device the first of its account. Keys and entry are saved;
// the entry goes up as often as it takes. The code is for the member to write
// down; it is listed in the log right after the founding.
func (d *device) found(done func(error)) (*devicelog.RecoveryCode, error) {
	switch {
	case d.dead != nil:
		return nil, d.dead
	case d.self.stage != stageNew || d.intent != nil:
		return nil, ErrBusy
	case !d.link.open:
		return nil, ErrOffline
	case d.link.founded:
		return nil, ErrNotReady
	}
	code, err := devicelog.NewRecoveryCode(d.rand)
	if err != nil {
		return nil, err
	}
	err = d.update(func(t *txn) error {
		if err := t.makeSelf(d.link.tenant, d.link.account); err != nil {
			return err
		}
		if err := t.putSelf(); err != nil {
			return err
		}
		entry, err := devicelog.Found(d.self.tenant, d.self.account, d.self.newcomer(), d.self.log, d.logTime(), time.Time{})
		if err != nil {
			return err
		}
		return t.putIntent(&intent{action: devicelog.ActionFound, code: code.Reveal(), entry: entry, done: done})
	})
	if err != nil {
		return nil, err
	}
	return code, d.progress()
}

// recoverAccount makes this device one of an account whose others are lost, by
// the recovery code.
func (d *device) recoverAccount(code string, done func(error)) error {
	if _, err := devicelog.ParseRecoveryCode(code); err != nil {
		return err
	}
	if d.self.stage != stageNew || d.intent != nil {
		return ErrBusy
	}
	if !d.link.open {
		return ErrOffline
	}
	err := d.update(func(t *txn) error {
		if err := t.makeSelf(d.link.tenant, d.link.account); err != nil {
			return err
		}
		if err := t.putSelf(); err != nil {
			return err
		}
		return t.putIntent(&intent{action: devicelog.ActionAdd, code: code, done: done})
	})
	if err != nil {
		return err
	}
	return d.progress()
}

func (d *device) recoverEntry(log *devicelog.Log, text string) ([]byte, error) {
	code, err := devicelog.ParseRecoveryCode(text)
	if err != nil {
		return nil, err
	}
	return log.Recover(code, d.self.newcomer(), d.self.log, d.logTime(), time.Time{})
}

// change appends an entry to the own log: a removal, a recovery code, an addition.
func (d *device) change(i *intent) error {
	if !d.ready() {
		return ErrNotReady
	}
	if d.intent != nil {
		return ErrBusy
	}
	if err := d.update(func(t *txn) error { return t.putIntent(i) }); err != nil {
		return err
	}
	return d.progress()
}

// registrations travel in the link exchange as the frame carries them.
func packRegistration(r *wire.Registration) []byte {
	return wire.AppendClient(nil, 1, &wire.AppendLog{Entry: []byte{0}, Registration: *r})
}

func unpackRegistration(b []byte) (wire.Registration, error) {
	_, m, err := wire.ParseClient(b)
	if err != nil {
		return wire.Registration{}, err
	}
	a, ok := m.(*wire.AppendLog)
	if !ok {
		return wire.Registration{}, errRecord
	}
	return a.Registration, nil
}
