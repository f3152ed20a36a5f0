package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const (
	// TicketSize is the length in bytes of a ticket.
	TicketSize = 32
	// ticketLife is how long a ticket waits (docs/protocol.md section 13.3).
	ticketLife = 30 * time.Second
	// maxTickets bounds the tickets of a session at one time: a browser that
	// comes back fetches one an attempt.
	maxTickets = 16
)

// ErrTicket reports a ticket that is unknown, used or too old, and ErrTickets a
// session that has fetched too many.
var (
	ErrTicket  = errors.New("account: no such ticket")
	ErrTickets = errors.New("account: too many tickets of this session wait")
)

// IssueTicket gives a session a ticket that opens one connection. The database
// holds its hash.
func (s *Service) IssueTicket(ctx context.Context, id tenant.ID, who Who) (ticket [TicketSize]byte, err error) {
	rand.Read(ticket[:])
	hash := sha256.Sum256(ticket[:])
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		if err := deleteOldTickets(ctx, tx, who, s.now()); err != nil {
			return err
		}
		added, err := insertTicket(ctx, tx, hash, who, s.now().Add(ticketLife))
		if err == nil && added == 0 {
			err = ErrTickets
		}
		return err
	})
	if errors.Is(err, tenant.ErrReference) {
		return ticket, ErrSession
	}
	if err != nil {
		return ticket, fmt.Errorf("issue ticket: %w", err)
	}
	return ticket, nil
}

// UseTicket returns whose ticket it is, once: of uses at the same time one
// succeeds.
func (s *Service) UseTicket(ctx context.Context, id tenant.ID, ticket []byte) (who Who, err error) {
	hash := sha256.Sum256(ticket)
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		if who.session, err = takeTicket(ctx, tx, hash, s.now()); err != nil {
			return err
		}
		_, err := sessionOf(ctx, tx, &who, s.now())
		return err
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return Who{}, ErrTicket
	}
	if err != nil {
		return Who{}, fmt.Errorf("use ticket: %w", err)
	}
	return who, nil
}

// SweepTickets deletes the tickets of a tenant that nobody used in time, as the
// janitor's role.
func (s *Service) SweepTickets(ctx context.Context, tx tenant.Tx) error {
	if err := deleteExpiredTickets(ctx, tx, s.now()); err != nil {
		return fmt.Errorf("sweep tickets: %w", err)
	}
	return nil
}

func deleteExpiredTickets(ctx context.Context, tx tenant.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `delete from socket_ticket where tenant_id = $1 and expires_at <= $2`, tx.Tenant(), now)
	return err
}

func deleteOldTickets(ctx context.Context, tx tenant.Tx, who Who, now time.Time) error {
	_, err := tx.Exec(ctx, `
		delete from socket_ticket where tenant_id = $1 and token_hash = $2 and expires_at <= $3`,
		tx.Tenant(), who.session[:], now)
	return err
}

func insertTicket(ctx context.Context, tx tenant.Tx, hash [sha256.Size]byte, who Who, expires time.Time) (int64, error) {
	return tx.Exec(ctx, `
		insert into socket_ticket (tenant_id, ticket_hash, token_hash, expires_at)
		select $1, $2, $3, $4
		where (select count(*) from socket_ticket where tenant_id = $1 and token_hash = $3) < $5`,
		tx.Tenant(), hash[:], who.session[:], expires, maxTickets)
}

func takeTicket(ctx context.Context, tx tenant.Tx, hash [sha256.Size]byte, now time.Time) (session [sha256.Size]byte, err error) {
	var raw []byte
	err = tx.QueryRow(ctx, `
		delete from socket_ticket where tenant_id = $1 and ticket_hash = $2 and expires_at > $3 returning token_hash`,
		tx.Tenant(), hash[:], now).Scan(&raw)
	copy(session[:], raw)
	return session, err
}
