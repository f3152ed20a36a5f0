package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// sweepStep bounds what one transaction of a sweep deletes, so that none holds
// locks for long.
const sweepStep = 1000

// Sweeper deletes what has expired and what is nobody's any more. It works as
// the role of jobs, one tenant at a time.
type Sweeper struct {
	db  *tenant.DB
	now func() time.Time
}

// NewSweeper makes a sweeper on a database opened as app_worker; now is the
// server's clock.
func NewSweeper(db *tenant.DB, now func() time.Time) *Sweeper { return &Sweeper{db, now} }

// Swept is what a sweep did.
type Swept struct {
	Expired, Orphans, Receipts int
	// Told are the sending devices that found a notice about an expired send in
	// their mailboxes; the caller wakes them.
	Told []messaging.Address
}

// Sweep cleans the mailboxes and receipts of one tenant.
func (s *Sweeper) Sweep(ctx context.Context, id tenant.ID) (out Swept, err error) {
	for _, step := range []func(context.Context, tenant.Tx, *Swept) (int, error){s.expire, orphans, s.receipts} {
		for more := true; more; {
			err = s.db.In(ctx, id, func(tx tenant.Tx) error {
				n, err := step(ctx, tx, &out)
				more = n == sweepStep
				return err
			})
			if err != nil {
				return out, fmt.Errorf("sweep mailboxes: %w", err)
			}
		}
	}
	return out, nil
}

// Forget deletes everything of a tenant that is being deleted.
func (s *Sweeper) Forget(ctx context.Context, id tenant.ID) error {
	return s.db.In(ctx, id, func(tx tenant.Tx) error {
		_, err := tx.Pipeline(ctx,
			tenant.Statement{SQL: `delete from mailbox where tenant_id = $1`, Args: []any{id}},
			tenant.Statement{SQL: `delete from send_receipt where tenant_id = $1`, Args: []any{id}})
		return err
	})
}

// expired is a send that not every device fetched in time.
type expired struct {
	sender  messaging.Address
	message messaging.MessageID
}

// expire deletes what waited too long and tells the device that sent it, once
// a send. An expired notice ends silently.
func (s *Sweeper) expire(ctx context.Context, tx tenant.Tx, out *Swept) (int, error) {
	deleted, sends := 0, map[expired]bool{}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var sender, message *[16]byte
		var device *int16
		err := scan(&sender, &device, &message)
		deleted++
		if sender != nil {
			sends[expired{messaging.Address{Account: *sender, Device: messaging.DeviceID(*device)}, *message}] = true
		}
		return err
	}, `
		delete from mailbox m using (
			select account_id, device_id, position from mailbox where tenant_id = $1 and expires_at <= $2 limit $3
		) x
		where m.tenant_id = $1 and m.account_id = x.account_id and m.device_id = x.device_id and m.position = x.position
		returning m.sender_id, m.sender_device, m.message_id`, tx.Tenant(), s.now(), sweepStep)
	if err != nil {
		return 0, err
	}
	for e := range sends {
		told, err := s.tell(ctx, tx, e)
		if err != nil {
			return 0, err
		}
		if told {
			out.Told = append(out.Told, e.sender)
		}
	}
	out.Expired += deleted
	return deleted, nil
}

// noticeLife is how long a sender may stay away and still learn of it.
const noticeLife = 30 * 24 * time.Hour

// tell leaves a notice for the sender's device, while the account has it.
func (s *Sweeper) tell(ctx context.Context, tx tenant.Tx, e expired) (bool, error) {
	now := s.now()
	frame := wire.AppendServer(nil, 0, &wire.Notice{Position: 1, Kind: wire.NoticeSendExpired, TimeMS: uint64(now.UnixMilli()), MessageID: e.message})
	n, err := tx.Exec(ctx, `
		insert into mailbox (tenant_id, account_id, device_id, position, registration_id, kind, received_at, expires_at, body)
		select d.tenant_id, d.account_id, d.device_id, nextval('mailbox_position'), d.registration_id, 0, $4, $5, $6
		from device d where d.tenant_id = $1 and d.account_id = $2 and d.device_id = $3`,
		tx.Tenant(), [16]byte(e.sender.Account), int16(e.sender.Device), now.Truncate(arrivalPrecision), now.Add(noticeLife), frame)
	return n > 0, err
}

// orphans deletes what waits for devices that are gone.
func orphans(ctx context.Context, tx tenant.Tx, out *Swept) (int, error) {
	n, err := tx.Exec(ctx, `
		delete from mailbox m using (
			select o.account_id, o.device_id, o.position from mailbox o
			where o.tenant_id = $1 and not exists (select from device d where d.tenant_id = o.tenant_id and d.account_id = o.account_id
				and d.device_id = o.device_id and d.registration_id = o.registration_id)
			limit $2
		) x
		where m.tenant_id = $1 and m.account_id = x.account_id and m.device_id = x.device_id and m.position = x.position`, tx.Tenant(), sweepStep)
	out.Orphans += int(n)
	return int(n), err
}

func (s *Sweeper) receipts(ctx context.Context, tx tenant.Tx, out *Swept) (int, error) {
	n, err := tx.Exec(ctx, `
		delete from send_receipt r using (
			select account_id, device_id, message_id from send_receipt where tenant_id = $1 and expires_on < $2 limit $3
		) x
		where r.tenant_id = $1 and r.account_id = x.account_id and r.device_id = x.device_id and r.message_id = x.message_id`, tx.Tenant(), s.now().UTC(), sweepStep)
	out.Receipts += int(n)
	return int(n), err
}
