package mailbox

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// selectViews reads what the judge needs, one row a send, in their order.
func selectViews(ctx context.Context, tx tenant.SetTx, batch []*op, now time.Time) ([]view, error) {
	tenants, accounts, messages := make([][16]byte, len(batch)), make([][16]byte, len(batch)), make([][16]byte, len(batch))
	devices, chats := make([]int16, len(batch)), make([]*[16]byte, len(batch))
	for i, o := range batch {
		from := o.line.from
		tenants[i], accounts[i], devices[i], messages[i] = from.tenant, from.Account, int16(from.Device), o.send.MessageID
		if o.inChat() {
			chats[i] = (*[16]byte)(&o.send.ChatID)
		}
	}
	views := make([]view, 0, len(batch))
	return views, tx.Query(ctx, func(scan func(...any) error) error {
		var v view
		err := v.scan(scan)
		views = append(views, v)
		return err
	}, `
		select r.message_id is not null,
			coalesce(a.status = 'active' and t.status = 'active', false),
			c.chat_id is not null,
			coalesce(c.state = 'open' and c.opener_stance = 'open' and c.peer_stance = 'open' and p.status = 'active', false),
			p.account_id, ho.sequence, ho.hash, hp.sequence, hp.hash,
			array(select d.device_id::int << 16 | d.registration_id from device d
				where d.tenant_id = s.tenant_id and d.account_id = s.account_id and (d.expires_at is null or d.expires_at > $6) order by d.device_id),
			array(select d.device_id::int << 16 | d.registration_id from device d
				where d.tenant_id = p.tenant_id and d.account_id = p.account_id and (d.expires_at is null or d.expires_at > $6) order by d.device_id)
		from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::uuid[], $5::uuid[]) with ordinality
			as s (tenant_id, account_id, device_id, message_id, chat_id, n)
		left join send_receipt r on r.tenant_id = s.tenant_id and r.account_id = s.account_id and r.device_id = s.device_id and r.message_id = s.message_id
		left join tenant t on t.tenant_id = s.tenant_id
		left join account a on a.tenant_id = s.tenant_id and a.account_id = s.account_id
		left join account_head ho on ho.tenant_id = s.tenant_id and ho.account_id = s.account_id
		left join chat c on c.tenant_id = s.tenant_id and c.chat_id = s.chat_id and s.account_id in (c.opener_id, c.peer_id)
		left join account p on p.tenant_id = c.tenant_id and p.account_id = case when c.opener_id = s.account_id then c.peer_id else c.opener_id end
		left join account_head hp on hp.tenant_id = p.tenant_id and hp.account_id = p.account_id
		order by s.n`, tenants, accounts, devices, messages, chats, now)
}

func (v *view) scan(scan func(...any) error) error {
	var peer *[16]byte
	var ownSequence, otherSequence *int64
	var ownHash, otherHash []byte
	err := scan(&v.repeated, &v.active, &v.found, &v.open, &peer, &ownSequence, &ownHash, &otherSequence, &otherHash, &v.ownDevices, &v.peerDevices)
	if peer != nil {
		v.peer = *peer
	}
	v.own, v.other = headOf(ownSequence, ownHash), headOf(otherSequence, otherHash)
	return err
}

func headOf(sequence *int64, hash []byte) (h wire.LogHead) {
	if sequence != nil {
		h.Sequence = uint64(*sequence)
		copy(h.Hash[:], hash)
	}
	return h
}

// receiptLife is how long a repetition is recognised: as long as the server may
// still hold the send (docs/protocol.md section 13.5), and a day.
const receiptLife = wire.MaxExpirySeconds*time.Second + 24*time.Hour

// insertSends stores receipts and then the envelopes of the sends whose receipt
// is new. Where another node is inserting the same receipt, the insert waits for
// that node's transaction and then finds it there or not. Positions are taken
// in the order of the batch; receipts are inserted in the order of their keys,
// so that two nodes that insert the same ones do not wait for each other.
func insertSends(ctx context.Context, tx tenant.SetTx, sends []*op, m *Mailbox) error {
	now := m.cfg.Now()
	taken, err := insertReceipts(ctx, tx, sends, now.Add(receiptLife))
	if err != nil {
		return err
	}
	var e envelopeColumns
	for _, o := range sends {
		if !taken[o.key()] {
			o.set, o.out = nil, Outcome{Verdict: Accepted, Repeated: true}
		}
		for i := range o.set {
			e.add(o, &o.set[i], m.expiry(now, o.send))
		}
	}
	if len(e.bodies) == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, `
		insert into mailbox (tenant_id, account_id, device_id, position, registration_id, kind, sender_id, sender_device, chat_id, message_id, received_at, expires_at, body)
		select e.tenant_id, e.account_id, e.device_id, nextval('mailbox_position'), e.registration_id, e.kind, e.sender_id, e.sender_device, e.chat_id, e.message_id, $12, e.expires_at, e.body
		from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::int[], $5::smallint[], $6::uuid[], $7::smallint[], $8::uuid[], $9::uuid[], $10::timestamptz[], $11::bytea[])
			as e (tenant_id, account_id, device_id, registration_id, kind, sender_id, sender_device, chat_id, message_id, expires_at, body)`,
		e.tenants, e.accounts, e.devices, e.registrations, e.kinds, e.senders, e.senderDevices, e.chats, e.messages, e.expires, e.bodies,
		now.Truncate(arrivalPrecision))
	return err
}

// insertReceipts returns the sends whose receipts were not there.
func insertReceipts(ctx context.Context, tx tenant.SetTx, sends []*op, expires time.Time) (map[key]bool, error) {
	var r receiptColumns
	for _, o := range slices.SortedFunc(slices.Values(sends), byKey) {
		r.add(o, expires)
	}
	taken := make(map[key]bool, len(sends))
	return taken, tx.Query(ctx, func(scan func(...any) error) error {
		var k key
		var device int16
		err := scan((*[16]byte)(&k.tenant), (*[16]byte)(&k.Account), &device, (*[16]byte)(&k.message))
		k.Device = messaging.DeviceID(device)
		taken[k] = true
		return err
	}, `
		insert into send_receipt (tenant_id, account_id, device_id, message_id, expires_on)
		select * from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::uuid[], $5::date[])
		on conflict do nothing
		returning tenant_id, account_id, device_id, message_id`, r.tenants, r.accounts, r.devices, r.messages, r.expires)
}

func byKey(a, b *op) int {
	x, y := a.key(), b.key()
	return cmp.Or(slices.Compare(x.tenant[:], y.tenant[:]), slices.Compare(x.Account[:], y.Account[:]),
		cmp.Compare(x.Device, y.Device), slices.Compare(x.message[:], y.message[:]))
}

type receiptColumns struct {
	tenants, accounts, messages [][16]byte
	devices                     []int16
	expires                     []time.Time
}

func (c *receiptColumns) add(o *op, expires time.Time) {
	from := o.line.from
	c.tenants = append(c.tenants, from.tenant)
	c.accounts = append(c.accounts, from.Account)
	c.devices = append(c.devices, int16(from.Device))
	c.messages = append(c.messages, o.send.MessageID)
	c.expires = append(c.expires, expires)
}

type envelopeColumns struct {
	tenants, accounts, senders, messages [][16]byte
	chats                                []*[16]byte
	devices, kinds, senderDevices        []int16
	registrations                        []int32
	expires                              []time.Time
	bodies                               [][]byte
}

func (c *envelopeColumns) add(o *op, t *target, expires time.Time) {
	from := o.line.from
	c.tenants = append(c.tenants, from.tenant)
	c.accounts = append(c.accounts, t.to.Account)
	c.devices = append(c.devices, int16(t.to.Device))
	c.registrations = append(c.registrations, int32(t.registration))
	c.kinds = append(c.kinds, int16(t.envelope.Type))
	c.senders = append(c.senders, from.Account)
	c.senderDevices = append(c.senderDevices, int16(from.Device))
	c.messages = append(c.messages, o.send.MessageID)
	var chat *[16]byte
	if o.inChat() {
		chat = (*[16]byte)(&o.send.ChatID)
	}
	c.chats = append(c.chats, chat)
	c.expires = append(c.expires, expires)
	c.bodies = append(c.bodies, t.envelope.Body)
}

func deleteAcked(ctx context.Context, tx tenant.SetTx, acks []ack) error {
	if len(acks) == 0 {
		return nil
	}
	tenants, accounts := make([][16]byte, len(acks)), make([][16]byte, len(acks))
	devices, positions := make([]int16, len(acks)), make([]int64, len(acks))
	for i, a := range acks {
		tenants[i], accounts[i], devices[i], positions[i] = a.box.owner.tenant, a.box.owner.Account, int16(a.box.owner.Device), a.position
	}
	_, err := tx.Exec(ctx, `
		delete from mailbox m
		using unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[]) as a (tenant_id, account_id, device_id, position)
		where m.tenant_id = a.tenant_id and m.account_id = a.account_id and m.device_id = a.device_id and m.position = a.position`,
		tenants, accounts, devices, positions)
	return err
}

// selectDepths counts mailboxes, up to a ceiling.
func selectDepths(ctx context.Context, tx tenant.SetTx, of []owner, ceiling int) (counts []int, err error) {
	tenants, accounts, devices := ownerColumns(of)
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var n int
		err := scan(&n)
		counts = append(counts, n)
		return err
	}, `
		select (select count(*) from (select from mailbox m
			where m.tenant_id = q.tenant_id and m.account_id = q.account_id and m.device_id = q.device_id limit $4) x)
		from unnest($1::uuid[], $2::uuid[], $3::smallint[]) with ordinality as q (tenant_id, account_id, device_id, n)
		order by q.n`, tenants, accounts, devices, ceiling)
	return counts, err
}

func ownerColumns(of []owner) (tenants, accounts [][16]byte, devices []int16) {
	for _, o := range of {
		tenants, accounts, devices = append(tenants, o.tenant), append(accounts, o.Account), append(devices, int16(o.Device))
	}
	return tenants, accounts, devices
}

func insertNotice(ctx context.Context, tx tenant.SetTx, id tenant.ID, account messaging.AccountID, except messaging.DeviceID, frame []byte, now, expires time.Time) (told []messaging.Address, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var device int16
		err := scan(&device)
		told = append(told, messaging.Address{Account: account, Device: messaging.DeviceID(device)})
		return err
	}, `
		insert into mailbox (tenant_id, account_id, device_id, position, registration_id, kind, received_at, expires_at, body)
		select d.tenant_id, d.account_id, d.device_id, nextval('mailbox_position'), d.registration_id, 0, $4, $5, $6
		from device d where d.tenant_id = $1 and d.account_id = $2 and d.device_id <> $3
		returning device_id`, id, [16]byte(account), int16(except), now, expires, frame)
	return told, err
}

func selectDevices(ctx context.Context, tx tenant.SetTx, id tenant.ID, accounts []messaging.AccountID) (all []messaging.Address, err error) {
	wanted := make([][16]byte, len(accounts))
	for i, a := range accounts {
		wanted[i] = a
	}
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var a messaging.Address
		var device int16
		err := scan((*[16]byte)(&a.Account), &device)
		a.Device = messaging.DeviceID(device)
		all = append(all, a)
		return err
	}, `select account_id, device_id from device where tenant_id = $1 and account_id = any ($2::uuid[])`, id, wanted)
	return all, err
}
