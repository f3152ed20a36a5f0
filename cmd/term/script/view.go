package script

import (
	"encoding/hex"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/wire"
)

// chatView is a chat as a program sees it.
type chatView struct {
	Chat     messaging.ChatID    `json:"chat"`
	Peer     messaging.AccountID `json:"peer"`
	Name     string              `json:"name,omitempty"` // as the peer says
	State    string              `json:"state"`
	MayWrite bool                `json:"may_write"`
	Mine     bool                `json:"opened_by_me"`
	Newest   uint64              `json:"newest"`
	Read     uint64              `json:"read"`
	Timer    uint32              `json:"timer,omitempty"` // seconds
	KeysNew  bool                `json:"keys_new,omitempty"`
	Forked   bool                `json:"forked,omitempty"`
	Verified bool                `json:"verified,omitempty"`
}

func showChat(c client.Chat) chatView {
	return chatView{
		Chat: c.ID, Peer: c.Peer, Name: c.Profile.Name, State: chatState(c.State), MayWrite: c.MayWrite, Mine: c.OpenedByMe,
		Newest: c.Newest, Read: c.Read, Timer: c.Timer, KeysNew: c.KeysNew, Forked: c.Forked, Verified: c.Verified,
	}
}

func chatState(s wire.ChatState) string {
	switch s {
	case wire.StateOpen:
		return "open"
	case wire.StatePaused:
		return "paused"
	case wire.StateDeclined:
		return "declined"
	case wire.StateBlocked:
		return "blocked"
	case wire.StateClosed:
		return "closed"
	}
	return "unknown"
}

// messageView is a message as a program sees it.
type messageView struct {
	Chat      messaging.ChatID    `json:"chat"`
	Message   messaging.MessageID `json:"message"`
	Position  uint64              `json:"position"`
	From      string              `json:"from"` // "me" or "peer"
	Device    messaging.DeviceID  `json:"device"`
	Status    string              `json:"status"`
	Arrived   uint64              `json:"arrived"` // Unix seconds
	SentAt    uint64              `json:"sent_at,omitempty"`
	Kind      string              `json:"kind,omitempty"`
	Text      string              `json:"text,omitempty"`
	Edited    bool                `json:"edited,omitempty"`
	ReplyTo   string              `json:"reply_to,omitempty"`
	File      *fileView           `json:"file,omitempty"`
	Timer     uint32              `json:"timer,omitempty"`
	Reactions []reactionView      `json:"reactions,omitempty"`
}

type fileView struct {
	Name   string `json:"name"` // as the sender says; saved under a safe one
	Type   string `json:"type"`
	Size   uint64 `json:"size"`
	Width  uint32 `json:"width,omitempty"`
	Height uint32 `json:"height,omitempty"`
}

type reactionView struct {
	From  string `json:"from"`
	Emoji string `json:"emoji"`
}

func showMessage(c client.Chat, x client.Message) messageView {
	v := messageView{
		Chat: c.ID, Message: x.ID, Position: x.Position, From: side(c, x.Sender.Account), Device: x.Sender.Device,
		Status: status(x.Status), Arrived: x.Arrived,
	}
	for _, r := range x.Reactions {
		v.Reactions = append(v.Reactions, reactionView{side(c, r.Account), r.Emoji})
	}
	if x.Content.Body == nil {
		return v
	}
	v.SentAt = x.Content.SentAt
	v.fill(x)
	return v
}

func (v *messageView) fill(x client.Message) {
	switch b := x.Content.Body.(type) {
	case content.Text:
		v.Kind, v.Text = "text", b.Text
		v.reply(b.ReplyTo)
	case content.Media:
		v.Kind, v.Text = "file", b.Caption
		v.File = &fileView{b.Name, b.Type, b.Blob.Size, b.Width, b.Height}
		v.reply(b.ReplyTo)
	case content.Timer:
		v.Kind, v.Timer = "timer", b.Seconds
	default:
		v.Kind = "newer_version"
	}
	if x.Edited != "" {
		v.Text, v.Edited = x.Edited, true
	}
}

func (v *messageView) reply(to messaging.MessageID) {
	if to != (messaging.MessageID{}) {
		v.ReplyTo = to.String()
	}
}

func side(c client.Chat, a messaging.AccountID) string {
	if a == c.Peer {
		return "peer"
	}
	return "me"
}

func status(s client.Status) string {
	switch s {
	case client.StatusQueued:
		return "queued"
	case client.StatusSent:
		return "sent"
	case client.StatusDelivered:
		return "delivered"
	case client.StatusRead:
		return "read"
	case client.StatusFailed:
		return "failed"
	case client.StatusReceived:
		return "received"
	case client.StatusLost:
		return "lost"
	case client.StatusDeleted:
		return "deleted"
	}
	return "unknown"
}

// eventView is one thing that happened, printed after listen.
type eventView struct {
	Event   string `json:"event"`
	Chat    string `json:"chat,omitempty"`
	Account string `json:"account,omitempty"`
	Device  int    `json:"device,omitempty"`
	Message string `json:"message,omitempty"`
	Active  bool   `json:"active,omitempty"`
}

// eventNames are what must never change once it is published: scripts compare
// them.
var eventNames = map[client.EventKind]string{
	client.EventResync: "resync", client.EventConnection: "connection", client.EventLogin: "login", client.EventReady: "ready",
	client.EventMessage: "message", client.EventChat: "chat", client.EventTyping: "typing", client.EventDevices: "devices",
	client.EventKeysNew: "keys_new", client.EventFork: "fork", client.EventRollback: "rollback",
	client.EventLogRefused: "log_refused", client.EventMismatch: "mismatch", client.EventRemoved: "removed",
	client.EventNewLogin: "new_login", client.EventLinkRequested: "link_requested", client.EventLinkDigits: "link_digits",
	client.EventUnseen: "unseen", client.EventLost: "lost", client.EventRefused: "refused", client.EventWaiting: "waiting",
	client.EventHistory: "history", client.EventNotice: "notice",
}

func showEvent(e client.Event) eventView {
	v := eventView{Event: eventNames[e.Kind], Device: int(e.Device), Active: e.Active}
	if e.Chat != (messaging.ChatID{}) {
		v.Chat = e.Chat.String()
	}
	if e.Account != (messaging.AccountID{}) {
		v.Account = e.Account.String()
	}
	if e.Message != (messaging.MessageID{}) {
		v.Message = e.Message.String()
	}
	return v
}

func hexOf(sum [32]byte) string { return hex.EncodeToString(sum[:]) }
