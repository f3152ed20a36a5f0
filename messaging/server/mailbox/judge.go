package mailbox

import (
	"cmp"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
)

// view is what the database says about a send: docs/protocol.md section 13.5.
type view struct {
	repeated bool // its receipt is there
	active   bool // the sender's account and tenant are
	found    bool // the chat is one of the sender's
	open     bool // and takes messages, its other account being active
	peer     messaging.AccountID
	own      wire.LogHead
	other    wire.LogHead
	// Devices as id<<16 | registration id, ascending.
	ownDevices  []int32
	peerDevices []int32
}

// target is a row to be stored.
type target struct {
	to           messaging.Address
	registration uint16
	envelope     *wire.Envelope
}

// judge decides about a send. o.set is then what is to be stored: nothing for a
// repetition, a refusal or an ephemeral send.
func (o *op) judge(v *view) {
	o.set, o.out = nil, Outcome{}
	switch {
	case v.repeated:
		o.out = Outcome{Verdict: Accepted, Repeated: true}
	case !v.active || !slices.ContainsFunc(v.ownDevices, o.isSender):
		o.out.Verdict = NotLinked
	case o.inChat() && !v.found:
		o.out.Verdict = NotFound
	case o.inChat() && !v.open:
		o.out.Verdict = NotOpen
	default:
		o.judgeSet(v)
	}
}

func (o *op) inChat() bool { return o.send.ChatID != messaging.ChatID{} }

func (o *op) isSender(packed int32) bool {
	return messaging.DeviceID(packed>>16) == o.line.from.Device
}

func (o *op) judgeSet(v *view) {
	detail := coverage(o.send, v, o.line.from.Device)
	if detail == wire.DetailNone && (o.send.OwnHead != v.own || o.inChat() && o.send.PeerHead != v.other) {
		detail = wire.DetailHead
	}
	if detail != wire.DetailNone {
		o.out = Outcome{Verdict: Stale, Detail: detail, OwnHead: v.own}
		if o.inChat() {
			o.out.PeerHead = v.other
		}
		return
	}
	o.out = Outcome{Verdict: Accepted, Recipients: make([]messaging.Address, len(o.send.Envelopes))}
	for i := range o.send.Envelopes {
		e := &o.send.Envelopes[i]
		to := messaging.Address{Account: o.line.from.Account, Device: e.Device}
		if e.Side == wire.SidePeer {
			to.Account = v.peer
		}
		o.out.Recipients[i] = to
		if o.send.Urgency != wire.UrgencyEphemeral {
			o.set = append(o.set, target{to, e.RegistrationID, e})
		}
	}
}

// coverage compares the set with the devices of both logs: exactly these, or
// with a partial set some of these. Both lists ascend by side and device.
func coverage(send *wire.Send, v *view, sender messaging.DeviceID) wire.Detail {
	want := wanted(send, v, sender)
	extra, registration, missing := false, false, false
	i := 0
	for n := range send.Envelopes {
		e := &send.Envelopes[n]
		for i < len(want) && want[i].before(e) {
			missing = true
			i++
		}
		if i == len(want) || want[i].side != e.Side || want[i].device != e.Device {
			extra = true
			continue
		}
		registration = registration || want[i].registration != e.RegistrationID
		i++
	}
	switch {
	case !send.Partial && (missing || i < len(want)):
		return wire.DetailDeviceMissing
	case extra:
		return wire.DetailDeviceExtra
	case registration:
		return wire.DetailRegistration
	}
	return wire.DetailNone
}

// place is a device that a full set has an envelope for.
type place struct {
	side         wire.Side
	device       messaging.DeviceID
	registration uint16
}

func (p place) before(e *wire.Envelope) bool {
	return cmp.Or(cmp.Compare(p.side, e.Side), cmp.Compare(p.device, e.Device)) < 0
}

func wanted(send *wire.Send, v *view, sender messaging.DeviceID) []place {
	want := make([]place, 0, wire.MaxEnvelopes)
	if send.ChatID != (messaging.ChatID{}) {
		for _, packed := range v.peerDevices {
			want = append(want, place{wire.SidePeer, messaging.DeviceID(packed >> 16), uint16(packed)})
		}
	}
	for _, packed := range v.ownDevices {
		if d := messaging.DeviceID(packed >> 16); d != sender {
			want = append(want, place{wire.SideOwn, d, uint16(packed)})
		}
	}
	return want
}
