package invite

import (
	"context"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
)

// ParseID accepts only what ID.String prints.
func ParseID(text string) (i ID, err error) {
	err = id.Parse((*[id.Size]byte)(&i), "inv_", []byte(text))
	return i, err
}

// Get returns an invite of the account, revoked ones included, or ErrUnknown.
func (s *Service) Get(ctx context.Context, tx tenant.Tx, account messaging.AccountID, invite ID) (Invite, error) {
	return s.load(ctx, tx, account, invite)
}
