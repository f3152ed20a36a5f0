package client

import (
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// ErrBusy: an entry of the own log is on its way; one at a time.
var ErrBusy = errors.New("client: another change of the devices is under way")

// intent is a change of the own device log that is to be appended: KindIdentity
// "intent". It is saved before its entry leaves, so that a crash appends the
// same entry again, which the server answers as it did at first.
type intent struct {
	action devicelog.Action
	device messaging.DeviceID // with ActionRemove
	code   string             // recovery code: to list, or of a device that adds itself
	entry  []byte             // signed for the head at the time; none: to be made
	slot   [wire.SlotSize]byte
	reg    []byte // with an added device: its registration as the frame carries it

	done func(error) // who waits; nobody after a crash
}

func (i *intent) pack() []byte {
	p := newPacker()
	p.uint(uint64(i.action))
	p.uint(uint64(i.device))
	p.bytes([]byte(i.code))
	p.bytes(i.entry)
	p.raw(i.slot[:])
	p.bytes(i.reg)
	return p
}

func (d *device) loadIntent(r vault.Reader) error {
	b, ok, err := lookup(r, vault.KindIdentity, []byte(intentRecord))
	if !ok {
		return err
	}
	u := unpack(b)
	d.intent = &intent{
		action: devicelog.Action(u.uint()), device: messaging.DeviceID(u.uint()),
		code: string(u.bytes()), entry: u.bytes(), slot: u.hash(), reg: u.bytes(),
	}
	return u.done()
}

func (t *txn) putIntent(i *intent) error {
	t.d.intent = i
	return t.Put(vault.KindIdentity, []byte(intentRecord), i.pack())
}

func (t *txn) dropIntent() error {
	t.d.intent = nil
	return t.Delete(vault.KindIdentity, []byte(intentRecord))
}

// finish tells who waits.
func (i *intent) finish(err error) {
	if i.done != nil {
		i.done(err)
		i.done = nil
	}
}

// enlist appends the entry of the intent, if there is one.
func (d *device) enlist() error {
	i := d.intent
	if i == nil || !d.link.open || d.link.appending {
		return nil
	}
	own := d.logs[d.self.account]
	if own != nil && own.fetching {
		return nil
	}
	if (i.action != devicelog.ActionFound || d.link.founded) && (own == nil || own.log == nil) {
		d.wantLog(d.self.account)
		return nil
	}
	if d.appended(i) {
		return d.enlisted(i)
	}
	if d.ready() && !d.bound() {
		return nil
	}
	if err := d.signIntent(i); err != nil {
		return err
	}
	if d.intent == nil {
		return nil // impossible by now, and dropped
	}
	return d.appendEntry(i)
}

// appended reports whether the own log holds the entry already.
func (d *device) appended(i *intent) bool {
	own := d.logs[d.self.account]
	if i.entry == nil || own == nil || own.log == nil {
		return false
	}
	if i.action == devicelog.ActionFound && d.ready() {
		return true // by this entry, or one that was signed for it earlier
	}
	e, err := devicelog.Parse(i.entry)
	if err != nil {
		return false
	}
	where := own.log.Locate(devicelog.Head{Sequence: e.Sequence, Hash: devicelog.Hash(i.entry)})
	return where == devicelog.Equal || where == devicelog.Behind
}

// signIntent makes the entry for the head that stands. What has become
// impossible (removing who is gone) is dropped with its reason.
func (d *device) signIntent(i *intent) error {
	if i.entry != nil && d.fresh(i.entry) && (i.action == devicelog.ActionFound || d.extends(i.entry)) {
		return nil
	}
	if i.action == devicelog.ActionFound && d.link.founded {
		return d.abandon(i, errStale) // somebody else founded the account
	}
	entry, err := d.buildEntry(i)
	if err != nil {
		defer i.finish(err)
		return d.update(func(t *txn) error { return t.dropIntent() })
	}
	i.entry = entry
	return d.update(func(t *txn) error { return t.putIntent(i) })
}

// fresh reports whether an entry is young enough for the server to take it.
func (d *device) fresh(entry []byte) bool {
	e, err := devicelog.Parse(entry)
	return err == nil && d.logTime().Sub(time.UnixMilli(int64(e.TimeMS))).Abs() < entryAge
}

func (d *device) extends(entry []byte) bool {
	own := d.logs[d.self.account]
	if own == nil || own.log == nil {
		return false
	}
	_, err := own.log.Extend(entry)
	return err == nil
}

// errStale: an addition is signed by both devices for one head; another one
// needs the newcomer's signature again.
var errStale = errors.New("client: the devices changed meanwhile, link again")

func (d *device) buildEntry(i *intent) ([]byte, error) {
	if i.action == devicelog.ActionFound {
		return devicelog.Found(d.self.tenant, d.self.account, d.self.newcomer(), d.self.log, d.logTime(), time.Time{})
	}
	log := d.logs[d.self.account].log
	switch i.action {
	case devicelog.ActionRemove:
		return log.Remove(i.device, d.self.signer(), d.logTime())
	case devicelog.ActionRecovery:
		code, err := devicelog.ParseRecoveryCode(i.code)
		if err != nil {
			return nil, err
		}
		return log.Recovery(code, d.self.signer(), d.logTime())
	case devicelog.ActionAdd:
		if i.code == "" {
			return nil, errStale
		}
		return d.recoverEntry(log, i.code)
	}
	return nil, errStale
}

func (d *device) appendEntry(i *intent) error {
	m := &wire.AppendLog{Entry: i.entry}
	if i.action != devicelog.ActionFound {
		m.Expected = wire.LogHead(d.logs[d.self.account].log.Head())
	}
	if err := d.setRegistration(i, m); err != nil {
		return err
	}
	d.link.appending = true
	d.ask(m, func(answer wire.ServerMessage) error {
		d.link.appending = false
		return d.answered(i, answer)
	})
	return nil
}

// setRegistration fills in what makes the added device reachable.
func (d *device) setRegistration(i *intent, m *wire.AppendLog) (err error) {
	switch {
	case i.action == devicelog.ActionFound, i.action == devicelog.ActionAdd && i.code != "":
		m.Registration, err = d.registration()
	case i.action == devicelog.ActionAdd:
		m.Registration, err = unpackRegistration(i.reg)
		m.Registration.Slot = i.slot
	}
	return err
}

// answered goes on after the server's word on an entry.
func (d *device) answered(i *intent, answer wire.ServerMessage) error {
	if d.intent != i {
		return nil
	}
	switch m := answer.(type) {
	case *wire.Done:
		return d.enlisted(i)
	case *wire.Refused:
		if m.Code == wire.CodeStale {
			d.link.founded = true
			d.wantLog(d.self.account)
			return nil
		}
		if m.RetryAfterMS == 0 {
			return d.abandon(i, refusal(m))
		}
	}
	return nil
}

// abandon gives the change up. Keys of a device that could not join are of no use.
func (d *device) abandon(i *intent, reason error) error {
	defer i.finish(reason)
	return d.update(func(t *txn) error { return t.dropIntent() })
}

// enlisted commits that the entry stands.
func (d *device) enlisted(i *intent) error {
	defer i.finish(nil)
	return d.update(func(t *txn) error {
		if !d.appended(i) {
			if err := t.extendOwn(i.entry); err != nil {
				return err
			}
		}
		if i.action == devicelog.ActionFound {
			return t.putIntent(&intent{action: devicelog.ActionRecovery, code: i.code})
		}
		return t.dropIntent()
	})
}
