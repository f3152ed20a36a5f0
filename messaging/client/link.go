package client

import (
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/devicelog/link"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// Linking (docs/protocol.md section 6): the new device shows a code; the listed
// one scans it and leaves an offer in a slot that only the code gives; the new
// one checks the offer against the log, signs it and leaves its answer; both show
// six digits; the member confirms on the listed one, which signs and appends the
// addition. When the log grew meanwhile, offer and answer are made again, in
// slots of the next attempt.

var (
	// ErrNoLink: no link is under way that this step could belong to.
	ErrNoLink = errors.New("client: no such link is under way")
	// ErrLinkEnded: the code has expired, or the other device did not answer.
	ErrLinkEnded = errors.New("client: the link code has expired or was not answered")
)

// linkState is a link under way. It is in memory only: after a crash the member
// starts over with a new code.
type linkState struct {
	code      *link.Code
	attempt   int
	approver  bool
	digits    string
	text      []byte // offered for signing
	answer    []byte // reverse signature and registration
	confirmed bool
	looked    time.Time // when the log was asked for last
	done      func(error)
}

func (l *linkState) finish(err error) {
	if l.done != nil {
		l.done(err)
		l.done = nil
	}
}

// requestLink makes this device's keys and the code with which it asks to be let
// in. done is told when it is in the log.
func (d *device) requestLink(done func(error)) (string, error) {
	switch {
	case d.dead != nil:
		return "", d.dead
	case !d.link.open:
		return "", ErrOffline
	case d.self.stage == stageReady || d.self.stage == stageRemoved || d.intent != nil || !d.link.founded:
		return "", ErrNotReady
	}
	if d.self.stage == stageNew {
		err := d.update(func(t *txn) error {
			if err := t.makeSelf(d.link.tenant, d.link.account); err != nil {
				return err
			}
			return t.putSelf()
		})
		if err != nil {
			return "", err
		}
	}
	code, err := link.New(d.rand, d.self.tenant, d.self.account, d.self.newcomer(), d.logTime())
	if err != nil {
		return "", err
	}
	d.linking = &linkState{code: code, done: done}
	d.wantLog(d.self.account)
	if err := d.watchOffer(d.linking); err != nil {
		return "", err
	}
	return code.Text(), d.progress()
}

// watchOffer waits for the offer of the attempt at hand.
func (d *device) watchOffer(l *linkState) error {
	slot, err := l.code.Slot(link.StepOffer, l.attempt)
	if err != nil {
		return err
	}
	d.ask(&wire.GetSlot{Slot: slot, Watch: true}, func(answer wire.ServerMessage) error {
		if d.linking != l {
			return nil
		}
		m, ok := answer.(*wire.Slot)
		if !ok {
			if d.ready() {
				return nil
			}
			return d.endLink(ErrLinkEnded)
		}
		return d.offered(l, m.Payload)
	})
	return nil
}

// offered checks what the listed device offers and answers with the reverse
// signature. It signs nothing but its own addition to the log that it verified.
func (d *device) offered(l *linkState, payload []byte) error {
	own := d.logs[d.self.account]
	if own == nil || own.log == nil || own.wanted || own.fetching {
		// The log is on its way: progress calls again through resumeLink.
		l.answer = payload
		return nil
	}
	l.answer = nil
	plain, err := l.code.Open(link.StepOffer, l.attempt, payload)
	if err != nil {
		return d.endLink(err)
	}
	offer, err := link.ParseOffer(plain)
	if err != nil {
		return d.endLink(err)
	}
	reverse, err := own.log.Join(offer.Text, d.self.newcomer(), offer.Approver, d.self.log)
	if errors.Is(err, devicelog.ErrSequence) || errors.Is(err, devicelog.ErrPrevious) {
		l.answer = payload // the listed device knows a longer log
		d.wantLog(d.self.account)
		return nil
	}
	if err != nil {
		return d.endLink(err)
	}
	l.digits = l.code.Digits(offer.Approver)
	d.emit(Event{Kind: EventLinkDigits})
	reg, err := d.registration()
	if err != nil {
		return err
	}
	if err := d.putSlot(l, link.StepAnswer, append(reverse[:], packRegistration(&reg)...)); err != nil {
		return err
	}
	l.attempt++
	if l.attempt < link.MaxAttempts {
		return d.watchOffer(l)
	}
	return nil
}

// resumeLink goes on where the own log was waited for.
func (d *device) resumeLink() error {
	l := d.linking
	own := d.logs[d.self.account]
	if l == nil {
		return nil
	}
	if !d.logTime().Before(l.code.Expiry.Add(time.Minute)) {
		return d.endLink(ErrLinkEnded)
	}
	if l.approver || own == nil || own.log == nil || own.wanted || own.fetching {
		return nil
	}
	if d.ready() {
		return d.endLink(nil)
	}
	if l.answer != nil {
		return d.offered(l, l.answer)
	}
	d.lookForEntry(l)
	return nil
}

// lookForEntry asks for the log again and again once this device has answered: a
// session without a device is told nothing of its growth.
func (d *device) lookForEntry(l *linkState) {
	if l.digits != "" && !d.now().Before(l.looked.Add(tickEvery)) {
		l.looked = d.now()
		d.wantLog(d.self.account)
	}
}

func (d *device) endLink(err error) error {
	if l := d.linking; l != nil {
		d.linking = nil
		l.finish(err)
	}
	return nil
}

func (d *device) putSlot(l *linkState, step link.Step, payload []byte) error {
	slot, err := l.code.Slot(step, l.attempt)
	if err != nil {
		return err
	}
	sealed, err := l.code.Seal(d.rand, step, l.attempt, payload)
	if err != nil {
		return err
	}
	d.ask(&wire.PutSlot{Slot: slot, Payload: sealed}, func(answer wire.ServerMessage) error {
		if _, refused := answer.(*wire.Refused); refused && d.linking == l {
			return d.endLink(ErrLinkEnded)
		}
		return nil
	})
	return nil
}

// approveLink scans a code and makes the offer. The digits are for the member to
// compare with those of the new device, before confirmLink.
func (d *device) approveLink(text string) (digits string, err error) {
	if !d.bound() {
		return "", ErrOffline
	}
	if d.intent != nil {
		return "", ErrBusy
	}
	code, err := link.Parse(text)
	if err != nil {
		return "", err
	}
	if err := code.Check(d.logs[d.self.account].log, d.logTime()); err != nil {
		return "", err
	}
	_ = d.endLink(ErrLinkEnded)
	d.linking = &linkState{code: code, approver: true, digits: code.Digits(d.self.identity.Public())}
	return d.linking.digits, d.offer(d.linking)
}

// offer leaves the text of the addition and waits for the answer.
func (d *device) offer(l *linkState) (err error) {
	log := d.logs[d.self.account].log
	if l.text, err = log.Add(l.code.Newcomer, d.self.device, d.logTime(), time.Time{}); err != nil {
		return d.endLink(err)
	}
	l.answer = nil
	offer := link.Offer{Approver: d.self.identity.Public(), Text: l.text}
	if err := d.putSlot(l, link.StepOffer, offer.Bytes()); err != nil {
		return err
	}
	slot, err := l.code.Slot(link.StepAnswer, l.attempt)
	if err != nil {
		return err
	}
	d.ask(&wire.GetSlot{Slot: slot, Watch: true}, func(answer wire.ServerMessage) error {
		if d.linking != l {
			return nil
		}
		m, ok := answer.(*wire.Slot)
		if !ok {
			return d.endLink(ErrLinkEnded)
		}
		plain, err := l.code.Open(link.StepAnswer, l.attempt, m.Payload)
		if err != nil || len(plain) <= len(key.Signature{}) {
			return d.endLink(ErrLinkEnded)
		}
		l.answer = plain
		return d.completeLink(l)
	})
	return nil
}

// confirmLink is the member's word that the digits are the same.
func (d *device) confirmLink(done func(error)) error {
	l := d.linking
	if l == nil || !l.approver {
		return ErrNoLink
	}
	l.confirmed, l.done = true, done
	if err := d.completeLink(l); err != nil {
		return err
	}
	return d.progress()
}

// completeLink signs the addition when both the answer and the member's word are
// there.
func (d *device) completeLink(l *linkState) error {
	if !l.confirmed || l.answer == nil || d.intent != nil {
		return nil
	}
	size := len(key.Signature{})
	reverse, reg := key.Signature(l.answer[:size]), l.answer[size:]
	if _, err := unpackRegistration(reg); err != nil {
		return d.endLink(err)
	}
	entry, err := d.logs[d.self.account].log.CompleteAdd(l.text, l.code.Newcomer, reverse, d.self.signer())
	if err != nil {
		return d.retryLink(l, err)
	}
	slot, err := l.code.Slot(link.StepAnswer, l.attempt)
	if err != nil {
		return err
	}
	i := &intent{action: devicelog.ActionAdd, entry: entry, slot: slot, reg: reg}
	i.done = func(err error) {
		if errors.Is(err, errStale) {
			_ = d.retryLink(l, err)
			return
		}
		_ = d.endLink(err)
	}
	return d.update(func(t *txn) error { return t.putIntent(i) })
}

// retryLink makes the next offer when the log grew; anything else ends the link.
func (d *device) retryLink(l *linkState, reason error) error {
	stale := errors.Is(reason, errStale) || errors.Is(reason, devicelog.ErrSequence) || errors.Is(reason, devicelog.ErrPrevious)
	if !stale || l.attempt+1 >= link.MaxAttempts || d.linking != l {
		return d.endLink(reason)
	}
	l.attempt++
	return d.offer(l)
}
