package relay

import (
	"context"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Services are what a connection's frames ask for.
type Services struct {
	DB      *tenant.DB // for requests that join one transaction
	Mailbox *mailbox.Mailbox
	Logs    Logs
	Keys    Keys
	Slots   Slots
	Chats   Chats
	Invites Invites
	Tickets Tickets       // nil: no tickets, the upgrade carries the session
	Sends   limit.Limiter // sends, counted on this node: a device is on one node
	Asks    limit.Limiter // requests, counted on all nodes
}

// Logs keeps device logs.
type Logs interface {
	AppendLog(ctx context.Context, id tenant.ID, who account.Who, m *wire.AppendLog) (account.Changed, error)
	Log(ctx context.Context, tx tenant.Tx, of messaging.AccountID, from uint64) (*wire.Log, error)
	Head(ctx context.Context, tx tenant.Tx, of messaging.AccountID) (wire.LogHead, error)
}

// Keys keeps published keys.
type Keys interface {
	UploadKeys(ctx context.Context, id tenant.ID, who account.Who, m *wire.UploadKeys) (wire.KeyCounts, error)
	CountKeys(ctx context.Context, id tenant.ID, who account.Who) (wire.KeyCounts, error)
	TakeBundles(ctx context.Context, tx tenant.Tx, of messaging.AccountID, devices []messaging.DeviceID) (*wire.Bundles, []messaging.DeviceID, error)
}

// Slots keeps what linking devices leave for each other.
type Slots interface {
	PutSlot(ctx context.Context, id tenant.ID, who account.Who, m *wire.PutSlot) error
	GetSlot(ctx context.Context, id tenant.ID, who account.Who, slot [wire.SlotSize]byte) ([]byte, error)
}

// Chats knows who may write to whom.
type Chats interface {
	Open(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, m *wire.OpenChat) (*wire.Opened, error)
	Set(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, m *wire.SetChat) (chat.Change, error)
	List(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, after messaging.ChatID, limit int) ([]wire.Chat, messaging.ChatID, error)
	ChatPeers
}

// ChatPeers says whose log and bundles an account may ask for.
type ChatPeers interface {
	Peer(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (messaging.AccountID, error)
	MayWrite(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (messaging.AccountID, error)
}

// Invites keeps a member's own invites.
type Invites interface {
	Create(ctx context.Context, tx tenant.Tx, of messaging.AccountID, m *wire.CreateInvite) (invite.Invite, error)
	Rotate(ctx context.Context, tx tenant.Tx, of messaging.AccountID, id invite.ID, once [16]byte) (invite.Invite, error)
	Revoke(ctx context.Context, tx tenant.Tx, of messaging.AccountID, id invite.ID) error
	List(ctx context.Context, tx tenant.Tx, of messaging.AccountID, after invite.ID, limit int) ([]invite.Invite, invite.ID, error)
}

// Tickets exchanges a one-use ticket of at most 30 s for its session; any error
// is the same to the client.
type Tickets interface {
	Redeem(ctx context.Context, id tenant.ID, ticket []byte) (account.Who, error)
}
