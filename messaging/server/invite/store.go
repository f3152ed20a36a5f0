package invite

import (
	"context"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// lockAccount makes the first requests for a profile come one after the other.
func lockAccount(ctx context.Context, tx tenant.Tx, account messaging.AccountID) error {
	var one int
	return tx.QueryRow(ctx, `
		select 1 from account where tenant_id = $1 and account_id = $2 for no key update`,
		tx.Tenant(), [16]byte(account)).Scan(&one)
}

func profileOf(ctx context.Context, tx tenant.Tx, account messaging.AccountID) (p ProfileID, err error) {
	err = tx.QueryRow(ctx, `
		select profile_id from profile where tenant_id = $1 and account_id = $2 and retired_at is null
		order by created_on, profile_id limit 1`, tx.Tenant(), [16]byte(account)).Scan((*[16]byte)(&p))
	return p, err
}

func insertProfile(ctx context.Context, tx tenant.Tx, p ProfileID, account messaging.AccountID, now time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into profile (tenant_id, profile_id, account_id, created_on) values ($1, $2, $3, $4)`,
		tx.Tenant(), [16]byte(p), [16]byte(account), now.UTC())
	return err
}

const inviteColumns = `i.invite_id, i.profile_id, i.kind, i.label, i.rotation, i.rotation_key, i.created_on, i.expires_at, i.max_uses, i.uses, i.revoked_at is not null`

func scanInvite(scan func(...any) error) (i Invite, err error) {
	var expires *time.Time
	var maxUses *int
	var rotationKey *[16]byte
	err = scan((*[16]byte)(&i.ID), (*[16]byte)(&i.Profile), (*string)(&i.Kind), &i.Label, &i.rotation, &rotationKey, &i.Created, &expires, &maxUses, &i.Uses, &i.Revoked)
	if expires != nil {
		i.Expires = *expires
	}
	if maxUses != nil {
		i.MaxUses = *maxUses
	}
	if rotationKey != nil {
		i.rotationKey = *rotationKey
	}
	return i, err
}

func selectInvite(ctx context.Context, tx tenant.Tx, account messaging.AccountID, invite ID) (Invite, error) {
	return scanInvite(tx.QueryRow(ctx, `
		select `+inviteColumns+` from invite i join profile p on p.tenant_id = i.tenant_id and p.profile_id = i.profile_id
		where i.tenant_id = $1 and p.account_id = $2 and i.invite_id = $3 for no key update of i`,
		tx.Tenant(), [16]byte(account), [16]byte(invite)).Scan)
}

func selectPermanent(ctx context.Context, tx tenant.Tx, profile ProfileID) (Invite, error) {
	return scanInvite(tx.QueryRow(ctx, `
		select `+inviteColumns+` from invite i
		where i.tenant_id = $1 and i.profile_id = $2 and i.kind = 'permanent' and i.revoked_at is null`,
		tx.Tenant(), [16]byte(profile)).Scan)
}

func selectInvites(ctx context.Context, tx tenant.Tx, account messaging.AccountID, after ID, limit int) (page []Invite, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		i, err := scanInvite(scan)
		page = append(page, i)
		return err
	}, `
		select `+inviteColumns+` from invite i join profile p on p.tenant_id = i.tenant_id and p.profile_id = i.profile_id
		where i.tenant_id = $1 and p.account_id = $2 and i.invite_id > $3
		order by i.invite_id limit $4`, tx.Tenant(), [16]byte(account), [16]byte(after), limit)
	return page, err
}

func countInvites(ctx context.Context, tx tenant.Tx, profile ProfileID) (n int, err error) {
	err = tx.QueryRow(ctx, `
		select count(*) from invite where tenant_id = $1 and profile_id = $2`, tx.Tenant(), [16]byte(profile)).Scan(&n)
	return n, err
}

func insertInvite(ctx context.Context, tx tenant.Tx, i Invite) error {
	var expires *time.Time
	var maxUses *int
	if !i.Expires.IsZero() {
		expires = &i.Expires
	}
	if i.MaxUses > 0 {
		maxUses = &i.MaxUses
	}
	_, err := tx.Exec(ctx, `
		insert into invite (tenant_id, invite_id, profile_id, kind, rotation, token_hash, label, created_on, expires_at, max_uses)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.Tenant(), [16]byte(i.ID), [16]byte(i.Profile), string(i.Kind), i.rotation, i.Token.hash(), i.Label, i.Created.UTC(), expires, maxUses)
	return err
}

func updateToken(ctx context.Context, tx tenant.Tx, i Invite) error {
	_, err := tx.Exec(ctx, `
		update invite set rotation = $3, token_hash = $4, rotation_key = $5 where tenant_id = $1 and invite_id = $2`,
		tx.Tenant(), [16]byte(i.ID), i.rotation, i.Token.hash(), i.rotationKey)
	return err
}

func revokeInvite(ctx context.Context, tx tenant.Tx, invite ID, now time.Time) error {
	_, err := tx.Exec(ctx, `
		update invite set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and invite_id = $2`,
		tx.Tenant(), [16]byte(invite), now)
	return err
}

// selectTarget finds the row by the token's hash and judges everything else in
// the same statement, so that no reason for a refusal takes longer than another.
func selectTarget(ctx context.Context, tx tenant.Tx, hash []byte, now time.Time) (t Target, err error) {
	err = tx.QueryRow(ctx, `
		select i.invite_id, i.profile_id, p.account_id
		from invite i
		join profile p on p.tenant_id = i.tenant_id and p.profile_id = i.profile_id
		join account a on a.tenant_id = p.tenant_id and a.account_id = p.account_id
		where i.tenant_id = $1 and i.token_hash = $2
			and i.revoked_at is null and (i.expires_at is null or i.expires_at > $3) and (i.max_uses is null or i.uses < i.max_uses)
			and p.retired_at is null and a.status = 'active'`,
		tx.Tenant(), hash, now).Scan((*[16]byte)(&t.Invite), (*[16]byte)(&t.Profile), (*[16]byte)(&t.Account))
	return t, err
}

// useInvite takes one use under the row's lock: the condition is judged again
// on what another transaction has just committed.
func useInvite(ctx context.Context, tx tenant.Tx, invite ID, now time.Time) (int64, error) {
	return tx.Exec(ctx, `
		update invite set uses = uses + 1
		where tenant_id = $1 and invite_id = $2 and revoked_at is null
			and (expires_at is null or expires_at > $3) and (max_uses is null or uses < max_uses)`,
		tx.Tenant(), [16]byte(invite), now)
}
