package client

import (
	"github.com/sottochat/sotto/messaging"
)

// Event tells a screen what changed; it reads the rest. Only the fields that
// its kind names are set.
type Event struct {
	Kind    EventKind
	Chat    messaging.ChatID
	Account messaging.AccountID
	Device  messaging.DeviceID
	Message messaging.MessageID
	Slot    [32]byte
	Active  bool
}

// EventKind is what an Event is about.
type EventKind uint8

// The kinds.
const (
	// EventResync: events were dropped because the screen was slow. Read all again.
	EventResync EventKind = iota + 1
	// EventConnection: Active says whether the device is connected.
	EventConnection
	// EventLogin: the session belongs to no device yet. Active says whether the
	// account exists: link or recover; else found it.
	EventLogin
	// EventReady: this device is in the log of its account.
	EventReady
	// EventMessage: Message of Chat, by Account, is new or has changed.
	EventMessage
	// EventChat: Chat is new or has changed.
	EventChat
	// EventTyping: Account in Chat writes, or has stopped (Active).
	EventTyping
	// EventDevices: the device log of Account has grown.
	EventDevices
	// EventKeysNew: Account was founded anew. Nothing is sent to it before
	// AcceptKeys.
	EventKeysNew
	// EventFork: a head of the log of Account, as Device of the peer or the
	// server has it, contradicts the log that this device verified. Somebody is
	// shown another list of devices.
	EventFork
	// EventRollback: the server's log of Account ends before what this device
	// verified. Nothing is sent until it is back.
	EventRollback
	// EventLogRefused: the server's log of Account does not verify.
	EventLogRefused
	// EventMismatch: the account behind an invite is not the one that it names.
	EventMismatch
	// EventRemoved: this device is no longer in the log and has stopped.
	EventRemoved
	// EventNewLogin: somebody logged in to the account on a new device.
	EventNewLogin
	// EventLinkRequested: that session asks to be linked; Slot names it.
	EventLinkRequested
	// EventLinkDigits: the digits of the link under way are there; see LinkDigits.
	EventLinkDigits
	// EventUnseen: Device of the own account will drop out soon.
	EventUnseen
	// EventLost: healing failed for Message of Chat; a placeholder stands for it.
	EventLost
	// EventRefused: an envelope from Account and Device was dropped as forged,
	// misdirected, or from a device that no log lists.
	EventRefused
	// EventWaiting: Message waits for keys of Device of Account.
	EventWaiting
	// EventHistory: a history transfer made progress; Active: it is complete.
	EventHistory
	// EventNotice: a notice that this version does not know and must show.
	EventNotice
)

// publish hands events to the screen. The queue is bounded: a screen that does
// not read gets one EventResync.
func (d *device) publish(events []Event) {
	if len(d.events)+len(events) > maxEvents {
		d.events = append(d.events[:0], Event{Kind: EventResync})
		return
	}
	d.events = append(d.events, events...)
}

func (d *device) emit(e Event) { d.publish([]Event{e}) }
