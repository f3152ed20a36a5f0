package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// uploadRow is an upload and what only the next chunk needs.
type uploadRow struct {
	Upload
	pieces    int
	hashState []byte
}

func insertBlob(ctx context.Context, tx tenant.Tx, from messaging.Address, u Upload) error {
	_, err := tx.Exec(ctx, `
		insert into media_blob (tenant_id, blob_id, account_id, device_id, chat_id, size, digest, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.Tenant(), [16]byte(u.ID), [16]byte(from.Account), from.Device, chatOrNull(u.Chat), u.Size, bytesOrNull(u.Digest), u.Expires)
	return err
}

func chatOrNull(id messaging.ChatID) *[16]byte {
	if id == (messaging.ChatID{}) {
		return nil
	}
	return (*[16]byte)(&id)
}

func bytesOrNull(digest *[sha256.Size]byte) []byte {
	if digest == nil {
		return nil
	}
	return digest[:]
}

func selectUpload(ctx context.Context, tx tenant.Tx, from messaging.Address, blob messaging.BlobID, now time.Time) (uploadRow, error) {
	return scanUpload(blob, tx.QueryRow(ctx, `
		select chat_id, size, received, pieces, digest, hash_state, finished, expires_at from media_blob
		where tenant_id = $1 and blob_id = $2 and account_id = $3 and device_id = $4 and expires_at > $5`,
		tx.Tenant(), [16]byte(blob), [16]byte(from.Account), from.Device, now))
}

func lockUpload(ctx context.Context, tx tenant.Tx, from messaging.Address, blob messaging.BlobID, now time.Time) (uploadRow, error) {
	return scanUpload(blob, tx.QueryRow(ctx, `
		select chat_id, size, received, pieces, digest, hash_state, finished, expires_at from media_blob
		where tenant_id = $1 and blob_id = $2 and account_id = $3 and device_id = $4 and expires_at > $5 for update`,
		tx.Tenant(), [16]byte(blob), [16]byte(from.Account), from.Device, now))
}

func scanUpload(blob messaging.BlobID, row tenant.Row) (r uploadRow, err error) {
	var chat *[16]byte
	var digest []byte
	err = row.Scan(&chat, &r.Size, &r.Received, &r.pieces, &digest, &r.hashState, &r.Finished, &r.Expires)
	if err != nil {
		return uploadRow{}, unknown(err)
	}
	r.ID = blob
	if chat != nil {
		r.Chat = *chat
	}
	if digest != nil {
		r.Digest = (*[sha256.Size]byte)(digest)
	}
	return r, nil
}

func unknown(err error) error {
	if errors.Is(err, tenant.ErrNotFound) {
		return ErrUnknown
	}
	return err
}

// updateReceived moves an upload forward from where it was, or reports that it
// is not there any more.
func updateReceived(ctx context.Context, tx tenant.Tx, next uploadRow, was int64, state []byte) (taken bool, err error) {
	n, err := tx.Exec(ctx, `
		update media_blob set received = $3, pieces = $4, hash_state = $5, expires_at = $6
		where tenant_id = $1 and blob_id = $2 and received = $7 and not finished`,
		tx.Tenant(), [16]byte(next.ID), next.Received, next.pieces, state, next.Expires, was)
	return n == 1, err
}

func insertPieces(ctx context.Context, tx tenant.Tx, blob messaging.BlobID, pieces []piece) error {
	starts, lengths, objects := make([]int64, len(pieces)), make([]int64, len(pieces)), make([][16]byte, len(pieces))
	for i, p := range pieces {
		starts[i], lengths[i], objects[i] = p.start, p.length, p.object
	}
	_, err := tx.Exec(ctx, `
		insert into media_piece (tenant_id, blob_id, start, length, object)
		select $1, $2, * from unnest($3::bigint[], $4::bigint[], $5::uuid[])`,
		tx.Tenant(), [16]byte(blob), starts, lengths, objects)
	return err
}

func updateFinished(ctx context.Context, tx tenant.Tx, u uploadRow) error {
	_, err := tx.Exec(ctx, `
		update media_blob set finished = true, digest = $3, hash_state = null, expires_at = $4 where tenant_id = $1 and blob_id = $2`,
		tx.Tenant(), [16]byte(u.ID), bytesOrNull(u.Digest), u.Expires)
	return err
}

// countAddressed counts the devices of two accounts but for one.
func countAddressed(ctx context.Context, tx tenant.Tx, from messaging.Address, peer messaging.AccountID, now time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, `
		select count(*) from device where tenant_id = $1 and account_id in ($2, $4)
			and (account_id, device_id) <> ($2, $3) and (expires_at is null or expires_at > $5)`,
		tx.Tenant(), [16]byte(from.Account), from.Device, [16]byte(peer), now).Scan(&n)
	return n, err
}

func insertDeliveries(ctx context.Context, tx tenant.Tx, blob messaging.BlobID, from messaging.Address, peer messaging.AccountID, now time.Time) (int64, error) {
	return tx.Exec(ctx, `
		insert into media_delivery (tenant_id, blob_id, account_id, device_id)
		select $1, $6, account_id, device_id from device where tenant_id = $1 and account_id in ($2, $4)
			and (account_id, device_id) <> ($2, $3) and (expires_at is null or expires_at > $5)`,
		tx.Tenant(), [16]byte(from.Account), from.Device, [16]byte(peer), now, [16]byte(blob))
}

// selectBlob finds a finished blob that an account may see. One statement
// answers, whatever the reason for a refusal.
func selectBlob(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, blob messaging.BlobID, now time.Time) (size int64, err error) {
	err = tx.QueryRow(ctx, `
		select b.size from media_blob b
		where b.tenant_id = $1 and b.blob_id = $2 and b.finished and b.expires_at > $4 and (b.account_id = $3 or exists (
			select from chat c where c.tenant_id = $1 and c.chat_id = b.chat_id and $3 in (c.opener_id, c.peer_id)))`,
		tx.Tenant(), [16]byte(blob), [16]byte(asker), now).Scan(&size)
	return size, unknown(err)
}

// lockBlob is selectBlob for whoever may delete the blob: of two last devices,
// the second sees what the first did.
func lockBlob(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, blob messaging.BlobID, now time.Time) error {
	var size int64
	return unknown(tx.QueryRow(ctx, `
		select b.size from media_blob b
		where b.tenant_id = $1 and b.blob_id = $2 and b.finished and b.expires_at > $4 and (b.account_id = $3 or exists (
			select from chat c where c.tenant_id = $1 and c.chat_id = b.chat_id and $3 in (c.opener_id, c.peer_id)))
		for update of b`,
		tx.Tenant(), [16]byte(blob), [16]byte(asker), now).Scan(&size))
}

func selectPieces(ctx context.Context, tx tenant.Tx, blob messaging.BlobID) (pieces []piece, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var p piece
		err := scan(&p.start, &p.length, &p.object)
		pieces = append(pieces, p)
		return err
	}, `select start, length, object from media_piece where tenant_id = $1 and blob_id = $2 order by start`, tx.Tenant(), [16]byte(blob))
	return pieces, err
}

// deleteDelivery reports whether it took the last mark of a blob.
func deleteDelivery(ctx context.Context, tx tenant.Tx, by messaging.Address, blob messaging.BlobID) (last bool, err error) {
	n, err := tx.Exec(ctx, `
		delete from media_delivery where tenant_id = $1 and blob_id = $2 and account_id = $3 and device_id = $4`,
		tx.Tenant(), [16]byte(blob), [16]byte(by.Account), by.Device)
	if err != nil || n == 0 {
		return false, err
	}
	err = tx.QueryRow(ctx, `select not exists (select from media_delivery where tenant_id = $1 and blob_id = $2)`,
		tx.Tenant(), [16]byte(blob)).Scan(&last)
	return last, err
}

// addUsage counts a blob when it stays within the bounds.
func addUsage(ctx context.Context, tx tenant.Tx, account messaging.AccountID, size, maxBytes, maxBlobs int64) (added bool, err error) {
	n, err := tx.Exec(ctx, `
		insert into media_usage as u (tenant_id, account_id, bytes, blobs)
		select $1, $2, $3, 1 where $3::bigint <= $4::bigint
		on conflict (tenant_id, account_id) do update set bytes = u.bytes + $3, blobs = u.blobs + 1
		where u.bytes + $3 <= $4 and u.blobs < $5`,
		tx.Tenant(), [16]byte(account), size, maxBytes, maxBlobs)
	return n == 1, err
}

func subtractUsage(ctx context.Context, tx tenant.Tx, account messaging.AccountID, size int64) error {
	_, err := tx.Exec(ctx, `
		update media_usage set bytes = bytes - $3, blobs = blobs - 1 where tenant_id = $1 and account_id = $2`,
		tx.Tenant(), [16]byte(account), size)
	return err
}

// deleteBlob deletes a row, with its pieces and marks, and returns what it
// stood for; ErrUnknown when another was first.
func deleteBlob(ctx context.Context, tx tenant.Tx, blob messaging.BlobID) (gone removed, account messaging.AccountID, size int64, err error) {
	pieces, err := selectPieces(ctx, tx, blob)
	if err != nil {
		return nil, account, 0, err
	}
	err = tx.QueryRow(ctx, `delete from media_blob where tenant_id = $1 and blob_id = $2 returning account_id, size`,
		tx.Tenant(), [16]byte(blob)).Scan((*[16]byte)(&account), &size)
	gone = make(removed, 0, len(pieces))
	for _, p := range pieces {
		gone = append(gone, Key{tx.Tenant(), blob, p.object})
	}
	return gone, account, size, unknown(err)
}
