// Package census counts what a tenant has. It returns numbers and nothing that
// leads to a member.
package census

import (
	"context"
	"fmt"

	"github.com/sottochat/sotto/tenant"
)

// Counts are the numbers of a tenant now.
type Counts struct {
	Members   int // active accounts
	Suspended int
	Devices   int
	Invites   int // that are not revoked
	Chats     int
	OpenChats int
}

// Count reads them in one statement.
func Count(ctx context.Context, tx tenant.Tx) (c Counts, err error) {
	err = tx.QueryRow(ctx, `
		select
			(select count(*) from account where tenant_id = $1 and status = 'active'),
			(select count(*) from account where tenant_id = $1 and status = 'suspended'),
			(select count(*) from device where tenant_id = $1),
			(select count(*) from invite where tenant_id = $1 and revoked_at is null),
			(select count(*) from chat where tenant_id = $1),
			(select count(*) from chat where tenant_id = $1 and state = 'open')`, tx.Tenant()).
		Scan(&c.Members, &c.Suspended, &c.Devices, &c.Invites, &c.Chats, &c.OpenChats)
	if err != nil {
		return Counts{}, fmt.Errorf("count: %w", err)
	}
	return c, nil
}
