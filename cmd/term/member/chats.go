package member

import (
	"context"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/native"
	"github.com/sottochat/sotto/messaging/wire"
)

// OpenChat follows an invite link. What costs money is not opened here.
func (m *Member) OpenChat(ctx context.Context, link string) (chat messaging.ChatID, created bool, err error) {
	origin, invite, err := native.ParseAddress(link)
	if err != nil || invite == nil {
		return chat, false, ErrInviteShape
	}
	if origin != m.Now().Origin {
		return chat, false, ErrOtherChat
	}
	seen, err := m.Core().Look(ctx, invite.Token, invite.Fragment)
	if err != nil {
		return chat, false, err
	}
	if seen.ChatID != (messaging.ChatID{}) {
		return seen.ChatID, false, nil
	}
	if len(seen.Quote) > 0 {
		return chat, false, ErrPrice
	}
	opened, err := m.Core().OpenChat(ctx, invite.Token, invite.Fragment, nil)
	if err != nil {
		return chat, false, err
	}
	return opened.ChatID, opened.Created, nil
}

// maxInvites bounds the invites that are listed: more than a member makes by
// hand.
const maxInvites = 1000

// Invites returns the account's invites and the link of each that has one.
func (m *Member) Invites(ctx context.Context) (all []wire.Invite, link func(wire.Invite) string, err error) {
	f, err := m.Core().Fingerprint(ctx)
	if err != nil {
		return nil, nil, err
	}
	origin := m.Now().Origin
	link = func(i wire.Invite) string {
		if len(i.Token) == 0 {
			return ""
		}
		return native.InviteLink(origin, i.Token, f.Fragment())
	}
	for cursor := []byte(nil); len(all) < maxInvites; {
		page, err := m.Core().Invites(ctx, cursor)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, page.Invites...)
		if cursor = page.Next; len(cursor) == 0 {
			break
		}
	}
	return all, link, nil
}

// Invite returns the link of the permanent invite.
func (m *Member) Invite(ctx context.Context) (string, error) {
	all, link, err := m.Invites(ctx)
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Permanent && !i.Revoked && len(i.Token) > 0 {
			return link(i), nil
		}
	}
	return "", ErrNoInvite
}

// Chat returns one chat.
func (m *Member) Chat(ctx context.Context, id messaging.ChatID) (client.Chat, error) {
	all, err := m.Core().Chats(ctx)
	if err != nil {
		return client.Chat{}, err
	}
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
	}
	return client.Chat{}, client.ErrUnknownChat
}

// page is how many messages are read at once.
const page = 200

// Message finds a message of a chat, newest first.
func (m *Member) Message(ctx context.Context, chat messaging.ChatID, id messaging.MessageID) (client.Message, error) {
	for before := uint64(0); ; {
		batch, err := m.Core().Conversation(ctx, chat, before, page)
		if err != nil {
			return client.Message{}, err
		}
		for _, x := range batch {
			if x.ID == id {
				return x, nil
			}
		}
		if len(batch) < page {
			return client.Message{}, ErrNoMessage
		}
		before = batch[len(batch)-1].Position
	}
}

// Unread returns the oldest message of the peer behind the read position of a
// chat; false when there is none.
func (m *Member) Unread(ctx context.Context, c client.Chat) (oldest client.Message, found bool, err error) {
	for before := uint64(0); ; {
		batch, err := m.Core().Conversation(ctx, c.ID, before, page)
		if err != nil {
			return oldest, found, err
		}
		for _, x := range batch {
			if x.Position <= c.Read {
				return oldest, found, nil
			}
			if x.Sender.Account == c.Peer {
				oldest, found = x, true
			}
		}
		if len(batch) < page {
			return oldest, found, nil
		}
		before = batch[len(batch)-1].Position
	}
}

// Say writes something into a chat under an id of its own, or the given one.
func (m *Member) Say(ctx context.Context, chat messaging.ChatID, id messaging.MessageID, body content.Body) (messaging.MessageID, error) {
	if id == (messaging.MessageID{}) {
		id = messaging.NewMessageID()
	}
	return id, m.Core().Write(ctx, chat, id, body)
}
