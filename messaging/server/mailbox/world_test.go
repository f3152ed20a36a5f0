package mailbox_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// world is a tenant with members, and a mailbox service of its own.
type world struct {
	testing.TB
	web    *tenant.DB
	relay  *tenant.RelayDB
	boxes  *mailbox.Mailbox
	tenant tenant.ID
}

func newWorld(t testing.TB, cfg mailbox.Config) *world {
	t.Helper()
	w := &world{TB: t, web: database.Open(t), relay: openRelay(t), tenant: database.Tenant(t)}
	w.boxes = mailbox.New(w.relay, cfg)
	t.Cleanup(w.boxes.Close)
	return w
}

func openRelay(t testing.TB) *tenant.RelayDB {
	t.Helper()
	db, err := tenant.OpenRelay(t.Context(), tenant.Config{URL: database.URL("app_relay"), AllowUnsafeDurability: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// beside is another tenant on the same mailbox service.
func (w *world) beside() *world {
	w.Helper()
	other := *w
	other.tenant = database.Tenant(w)
	return &other
}

// member is an account with a device log that somebody else has checked.
type member struct {
	id      messaging.AccountID
	head    wire.LogHead
	devices []messaging.DeviceID
}

func (m *member) at(device messaging.DeviceID) messaging.Address {
	return messaging.Address{Account: m.id, Device: device}
}

func registrationOf(d messaging.DeviceID) uint16 { return 100 + uint16(d) }

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if err := w.web.In(context.Background(), w.tenant, func(tx tenant.Tx) error {
		_, err := tx.Exec(context.Background(), sql, args...)
		return err
	}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) member(devices ...messaging.DeviceID) *member {
	w.Helper()
	m := &member{id: messaging.NewAccountID(), devices: devices}
	m.head.Sequence = uint64(len(devices))
	rand.Read(m.head.Hash[:])
	subject := make([]byte, 32)
	rand.Read(subject)
	w.exec(`insert into account (tenant_id, account_id, subject_hash, created_on) values ($1, $2, $3, current_date)`, w.tenant, [16]byte(m.id), subject)
	w.exec(`insert into account_head (tenant_id, account_id, sequence, hash) values ($1, $2, $3, $4)`, w.tenant, [16]byte(m.id), int64(m.head.Sequence), m.head.Hash[:])
	for _, d := range devices {
		w.addDevice(m, d, registrationOf(d))
	}
	return m
}

func (w *world) addDevice(m *member, d messaging.DeviceID, registration uint16) {
	w.Helper()
	w.exec(`insert into device (tenant_id, account_id, device_id, registration_id, identity_key, signed_prekey_id, signed_prekey, signed_prekey_sig,
			last_resort_id, last_resort, last_resort_sig, last_seen_on)
		values ($1, $2, $3, $4, $5, 1, $5, $6, 1, $7, $6, current_date)`,
		w.tenant, [16]byte(m.id), int16(d), int(registration), make([]byte, 33), make([]byte, 64), make([]byte, 1569))
}

func (w *world) chat(a, b *member) messaging.ChatID {
	w.Helper()
	id := messaging.NewChatID()
	w.exec(`insert into chat (tenant_id, chat_id, opener_id, peer_id, token_hash, opening_key, opened_on) values ($1, $2, $3, $4, $5, $6, current_date)`,
		w.tenant, [16]byte(id), [16]byte(a.id), [16]byte(b.id), make([]byte, 32), [16]byte(messaging.NewMessageID()))
	return id
}

// send addresses everybody whom a full set covers.
func send(from messaging.Address, own, peer *member, chat messaging.ChatID, body string) *wire.Send {
	s := &wire.Send{MessageID: messaging.NewMessageID(), ChatID: chat, OwnHead: own.head}
	if peer != nil {
		s.PeerHead = peer.head
		for _, d := range peer.devices {
			s.Envelopes = append(s.Envelopes, wire.Envelope{Side: wire.SidePeer, Device: d, RegistrationID: registrationOf(d), Type: wire.TypeSignal, Body: []byte(body)})
		}
	}
	for _, d := range own.devices {
		if d != from.Device {
			s.Envelopes = append(s.Envelopes, wire.Envelope{Side: wire.SideOwn, Device: d, RegistrationID: registrationOf(d), Type: wire.TypeSignal, Body: []byte(body)})
		}
	}
	return s
}

// put sends and waits for the outcome.
func put(t testing.TB, l *mailbox.Line, s *wire.Send) mailbox.Outcome {
	t.Helper()
	out := make(chan mailbox.Outcome, 1)
	if err := l.Put(t.Context(), s, func(o mailbox.Outcome) { out <- o }); err != nil {
		t.Fatal(err)
	}
	return <-out
}

// next reads everything that waits.
func next(t testing.TB, b *mailbox.Box) (items []mailbox.Item) {
	t.Helper()
	for {
		batch, err := b.Next(t.Context(), wire.MaxDeliver, wire.MaxFrame, false)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, batch.Items...)
		if !batch.More {
			return items
		}
	}
}

func bodies(items []mailbox.Item) (all []string) {
	for _, i := range items {
		all = append(all, string(i.Envelope.Body))
	}
	return all
}

// rows counts what the database holds, as its superuser.
func (w *world) rows(table string) (n int) {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), database.AdminURL())
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), `select count(*) from `+table+` where tenant_id = $1`, w.tenant).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// settled waits until every acknowledged row is deleted: a send behind the
// acks goes through the same writer.
func (w *world) settled(want int) {
	w.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for n := -1; ; {
		if n = w.rows("mailbox"); n == want {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("expected %d rows in the mailbox, found %d", want, n)
		}
	}
}
