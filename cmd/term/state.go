package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sottochat/sotto/cmd/term/screen"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
)

// maxUnread is where counting stops.
const maxUnread = 99

// refresh reads what there is to show. It is a handful of lookups in a local
// file; an error there has ended the device, and the pump reports it.
func (d *desk) refresh() {
	core := d.member.Core()
	now := d.member.Now()
	self, _ := d.member.SelfID(d.ctx)
	s := screen.State{Address: now.Origin, Self: self.Account, Online: now.Online}
	if now.Over != nil {
		s.Over = overText(now.Over)
	}
	chats, err := core.Chats(d.ctx)
	if err != nil {
		return
	}
	for _, c := range chats {
		if !c.List.Removed {
			s.Chats = append(s.Chats, d.entry(c))
		}
	}
	slices.SortStableFunc(s.Chats, func(a, b screen.Entry) int {
		return int(int64(b.Last.Arrived) - int64(a.Last.Arrived))
	})
	open := d.model.Open()
	if open != (messaging.ChatID{}) {
		batch, err := core.Conversation(d.ctx, open, 0, d.shown)
		if err != nil {
			return
		}
		s.More = len(batch) == d.shown
		slices.Reverse(batch)
		s.Messages = batch
		s.Typing = time.Now().Before(d.typing[open])
		d.markRead(chats, batch)
	}
	d.model.SetState(s)
}

func (d *desk) entry(c client.Chat) screen.Entry {
	e := screen.Entry{Chat: c}
	batch, err := d.member.Core().Conversation(d.ctx, c.ID, 0, 1)
	if err != nil || len(batch) == 0 {
		return e
	}
	e.Last = batch[0]
	if c.Newest <= c.Read {
		return e
	}
	batch, _ = d.member.Core().Conversation(d.ctx, c.ID, 0, maxUnread)
	for _, x := range batch {
		if x.Position > c.Read && x.Sender.Account == c.Peer {
			e.Unread++
		}
	}
	return e
}

// markRead tells that what is on the screen was seen.
func (d *desk) markRead(chats []client.Chat, shown []client.Message) {
	if len(shown) == 0 {
		return
	}
	newest := shown[len(shown)-1].Position
	for _, c := range chats {
		if c.ID == d.model.Open() && newest > c.Read {
			_ = d.member.Core().MarkRead(d.ctx, c.ID, newest) // the next refresh tries again
		}
	}
}

func overText(err error) string {
	code, ok := closeCode(err)
	if !ok {
		return "stopped"
	}
	if text, ok := overTexts[code]; ok {
		return text
	}
	return fmt.Sprintf("the server ended the connection (%d)", code)
}

// notice is what the member must see of an event.
func (d *desk) notice(e client.Event) string {
	self, _ := d.member.SelfID(d.ctx)
	switch e.Kind {
	case client.EventDevices:
		if e.Account == self.Account && d.devicesChanged() {
			return "The devices of your account have changed. Look at /devices: each one there can read what you read. Remove what you do not know."
		}
		return ""
	case client.EventNewLogin:
		return "Somebody signed in to your account on a new device. It can read nothing until one of your devices lets it in. If that was not you, change your password with the site that you sign in with."
	case client.EventLinkRequested:
		return "A new device asks to be let in to your account. If it is yours, use /approve and the code on its screen. If not, do nothing: it stays out."
	case client.EventFork, client.EventMismatch, client.EventKeysNew, client.EventRollback, client.EventLogRefused:
		return d.aboutKeys(e)
	case client.EventRemoved:
		return "This device was removed from your account. It gets nothing more."
	case client.EventUnseen:
		return fmt.Sprintf("Your device %d was not seen for a long time and will drop out of your account soon, unless it connects.", e.Device)
	case client.EventNotice:
		return "The server has news that this version cannot show. Get a newer version."
	}
	return ""
}

// devicesChanged compares the own devices with those that were known before: a log
// also grows by a new recovery code.
func (d *desk) devicesChanged() bool {
	_, all, err := d.member.Devices(d.ctx)
	if err != nil {
		return false
	}
	now := make(map[messaging.DeviceID]uint64)
	for _, x := range all {
		now[x.ID] = x.Sequence // a number can come back, its entry cannot
	}
	changed := !maps.Equal(now, d.known)
	d.known = now
	return changed
}

// aboutKeys are the notices that tell of somebody in between.
func (d *desk) aboutKeys(e client.Event) string {
	who := "This person"
	chats, _ := d.member.Core().Chats(d.ctx)
	for _, c := range chats {
		if c.Peer == e.Account {
			who = screen.Title(c)
		}
	}
	switch e.Kind {
	case client.EventFork:
		return "Somebody is being shown another list of devices of " + who + " than you are. Compare safety numbers with /safety before you write anything that matters."
	case client.EventMismatch:
		return "The account behind this invite is not the one that the invite names. Nothing was opened. Ask for a new invite, by another way."
	case client.EventKeysNew:
		return who + " has new keys: the account was founded anew. Nothing is sent until you compare safety numbers (/safety) and say /accept."
	case client.EventRollback:
		return "The server hides the newest devices of " + who + ". Nothing is sent until it shows them again."
	}
	return "The server's list of devices of " + who + " does not verify. It was refused."
}
