package client

import (
	"context"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/safety"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// Calls that are one request and its answer, and what a screen asks about logs.

// Invites returns a page of the account's own invites: from the start, or behind
// the Next of the page before.
func (c *Client) Invites(ctx context.Context, cursor []byte) (*wire.Invites, error) {
	return request[*wire.Invites](ctx, c, &wire.ListInvites{Cursor: cursor})
}

// CreateInvite makes one more invite. The idempotency key is drawn here.
func (c *Client) CreateInvite(ctx context.Context, m wire.CreateInvite) (*wire.Invites, error) {
	if err := c.draw(ctx, m.IdempotencyKey[:]); err != nil {
		return nil, err
	}
	return request[*wire.Invites](ctx, c, &m)
}

// SetInvite rotates or revokes an invite and returns it as it is then.
func (c *Client) SetInvite(ctx context.Context, id [16]byte, action wire.InviteAction) (*wire.Invites, error) {
	m := &wire.SetInvite{InviteID: id, Action: action}
	if err := c.draw(ctx, m.IdempotencyKey[:]); err != nil {
		return nil, err
	}
	return request[*wire.Invites](ctx, c, m)
}

// SetChat blocks, pauses, resumes, declines or closes a chat for this account.
func (c *Client) SetChat(ctx context.Context, chat messaging.ChatID, action wire.ChatAction) error {
	_, err := request[*wire.Done](ctx, c, &wire.SetChat{ChatID: chat, Action: action})
	return err
}

// request asks and waits. It needs a device that is connected.
func request[A wire.ServerMessage](ctx context.Context, c *Client, m wire.ClientMessage) (out A, err error) {
	err = c.await(ctx, func(d *device, done func(error)) error {
		if !d.bound() {
			return ErrOffline
		}
		d.ask(m, func(answer wire.ServerMessage) error {
			switch a := answer.(type) {
			case A:
				out = a
				done(nil)
			case *wire.Refused:
				done(refusal(a))
			default:
				done(ErrOffline)
			}
			return nil
		})
		return nil
	})
	return out, err
}

func (c *Client) draw(ctx context.Context, b []byte) error {
	return c.do(ctx, func(d *device) error {
		_, err := io.ReadFull(d.rand, b)
		return err
	})
}

// Fingerprint returns that of the own account; an invite's fragment is its first
// half. ErrNotReady before the log is known.
func (c *Client) Fingerprint(ctx context.Context) (f devicelog.Fingerprint, err error) {
	err = c.do(ctx, func(d *device) error {
		own := d.logs[d.self.account]
		if own == nil || own.log == nil {
			return ErrNotReady
		}
		f = own.log.Fingerprint()
		return nil
	})
	return f, err
}

// SafetyNumber returns the number that the member compares with the peer's.
func (c *Client) SafetyNumber(ctx context.Context, peer messaging.AccountID) (n safety.Number, err error) {
	err = c.do(ctx, func(d *device) error {
		own, theirs := d.logs[d.self.account], d.logs[peer]
		if own == nil || own.log == nil || theirs == nil || theirs.log == nil {
			return ErrUnknownAccount
		}
		n = safety.New(safety.Party{Account: d.self.account, Identity: own.log.FoundingIdentity()},
			safety.Party{Account: peer, Identity: theirs.log.FoundingIdentity()})
		return nil
	})
	return n, err
}

// HistoryReady reports whether every chat of the history that was offered is
// known here: FetchHistory leaves out what belongs to no chat. ErrNoHistory when
// nothing was offered.
func (c *Client) HistoryReady(ctx context.Context) (ready bool, err error) {
	err = c.do(ctx, func(d *device) error {
		offer, err := d.offerKept()
		if err != nil {
			return err
		}
		for _, t := range offer.Chats {
			if d.chats[t.Chat] == nil {
				return nil
			}
		}
		ready = true
		return nil
	})
	return ready, err
}
