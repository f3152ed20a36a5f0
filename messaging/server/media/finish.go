package media

import (
	"context"
	"crypto/sha256"

	"github.com/sottochat/sotto/tenant"
)

// finish makes a complete upload a blob. One whose digest is wrong is
// forgotten: no further byte could put it right.
func (a *appender) finish(ctx context.Context) error {
	digest := a.row.Digest
	if digest == nil {
		digest = a.chunk.Digest
	}
	if a.row.Received < a.row.Size || digest == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	var gone removed
	err := a.db.In(ctx, a.tenant, func(tx tenant.Tx) (err error) {
		locked, err := lockUpload(ctx, tx, a.from, a.row.ID, a.cfg.Now())
		if err != nil {
			return err
		}
		if locked.Finished { // by the same request, sent twice
			a.row = locked
			return nil
		}
		if *digest != [sha256.Size]byte(a.sum.Sum(nil)) {
			gone, err = remove(ctx, tx, a.row.ID)
			return err
		}
		return a.address(ctx, tx, *digest)
	})
	if err != nil {
		return err
	}
	if gone != nil {
		gone.delete(ctx, a.objects)
		return ErrDigest
	}
	return nil
}

// address lets the devices of both sides fetch the blob, those that are there
// now, but for the sender's.
func (a *appender) address(ctx context.Context, tx tenant.Tx, digest [sha256.Size]byte) error {
	peer, err := a.peer(ctx, tx, a.from, a.row.Chat)
	if err != nil {
		return err
	}
	n, err := insertDeliveries(ctx, tx, a.row.ID, a.from, peer, a.cfg.Now())
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNobody
	}
	done := a.row
	done.Digest, done.Finished, done.Expires = &digest, true, a.after(a.cfg.Keep)
	if err := updateFinished(ctx, tx, done); err != nil {
		return err
	}
	a.row = done
	return nil
}
