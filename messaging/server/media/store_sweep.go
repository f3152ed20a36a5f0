package media

import (
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

func selectStale(ctx context.Context, tx tenant.Tx, now time.Time, limit int) (blobs []messaging.BlobID, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var id messaging.BlobID
		err := scan((*[16]byte)(&id))
		blobs = append(blobs, id)
		return err
	}, `
		select b.blob_id from media_blob b
		where b.tenant_id = $1 and (b.expires_at <= $2
			or b.finished and not exists (select from media_delivery d where d.tenant_id = $1 and d.blob_id = b.blob_id)
			or not exists (select from account a where a.tenant_id = $1 and a.account_id = b.account_id)
			or b.chat_id is not null and not exists (select from chat c where c.tenant_id = $1 and c.chat_id = b.chat_id))
		limit $3`, tx.Tenant(), now, limit)
	return blobs, err
}

// lockStale judges again, with the row locked: an upload may have gone on since
// it was found.
func lockStale(ctx context.Context, tx tenant.Tx, blob messaging.BlobID, now time.Time) (bool, error) {
	var size int64
	err := tx.QueryRow(ctx, `
		select b.size from media_blob b
		where b.tenant_id = $1 and b.blob_id = $2 and (b.expires_at <= $3
			or b.finished and not exists (select from media_delivery d where d.tenant_id = $1 and d.blob_id = b.blob_id)
			or not exists (select from account a where a.tenant_id = $1 and a.account_id = b.account_id)
			or b.chat_id is not null and not exists (select from chat c where c.tenant_id = $1 and c.chat_id = b.chat_id))
		for update of b`, tx.Tenant(), [16]byte(blob), now).Scan(&size)
	if errors.Is(err, tenant.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deleteUnused forgets accounts that store nothing. The tenant's own row stays:
// whoever has an account's may be waiting for it.
func deleteUnused(ctx context.Context, tx tenant.Tx) error {
	_, err := tx.Exec(ctx, `delete from media_usage where tenant_id = $1 and blobs = 0 and account_id <> $2`,
		tx.Tenant(), [16]byte(everyone))
	return err
}

// selectNamed marks the objects that rows name.
func selectNamed(ctx context.Context, tx tenant.Tx, batch []Key, named map[[16]byte]bool) error {
	blobs, objects := make([][16]byte, len(batch)), make([][16]byte, len(batch))
	for i, key := range batch {
		blobs[i], objects[i] = key.Blob, key.Object
	}
	return tx.Query(ctx, func(scan func(...any) error) error {
		var object [16]byte
		err := scan(&object)
		named[object] = true
		return err
	}, `
		select p.object from unnest($2::uuid[], $3::uuid[]) o (blob_id, object)
		join media_piece p on p.tenant_id = $1 and p.blob_id = o.blob_id and p.object = o.object`,
		tx.Tenant(), blobs, objects)
}
