package media

import (
	"context"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// everyone is the row of a tenant's sum. It is locked after the account's: two
// who want both take them in the same order.
var everyone messaging.AccountID

// reserve counts a blob to its account and its tenant, or refuses it. The two
// rows are locked until the caller's transaction ends, so the bounds are exact
// however many come at once.
func (s *Service) reserve(ctx context.Context, tx tenant.Tx, account messaging.AccountID, size int64) error {
	added, err := addUsage(ctx, tx, account, size, s.cfg.AccountBytes, maxBlobs)
	if err != nil {
		return err
	}
	if !added {
		return ErrQuota
	}
	added, err = addUsage(ctx, tx, everyone, size, s.cfg.TenantBytes, maxTenantBlobs)
	if err == nil && !added {
		err = ErrTenantFull
	}
	return err
}

// maxTenantBlobs lets a hundred thousand accounts keep a hundred blobs each.
const maxTenantBlobs = 10_000_000

// removed is a blob whose row is gone and whose objects may go.
type removed []Key

// remove deletes a blob's row, whose lock the caller has or takes by it, and
// gives its bytes back.
func remove(ctx context.Context, tx tenant.Tx, blob messaging.BlobID) (removed, error) {
	gone, account, size, err := deleteBlob(ctx, tx, blob)
	if err != nil {
		return nil, err
	}
	for _, of := range []messaging.AccountID{account, everyone} {
		if err := subtractUsage(ctx, tx, of, size); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// delete removes the objects once the transaction has committed. One that
// cannot be removed now has no row and falls to the sweep.
func (gone removed) delete(ctx context.Context, objects Objects) {
	ctx = context.WithoutCancel(ctx)
	for _, key := range gone {
		_ = objects.Delete(ctx, key)
	}
}
