package script

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/wire"
)

func invite(ctx context.Context, s *Script) (any, error) {
	link, err := s.Member.Invite(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"link": link}, nil
}

type inviteView struct {
	Invite    string `json:"invite"`
	Link      string `json:"link,omitempty"`
	Label     string `json:"label,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	Revoked   bool   `json:"revoked,omitempty"`
	Uses      uint32 `json:"uses"`
	MaxUses   uint32 `json:"max_uses,omitempty"`
	Expires   uint64 `json:"expires,omitempty"` // Unix seconds
}

func showInvite(i wire.Invite, link string) inviteView {
	id := base64.RawURLEncoding.EncodeToString(i.InviteID[:])
	return inviteView{id, link, i.Label, i.Permanent, i.Revoked, i.Uses, i.MaxUses, i.ExpiresMS / 1000}
}

func invites(ctx context.Context, s *Script) (any, error) {
	all, link, err := s.Member.Invites(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]inviteView, 0, len(all))
	for _, i := range all {
		out = append(out, showInvite(i, link(i)))
	}
	return map[string]any{"invites": out}, nil
}

func inviteCreate(ctx context.Context, s *Script, in struct {
	base
	Label    string `json:"label"`
	ExpiresS uint32 `json:"expires_s"`
	MaxUses  uint32 `json:"max_uses"`
}) (any, error) {
	switch {
	case len(in.Label) > wire.MaxLabel:
		return nil, field("label", fmt.Sprintf("at most %d bytes", wire.MaxLabel), in.Label)
	case in.ExpiresS > wire.MaxInviteSeconds:
		return nil, field("expires_s", fmt.Sprintf("at most %d", wire.MaxInviteSeconds), fmt.Sprint(in.ExpiresS))
	case in.MaxUses > wire.MaxUses:
		return nil, field("max_uses", fmt.Sprintf("at most %d", wire.MaxUses), fmt.Sprint(in.MaxUses))
	}
	made, err := s.Member.Core().CreateInvite(ctx, wire.CreateInvite{Label: in.Label, ExpirySeconds: in.ExpiresS, MaxUses: in.MaxUses})
	if err != nil {
		return nil, err
	}
	return s.oneInvite(ctx, made)
}

func (s *Script) oneInvite(ctx context.Context, page *wire.Invites) (any, error) {
	_, link, err := s.Member.Invites(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range page.Invites {
		return showInvite(i, link(i)), nil
	}
	return nil, nil
}

func inviteSet(ctx context.Context, s *Script, in struct {
	base
	Invite string `json:"invite"`
	Action string `json:"action"`
}) (any, error) {
	id, err := base64.RawURLEncoding.Strict().DecodeString(in.Invite)
	if err != nil || len(id) != 16 {
		return nil, field("invite", "an id as invites lists it", in.Invite)
	}
	actions := map[string]wire.InviteAction{"rotate": wire.InviteRotate, "revoke": wire.InviteRevoke}
	action, ok := actions[in.Action]
	if !ok {
		return nil, field("action", "rotate or revoke", in.Action)
	}
	changed, err := s.Member.Core().SetInvite(ctx, [16]byte(id), action)
	if err != nil {
		return nil, err
	}
	return s.oneInvite(ctx, changed)
}

func open(ctx context.Context, s *Script, in struct {
	base
	Link string `json:"link"`
}) (any, error) {
	chat, created, err := s.Member.OpenChat(ctx, in.Link)
	if err != nil {
		return nil, err
	}
	return map[string]any{"chat": chat, "created": created}, nil
}

func chats(ctx context.Context, s *Script) (any, error) {
	all, err := s.Member.Core().Chats(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]chatView, 0, len(all))
	for _, c := range all {
		out = append(out, showChat(c))
	}
	return map[string]any{"chats": out}, nil
}

func chatSet(ctx context.Context, s *Script, in struct {
	inChat
	Action string `json:"action"`
}) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	actions := map[string]wire.ChatAction{
		"block": wire.ChatBlock, "unblock": wire.ChatUnblock, "decline": wire.ChatDecline, "pause": wire.ChatPause,
		"resume": wire.ChatResume, "close": wire.ChatClose,
	}
	action, ok := actions[in.Action]
	if !ok {
		return nil, field("action", "block, unblock, decline, pause, resume or close", in.Action)
	}
	return nil, s.Member.Core().SetChat(ctx, in.Chat, action)
}

func acceptKeys(ctx context.Context, s *Script, in inChat) (any, error) {
	c, err := s.Member.Chat(ctx, in.Chat)
	if err != nil {
		return nil, err
	}
	return nil, s.Member.Core().AcceptKeys(ctx, c.Peer)
}

// verify shows the safety number; with scanned it compares the peer's QR text;
// with verified it records the member's word.
func verify(ctx context.Context, s *Script, in struct {
	inChat
	Scanned  string `json:"scanned"`
	Verified *bool  `json:"verified"`
}) (any, error) {
	n, c, err := s.Member.SafetyNumber(ctx, in.Chat)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"number": n.String(), "groups": n.Groups(), "qr": n.QR()}
	verified := c.Verified
	if in.Scanned != "" {
		if err := n.CompareQR(in.Scanned); err != nil {
			return nil, field("scanned", "the peer's safety number, equal to ours", "another one")
		}
		out["match"] = true
	}
	if in.Verified != nil {
		if err := s.Member.Core().SetVerified(ctx, c.Peer, *in.Verified); err != nil {
			return nil, err
		}
		verified = *in.Verified
	}
	out["verified"] = verified
	return out, nil
}

type recvIn struct {
	inChat
	TimeoutS int   `json:"timeout_s"`
	Read     *bool `json:"read"`
}

// recv waits for the oldest message of a peer that was not read yet, and marks it
// as read.
func recv(ctx context.Context, s *Script, in recvIn) (any, error) {
	most, err := patience(in.TimeoutS, waitServer)
	if err != nil {
		return nil, err
	}
	var out messageView
	err = s.until(ctx, most, func() (bool, error) {
		c, x, found, err := s.unread(ctx, in.Chat)
		if err != nil || !found {
			return false, err
		}
		out = showMessage(c, x)
		if in.Read == nil || *in.Read {
			err = s.Member.Core().MarkRead(ctx, c.ID, x.Position)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// unread finds the unread message that arrived first, in one chat or all.
func (s *Script) unread(ctx context.Context, chat messaging.ChatID) (of client.Chat, oldest client.Message, found bool, err error) {
	all, err := s.Member.Core().Chats(ctx)
	if err != nil {
		return of, oldest, false, err
	}
	if chat != (messaging.ChatID{}) && !slices.ContainsFunc(all, func(c client.Chat) bool { return c.ID == chat }) {
		return of, oldest, false, client.ErrUnknownChat
	}
	for _, c := range all {
		if chat != (messaging.ChatID{}) && c.ID != chat {
			continue
		}
		x, ok, err := s.Member.Unread(ctx, c)
		if err != nil {
			return of, oldest, false, err
		}
		if ok && (!found || x.Arrived < oldest.Arrived) {
			of, oldest, found = c, x, true
		}
	}
	return of, oldest, found, nil
}

// maxHistory bounds one answer of history.
const maxHistory = 1000

func history(ctx context.Context, s *Script, in struct {
	inChat
	Before uint64 `json:"before"`
	Limit  int    `json:"limit"`
}) (any, error) {
	if in.Limit == 0 {
		in.Limit = 50
	}
	if in.Limit < 0 || in.Limit > maxHistory {
		return nil, field("limit", fmt.Sprintf("1 to %d", maxHistory), fmt.Sprint(in.Limit))
	}
	c, err := s.Member.Chat(ctx, in.Chat)
	if err != nil {
		return nil, err
	}
	batch, err := s.Member.Core().Conversation(ctx, in.Chat, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := make([]messageView, 0, len(batch))
	for _, x := range batch {
		out = append(out, showMessage(c, x))
	}
	return map[string]any{"messages": out}, nil
}

type waitIn struct {
	inChat
	For      string              `json:"for"`
	Message  messaging.MessageID `json:"message"`
	Status   string              `json:"status"`
	Count    int                 `json:"count"`
	Hash     string              `json:"hash"`
	TimeoutS int                 `json:"timeout_s"`
}

// wait waits for something to be the case.
func wait(ctx context.Context, s *Script, in waitIn) (any, error) {
	most, err := patience(in.TimeoutS, waitServer)
	if err != nil {
		return nil, err
	}
	met, err := s.condition(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, s.until(ctx, most, met)
}

func (s *Script) condition(ctx context.Context, in waitIn) (func() (bool, error), error) {
	switch in.For {
	case "online":
		return func() (bool, error) { now := s.Member.Now(); return now.Online, now.Over }, nil
	case "ready", "removed", "unfounded", "unlinked":
		return func() (bool, error) { return standingName(s.Member.Now().Standing) == in.For, nil }, nil
	case "status":
		return s.hasStatus(ctx, in), nil
	case "chats":
		return func() (bool, error) {
			all, err := s.Member.Core().Chats(ctx)
			return len(all) >= in.Count, err
		}, nil
	case "devices":
		return func() (bool, error) {
			_, all, err := s.Member.Devices(ctx)
			return len(all) == in.Count, err
		}, nil
	case "chat-hash":
		return func() (bool, error) {
			sum, err := s.Member.Core().ChatHash(ctx, in.Chat)
			return hexOf(sum) == in.Hash, err
		}, nil
	}
	return nil, field("for", "online, ready, removed, unfounded, unlinked, status, chats, devices or chat-hash", in.For)
}

// order is how far an own message has come.
var order = map[string]int{"queued": 1, "sent": 2, "delivered": 3, "read": 4}

func (s *Script) hasStatus(ctx context.Context, in waitIn) func() (bool, error) {
	return func() (bool, error) {
		x, err := s.Member.Message(ctx, in.Chat, in.Message)
		if err != nil {
			return false, err
		}
		is := status(x.Status)
		return is == in.Status || order[in.Status] > 0 && order[is] >= order[in.Status], nil
	}
}

func stateHash(ctx context.Context, s *Script) (any, error) {
	sum, err := s.Member.Core().StateHash(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"hash": hexOf(sum)}, nil
}

func chatHash(ctx context.Context, s *Script, in inChat) (any, error) {
	sum, err := s.Member.Core().ChatHash(ctx, in.Chat)
	if err != nil {
		return nil, err
	}
	return map[string]string{"hash": hexOf(sum)}, nil
}

func counts(ctx context.Context, s *Script) (any, error) { return s.Member.Core().Counts(ctx) }

func settings(ctx context.Context, s *Script, in struct {
	base
	ReadReceipts  *bool   `json:"read_receipts"`
	TypingNotices *bool   `json:"typing_notices"`
	DefaultTimer  *uint32 `json:"default_timer"`
}) (any, error) {
	now, err := s.Member.Core().Settings(ctx)
	if err != nil {
		return nil, err
	}
	old := now
	if in.ReadReceipts != nil {
		now.ReadReceipts = *in.ReadReceipts
	}
	if in.TypingNotices != nil {
		now.TypingNotices = *in.TypingNotices
	}
	if in.DefaultTimer != nil {
		if now.DefaultTimer = *in.DefaultTimer; now.DefaultTimer > content.MaxTimer {
			return nil, field("default_timer", fmt.Sprintf("seconds up to %d", content.MaxTimer), fmt.Sprint(now.DefaultTimer))
		}
	}
	if now != old {
		if err := s.Member.Core().SetSettings(ctx, now); err != nil {
			return nil, err
		}
	}
	return map[string]any{"read_receipts": now.ReadReceipts, "typing_notices": now.TypingNotices,
		"default_timer": now.DefaultTimer}, nil
}
