// Package chat decides who may write to whom. A chat is opened by following an
// invite, between two accounts of one tenant, once; each side can pause or block
// it for itself, whoever was written to can decline it, and either can close it.
// It carries no message and knows no price: what an opening costs is the
// Payment's business. Rules: docs/architecture.md, "Chats".
package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// What a caller can meet, besides the sentinels of packages tenant and invite.
var (
	ErrUnknown  = errors.New("chat: no such chat of this account")
	ErrNotOpen  = errors.New("chat: writing is not open in this chat")
	ErrOwn      = errors.New("chat: an account cannot open a chat with itself")
	ErrAction   = errors.New("chat: this account cannot do that to this chat now")
	ErrPayment  = errors.New("chat: the opening is not covered")
	ErrPrice    = errors.New("chat: the quote is not the price")
	ErrConflict = errors.New("chat: this idempotency key was used for another opening")
	ErrReset    = errors.New("chat: the peer's account has no device yet")
)

// Payment covers an opening inside the transaction that makes the chat: both
// happen or neither. Free tenants have none.
type Payment interface {
	// Quote returns the signed price of reaching target, or nil when it costs nothing.
	Quote(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, target invite.Target) ([]byte, error)
	// Cover takes what the quote says and returns the entry that did; ErrPrice
	// or ErrPayment refuse the opening.
	Cover(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, target invite.Target, chat messaging.ChatID, quote []byte) ([16]byte, error)
}

// Accounts is what this package asks of accounts.
type Accounts interface {
	Log(ctx context.Context, tx tenant.Tx, account messaging.AccountID, from uint64) (*wire.Log, error)
}

// Service answers for the chats of every tenant. Its methods join the caller's
// transaction.
type Service struct {
	invites  *invite.Service
	accounts Accounts
	payment  Payment // nil: only free tenants can open chats
	now      func() time.Time
}

// New makes the service; now is the server's clock.
func New(invites *invite.Service, accounts Accounts, payment Payment, now func() time.Time) *Service {
	return &Service{invites, accounts, payment, now}
}

// Open follows an invite. With wire.PurposeLook it changes nothing. Opening a
// chat that is there returns it, uses no invite and costs nothing.
func (s *Service) Open(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, m *wire.OpenChat) (*wire.Opened, error) {
	if len(m.Token) != invite.TokenSize {
		return nil, invite.ErrUnknown
	}
	if m.Purpose == wire.PurposeOpen {
		if done, err := s.repeated(ctx, tx, opener, m); done != nil || err != nil {
			return done, err
		}
	}
	target, err := s.invites.Resolve(ctx, tx, invite.Token(m.Token))
	if err != nil {
		return nil, err
	}
	if target.Account == opener {
		return nil, ErrOwn
	}
	found, err := selectPair(ctx, tx, opener, target.Account)
	switch {
	case err == nil:
		return s.opened(ctx, tx, opener, found, nil)
	case !errors.Is(err, tenant.ErrNotFound):
		return nil, fmt.Errorf("open chat: %w", err)
	case m.Purpose == wire.PurposeLook:
		return s.look(ctx, tx, opener, target)
	}
	return s.make(ctx, tx, opener, target, m)
}

// repeated answers an opening whose reply was lost: the invite may be used up
// by now, by this very opening.
func (s *Service) repeated(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, m *wire.OpenChat) (*wire.Opened, error) {
	found, err := selectOpening(ctx, tx, opener, m.IdempotencyKey)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open chat: %w", err)
	}
	if found.tokenHash != hashOf(m.Token) {
		return nil, ErrConflict
	}
	out, err := s.opened(ctx, tx, opener, found, nil)
	if out != nil {
		out.Created = true
	}
	return out, err
}

func (s *Service) look(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, target invite.Target) (*wire.Opened, error) {
	quote, err := s.quote(ctx, tx, opener, target)
	if err != nil {
		return nil, err
	}
	return s.opened(ctx, tx, opener, row{opener: opener, peer: target.Account}, quote)
}

func (s *Service) quote(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, target invite.Target) ([]byte, error) {
	mode, err := selectMode(ctx, tx)
	if err != nil || mode == modeFree {
		return nil, err
	}
	if s.payment == nil {
		return nil, ErrPayment
	}
	return s.payment.Quote(ctx, tx, opener, target)
}

// make inserts the chat, uses the invite and covers the price, in the caller's
// transaction.
func (s *Service) make(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, target invite.Target, m *wire.OpenChat) (*wire.Opened, error) {
	r := row{id: messaging.NewChatID(), opener: opener, peer: target.Account, state: stateOpen, openerStance: stanceOpen, peerStance: stanceOpen,
		tokenHash: hashOf(m.Token)}
	out, err := s.opened(ctx, tx, opener, r, nil)
	if err != nil {
		return nil, err
	}
	out.Created = true
	inserted, err := insertChat(ctx, tx, r, target.Invite, m.IdempotencyKey, s.now())
	if err != nil {
		return nil, fmt.Errorf("open chat: %w", err)
	}
	if inserted == 0 { // the other side, or another device, was first
		found, err := selectPair(ctx, tx, opener, target.Account)
		if err != nil {
			return nil, fmt.Errorf("open chat: %w", err)
		}
		return s.opened(ctx, tx, opener, found, nil)
	}
	if err := s.invites.Use(ctx, tx, target.Invite); err != nil {
		return nil, err
	}
	return out, s.cover(ctx, tx, r, target, m.Quote)
}

func (s *Service) cover(ctx context.Context, tx tenant.Tx, r row, target invite.Target, quote []byte) error {
	mode, err := selectMode(ctx, tx)
	if err != nil || mode == modeFree {
		return err
	}
	if s.payment == nil {
		return ErrPayment
	}
	entry, err := s.payment.Cover(ctx, tx, r.opener, target, r.id, quote)
	if err != nil {
		return err
	}
	return updateEntry(ctx, tx, r.id, entry)
}

// opened describes a chat to one of its accounts, with the first entry of the
// other's device log.
func (s *Service) opened(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, r row, quote []byte) (*wire.Opened, error) {
	peer := r.other(asker)
	log, err := s.accounts.Log(ctx, tx, peer, 0)
	if err != nil {
		return nil, err
	}
	if len(log.Entries) == 0 {
		return nil, ErrReset
	}
	out := &wire.Opened{ChatID: r.id, AccountID: peer, FoundingEntry: log.Entries[0], Quote: quote}
	if r.id != (messaging.ChatID{}) {
		out.State = r.seenBy(asker)
	}
	return out, nil
}

// Peer returns the other account of a chat of this account, whatever its state,
// or ErrUnknown. What a member may fetch of a peer (log, bundles) hangs on it.
func (s *Service) Peer(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (messaging.AccountID, error) {
	r, err := s.find(ctx, tx, asker, id)
	return r.other(asker), err
}

// MayWrite returns the other account when a message of asker would be taken
// now; ErrUnknown or ErrNotOpen otherwise.
func (s *Service) MayWrite(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (messaging.AccountID, error) {
	r, err := s.find(ctx, tx, asker, id)
	if err == nil && !r.mayWrite() {
		err = ErrNotOpen
	}
	return r.other(asker), err
}

func (s *Service) find(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (row, error) {
	r, err := selectChat(ctx, tx, asker, id)
	if errors.Is(err, tenant.ErrNotFound) {
		return r, ErrUnknown
	}
	if err != nil {
		return r, fmt.Errorf("find chat: %w", err)
	}
	return r, nil
}

// List returns a page of the account's chats in the order of their ids, those
// after a given one, and where the next page begins (zero: nowhere).
func (s *Service) List(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, after messaging.ChatID, limit int) (page []wire.Chat, next messaging.ChatID, err error) {
	rows, err := selectChats(ctx, tx, asker, after, limit+1)
	if err != nil {
		return nil, next, fmt.Errorf("list chats: %w", err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].id
	}
	for _, r := range rows {
		page = append(page, wire.Chat{ChatID: r.id, PeerAccount: r.other(asker), State: r.seenBy(asker), OpenedByMe: r.opener == asker,
			MayWrite: r.mayWrite(), OpenedMS: uint64(r.opened.UnixMilli()), PeerHead: r.peerHead})
	}
	return page, next, nil
}
