package mailbox

import (
	"context"
	"strconv"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// maxQueued bounds the count that a welcome tells: "about how many".
const maxQueued = 10_000

// row is a row of mailbox as a reader sees it.
type row struct {
	position int64
	kind     int16
	sender   messaging.Address
	chat     messaging.ChatID
	message  messaging.MessageID
	received time.Time
	body     []byte
}

// item is the row as a delivery; false when it is a notice that cannot be read.
func (r *row) item(number uint64) (Item, bool) {
	if r.kind != 0 {
		return Item{Envelope: wire.Delivered{Position: number, SenderAccount: r.sender.Account, SenderDevice: r.sender.Device, ChatID: r.chat,
			MessageID: r.message, ServerTime: uint64(r.received.Unix()), Type: wire.EnvelopeType(r.kind), Body: r.body}}, true
	}
	_, m, err := wire.ParseServer(r.body)
	notice, ok := m.(*wire.Notice)
	if err != nil || !ok {
		return Item{}, false
	}
	notice.Position = number
	return Item{Notice: notice}, true
}

// selectMail reads the mailboxes of a batch. The inner limit is what keeps a
// long mailbox cheap; the sum over it ends a batch before its frame is full.
// What a box has been given already is left out by position, not by "later
// than": two writers' transactions may commit in another order than that in
// which they took their positions.
func selectMail(ctx context.Context, tx tenant.SetTx, batch []*read, now time.Time) error {
	owners := make([]owner, len(batch))
	passed, limits, budgets, counts := make([]string, len(batch)), make([]int32, len(batch)), make([]int32, len(batch)), make([]bool, len(batch))
	for i, q := range batch {
		owners[i], passed[i], limits[i], budgets[i], counts[i] = q.box.owner, arrayText(q.passed), int32(q.limit), int32(q.budget), q.count
	}
	tenants, accounts, devices := ownerColumns(owners)
	for _, q := range batch {
		q.batch.Gone = true // until the device is seen
	}
	return tx.Query(ctx, func(scan func(...any) error) error { return scanMail(scan, batch) }, `
		select q.n, t.status = 'active' and a.status = 'active', case when q.count then (
				select count(*) from (select from mailbox m where m.tenant_id = q.tenant_id and m.account_id = q.account_id and m.device_id = q.device_id
					and m.registration_id = d.registration_id limit $8) x) else 0 end,
			x.more, x.position, x.kind, x.sender_id, x.sender_device, x.chat_id, x.message_id, x.received_at, x.body
		from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::int[], $6::int[], $7::bool[]) with ordinality
			as q (tenant_id, account_id, device_id, passed, most, budget, count, n)
		join tenant t on t.tenant_id = q.tenant_id
		join account a on a.tenant_id = q.tenant_id and a.account_id = q.account_id
		join device d on d.tenant_id = q.tenant_id and d.account_id = q.account_id and d.device_id = q.device_id
			and (d.expires_at is null or d.expires_at > $10)
		cross join lateral (select q.passed::bigint[] as passed offset 0) k
		left join lateral (
			select w.*, w.whole > w.kept as more from (
				select v.*, count(*) over () as whole, count(*) filter (where v.bytes <= q.budget or v.bytes = v.own) over () as kept from (
					select u.*, octet_length(u.body) + $9::int as own, sum(octet_length(u.body) + $9::int) over (order by u.position) as bytes from (
						select m.position, m.kind, m.sender_id, m.sender_device, m.chat_id, m.message_id, m.received_at, m.body from mailbox m
						where m.tenant_id = q.tenant_id and m.account_id = q.account_id and m.device_id = q.device_id
							and m.registration_id = d.registration_id and m.position <> all (k.passed)
						order by m.position limit q.most
					) u
				) v
			) w where w.bytes <= q.budget or w.bytes = w.own
		) x on t.status = 'active' and a.status = 'active'
		order by q.n, x.position`,
		tenants, accounts, devices, passed, limits, budgets, counts, maxQueued, wire.DeliveredOverhead, now)
}

func scanMail(scan func(...any) error, batch []*read) error {
	var n int
	var active bool
	var queued int
	var more *bool
	var position *int64
	var kind, senderDevice *int16
	var sender, chat, message *[16]byte
	var received *time.Time
	var body []byte
	if err := scan(&n, &active, &queued, &more, &position, &kind, &sender, &senderDevice, &chat, &message, &received, &body); err != nil {
		return err
	}
	q := batch[n-1]
	q.batch.Gone, q.batch.Suspended, q.batch.Queued = false, !active, queued
	if position == nil {
		return nil
	}
	r := row{position: *position, kind: *kind, received: *received, body: body}
	if sender != nil {
		r.sender = messaging.Address{Account: *sender, Device: messaging.DeviceID(*senderDevice)}
		r.message = *message
	}
	if chat != nil {
		r.chat = *chat
	}
	q.rows = append(q.rows, r)
	q.batch.More = *more || len(q.rows) == q.limit
	return nil
}

// arrayText is the text form of bigint[]: an array of arrays of different
// lengths cannot be a parameter.
func arrayText(list []int64) string {
	b := append(make([]byte, 0, 2+12*len(list)), '{')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return string(append(b, '}'))
}
