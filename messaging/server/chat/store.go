package chat

import (
	"context"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/tenant"
)

func selectMode(ctx context.Context, tx tenant.Tx) (mode string, err error) {
	err = tx.QueryRow(ctx, `select mode from tenant where tenant_id = $1`, tx.Tenant()).Scan(&mode)
	return mode, err
}

const chatColumns = `c.chat_id, c.opener_id, c.peer_id, c.state, c.opener_stance, c.peer_stance, c.opened_on, c.token_hash`

func (r *row) scan(scan func(...any) error, more ...any) error {
	var hash []byte
	err := scan(append([]any{(*[16]byte)(&r.id), (*[16]byte)(&r.opener), (*[16]byte)(&r.peer), &r.state, &r.openerStance, &r.peerStance, &r.opened, &hash}, more...)...)
	copy(r.tokenHash[:], hash)
	return err
}

func selectChat(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (r row, err error) {
	err = r.scan(tx.QueryRow(ctx, `
		select `+chatColumns+` from chat c
		where c.tenant_id = $1 and c.chat_id = $2 and $3 in (c.opener_id, c.peer_id) for no key update`,
		tx.Tenant(), [16]byte(id), [16]byte(asker)).Scan)
	return r, err
}

func selectPair(ctx context.Context, tx tenant.Tx, a, b messaging.AccountID) (r row, err error) {
	err = r.scan(tx.QueryRow(ctx, `
		select `+chatColumns+` from chat c
		where c.tenant_id = $1 and c.low_id = least($2::uuid, $3::uuid) and c.high_id = greatest($2::uuid, $3::uuid)`,
		tx.Tenant(), [16]byte(a), [16]byte(b)).Scan)
	return r, err
}

func selectOpening(ctx context.Context, tx tenant.Tx, opener messaging.AccountID, key [16]byte) (r row, err error) {
	err = r.scan(tx.QueryRow(ctx, `
		select `+chatColumns+` from chat c where c.tenant_id = $1 and c.opener_id = $2 and c.opening_key = $3`,
		tx.Tenant(), [16]byte(opener), key).Scan)
	return r, err
}

func insertChat(ctx context.Context, tx tenant.Tx, r row, from invite.ID, key [16]byte, now time.Time) (int64, error) {
	return tx.Exec(ctx, `
		insert into chat (tenant_id, chat_id, opener_id, peer_id, invite_id, token_hash, opening_key, opened_on)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (tenant_id, low_id, high_id) do nothing`,
		tx.Tenant(), [16]byte(r.id), [16]byte(r.opener), [16]byte(r.peer), [16]byte(from), r.tokenHash[:], key, now.UTC())
}

func updateChat(ctx context.Context, tx tenant.Tx, r row) error {
	_, err := tx.Exec(ctx, `
		update chat set state = $3, opener_stance = $4, peer_stance = $5 where tenant_id = $1 and chat_id = $2`,
		tx.Tenant(), [16]byte(r.id), r.state, r.openerStance, r.peerStance)
	return err
}

func updateEntry(ctx context.Context, tx tenant.Tx, id messaging.ChatID, entry [16]byte) error {
	_, err := tx.Exec(ctx, `update chat set entry_id = $3 where tenant_id = $1 and chat_id = $2`, tx.Tenant(), [16]byte(id), entry)
	return err
}

func selectChats(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, after messaging.ChatID, limit int) (rows []row, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var r row
		var sequence *int64
		var hash []byte
		err := r.scan(scan, &sequence, &hash)
		if sequence != nil {
			r.peerHead.Sequence = uint64(*sequence)
			copy(r.peerHead.Hash[:], hash)
		}
		rows = append(rows, r)
		return err
	}, `
		select `+chatColumns+`, h.sequence, h.hash from chat c
		left join account_head h on h.tenant_id = c.tenant_id
			and h.account_id = case when c.opener_id = $2 then c.peer_id else c.opener_id end
		where c.tenant_id = $1 and $2 in (c.opener_id, c.peer_id) and c.chat_id > $3
		order by c.chat_id limit $4`, tx.Tenant(), [16]byte(asker), [16]byte(after), limit)
	return rows, err
}
