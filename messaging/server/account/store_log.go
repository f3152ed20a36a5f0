package account

import (
	"context"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

func selectEntries(ctx context.Context, tx tenant.Tx, id messaging.AccountID, from uint64, limit int) (entries [][]byte, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var entry []byte
		err := scan(&entry)
		entries = append(entries, entry)
		return err
	}, `
		select entry from log_entry where tenant_id = $1 and account_id = $2 and sequence >= $3
		order by sequence limit $4`, tx.Tenant(), [16]byte(id), int64(from), limit)
	return entries, err
}

func selectHead(ctx context.Context, tx tenant.Tx, id messaging.AccountID) (head wire.LogHead, err error) {
	var sequence int64
	var hash []byte
	err = tx.QueryRow(ctx, `
		select sequence, hash from account_head where tenant_id = $1 and account_id = $2`,
		tx.Tenant(), [16]byte(id)).Scan(&sequence, &hash)
	head.Sequence = uint64(sequence)
	copy(head.Hash[:], hash)
	return head, err
}

// insertEntry appends an entry whose hash and sequence are those of the new
// head.
func insertEntry(ctx context.Context, tx tenant.Tx, id messaging.AccountID, head wire.LogHead, entry []byte) error {
	key := []any{tx.Tenant(), [16]byte(id), int64(head.Sequence), head.Hash[:]}
	_, err := tx.Pipeline(ctx,
		tenant.Statement{SQL: `insert into log_entry (tenant_id, account_id, sequence, hash, entry) values ($1, $2, $3, $4, $5)`,
			Args: append(key[:4:4], entry)},
		tenant.Statement{SQL: `
			insert into account_head (tenant_id, account_id, sequence, hash) values ($1, $2, $3, $4)
			on conflict (tenant_id, account_id) do update set sequence = excluded.sequence, hash = excluded.hash`, Args: key})
	return err
}

// deleteLog makes room for an account that is founded anew.
func deleteLog(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	_, err := tx.Exec(ctx, `delete from log_entry where tenant_id = $1 and account_id = $2`, tx.Tenant(), [16]byte(id))
	return err
}
