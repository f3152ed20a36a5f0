package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// Ensure returns the account of a subject and makes it when it is missing, as
// the host's software does for members who never came. No session is opened.
func (s *Service) Ensure(ctx context.Context, tx tenant.Tx, subject string) (messaging.AccountID, error) {
	if len(subject) == 0 || len(subject) > maxSubject {
		return messaging.AccountID{}, fmt.Errorf("%w, received %d", ErrSubject, len(subject))
	}
	hash, err := s.subjectHash(ctx, tx, subject)
	if err != nil {
		return messaging.AccountID{}, err
	}
	if err := insertAccount(ctx, tx, messaging.NewAccountID(), hash, s.today()); err != nil {
		return messaging.AccountID{}, err
	}
	id, _, err := accountOf(ctx, tx, hash)
	return id, err
}

// Member is an account as its host's software sees it.
type Member struct {
	ID      messaging.AccountID
	Status  Status
	Created time.Time // a day
	Founded bool      // it has a device log, and so a link that leads to it
}

// Describe returns an account, or ErrUnknown.
func (s *Service) Describe(ctx context.Context, tx tenant.Tx, id messaging.AccountID) (Member, error) {
	m, err := selectMember(ctx, tx, id)
	if errors.Is(err, tenant.ErrNotFound) {
		return m, ErrUnknown
	}
	return m, err
}

func selectMember(ctx context.Context, tx tenant.Tx, id messaging.AccountID) (m Member, err error) {
	err = tx.QueryRow(ctx, `
		select a.account_id, a.status, a.created_on, h.account_id is not null
		from account a left join account_head h on h.tenant_id = a.tenant_id and h.account_id = a.account_id
		where a.tenant_id = $1 and a.account_id = $2`, tx.Tenant(), [16]byte(id)).
		Scan((*[16]byte)(&m.ID), &m.Status, &m.Created, &m.Founded)
	return m, err
}
