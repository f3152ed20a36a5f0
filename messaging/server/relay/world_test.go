package relay_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// clock is the server's, moved by the test.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// world is a tenant with members and one or more nodes.
type world struct {
	testing.TB
	clock  *clock
	web    *tenant.DB
	tenant tenant.ID
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{TB: t, clock: &clock{}, web: database.Open(t), tenant: database.Tenant(t)}
}

// node is a hub with a mailbox service and database connections of its own.
type node struct {
	*relay.Hub
	boxes *mailbox.Mailbox
	relay *tenant.RelayDB
}

type busAndPresence interface {
	relay.Bus
	relay.Presence
}

// fast are rates that no test reaches by accident.
var fast = relay.Rates{Send: limit.Rate{}, Pair: limit.PerSecond(1e6, 1e6)}

func (w *world) node(bus busAndPresence, options relay.Options) *node {
	return w.nodeWith(bus, options, mailbox.Config{})
}

func (w *world) nodeWith(bus busAndPresence, options relay.Options, cfg mailbox.Config) *node {
	w.Helper()
	return w.nodeAt(database.URL("app_relay"), bus, options, cfg)
}

func (w *world) nodeAt(url string, bus busAndPresence, options relay.Options, cfg mailbox.Config) *node {
	w.Helper()
	db, err := tenant.OpenRelay(w.Context(), tenant.Config{URL: url, AllowUnsafeDurability: true, MaxConns: 4})
	if err != nil {
		w.Fatal(err)
	}
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		w.Fatal(err)
	}
	secrets := secret.New(ring)
	accounts := account.New(w.web, secrets, w.clock.now)
	invites := invite.New(secrets, w.clock.now)
	cfg.Now = w.clock.now
	n := &node{boxes: mailbox.New(db, cfg), relay: db}
	options.Now = w.clock.now
	options.Log = slog.New(slog.DiscardHandler)
	if options.Tick == 0 {
		options.Tick = -1
	}
	if options.Rates == (relay.Rates{}) {
		options.Rates = fast
	}
	n.Hub = relay.New(relay.Services{DB: w.web, Mailbox: n.boxes, Logs: accounts, Keys: accounts, Slots: accounts,
		Chats: chat.New(invites, accounts, nil, w.clock.now), Invites: invites,
		Sends: limit.NewMemory(w.clock.now), Asks: limit.NewMemory(w.clock.now)}, bus, bus, options)
	w.Cleanup(func() { n.Close(); n.boxes.Close(); db.Close() })
	return n
}

type member struct {
	id      messaging.AccountID
	head    wire.LogHead
	devices []messaging.DeviceID
}

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
	rand.Read(m.head.Hash[:])
	subject := make([]byte, 32)
	rand.Read(subject)
	w.exec(`insert into account (tenant_id, account_id, subject_hash, created_on) values ($1, $2, $3, current_date)`, w.tenant, [16]byte(m.id), subject)
	w.exec(`insert into account_head (tenant_id, account_id, sequence, hash) values ($1, $2, 0, $3)`, w.tenant, [16]byte(m.id), m.head.Hash[:])
	for _, d := range devices {
		w.exec(`insert into device (tenant_id, account_id, device_id, registration_id, identity_key, signed_prekey_id, signed_prekey, signed_prekey_sig,
				last_resort_id, last_resort, last_resort_sig, last_seen_on)
			values ($1, $2, $3, $4, $5, 1, $5, $6, 1, $7, $6, current_date)`,
			w.tenant, [16]byte(m.id), int16(d), 100+int(d), make([]byte, 33), make([]byte, 64), make([]byte, 1569))
	}
	return m
}

func (w *world) chat(a, b *member) messaging.ChatID {
	w.Helper()
	id := messaging.NewChatID()
	w.exec(`insert into chat (tenant_id, chat_id, opener_id, peer_id, token_hash, opening_key, opened_on) values ($1, $2, $3, $4, $5, $6, current_date)`,
		w.tenant, [16]byte(id), [16]byte(a.id), [16]byte(b.id), make([]byte, 32), [16]byte(messaging.NewMessageID()))
	return id
}

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

// eventually waits until ok, doing nothing else meanwhile.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			w.Fatalf("did not happen: %s", what)
		}
		time.Sleep(time.Millisecond) // the condition is another process's or goroutine's; nothing signals it
	}
}

func send(own, peer *member, from messaging.DeviceID, chat messaging.ChatID, body string) *wire.Send {
	s := &wire.Send{MessageID: messaging.NewMessageID(), ChatID: chat, OwnHead: own.head, PeerHead: peer.head}
	for _, d := range peer.devices {
		s.Envelopes = append(s.Envelopes, wire.Envelope{Side: wire.SidePeer, Device: d, RegistrationID: 100 + uint16(d), Type: wire.TypeSignal, Body: []byte(body)})
	}
	for _, d := range own.devices {
		if d != from {
			s.Envelopes = append(s.Envelopes, wire.Envelope{Side: wire.SideOwn, Device: d, RegistrationID: 100 + uint16(d), Type: wire.TypeSignal, Body: []byte(body)})
		}
	}
	return s
}

// pipe is a Transport in memory. What the server writes waits in a short
// queue, as in the buffers of a TCP connection.
type pipe struct {
	up, down chan []byte
	once     sync.Once
	closed   chan struct{}
	code     wire.CloseCode // read after closed
}

var errPipe = errors.New("pipe: closed")

func newPipe() *pipe {
	return &pipe{up: make(chan []byte, 16), down: make(chan []byte, 16), closed: make(chan struct{})}
}

func (p *pipe) ReadFrame(ctx context.Context, buf []byte) ([]byte, error) {
	select {
	case frame := <-p.up:
		return append(buf, frame...), nil
	case <-p.closed:
		return buf, errPipe
	case <-ctx.Done():
		return buf, ctx.Err()
	}
}

func (p *pipe) WriteFrames(ctx context.Context, frames [][]byte) error {
	for _, frame := range frames {
		select {
		case p.down <- append([]byte(nil), frame...):
		case <-p.closed:
			return errPipe
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *pipe) Close(code wire.CloseCode) {
	p.once.Do(func() { p.code = code; close(p.closed) })
}

func (p *pipe) hasClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// client is the other end.
type client struct {
	testing.TB
	*pipe
	served chan struct{} // Serve returned
}

// connect brings a connection up to the point before Hello.
func (w *world) connect(n *node, who *account.Who) *client {
	w.Helper()
	c := &client{TB: w.TB, pipe: newPipe(), served: make(chan struct{})}
	go func() {
		defer close(c.served)
		n.Serve(context.Background(), c.pipe, w.tenant, who)
	}()
	return c
}

func (w *world) dial(n *node, m *member, device messaging.DeviceID) *client {
	w.Helper()
	c := w.connect(n, &account.Who{Account: m.id, Device: device})
	c.write(0, &wire.Hello{Versions: []uint8{wire.Version}, Build: "test"})
	welcome := expect[*wire.Welcome](c)
	if welcome.TenantID != messaging.TenantID(w.tenant) || welcome.AccountID != m.id || welcome.Device != device || welcome.OwnHead != m.head && device != 0 {
		w.Fatalf("welcome: %+v", welcome)
	}
	return c
}

func (c *client) write(request uint64, m wire.ClientMessage) {
	c.raw(wire.AppendClient(nil, request, m))
}

func (c *client) raw(frame []byte) {
	select {
	case c.up <- frame:
	case <-c.closed:
	}
}

// read returns the next frame, nil when the connection ended.
func (c *client) read() wire.ServerMessage {
	c.Helper()
	select {
	case frame := <-c.down:
		return c.parse(frame)
	default:
	}
	select {
	case frame := <-c.down:
		return c.parse(frame)
	case <-c.closed:
		select {
		case frame := <-c.down:
			return c.parse(frame)
		default:
			return nil
		}
	case <-time.After(patience):
		c.Fatal("nothing came")
		return nil
	}
}

func (c *client) parse(frame []byte) wire.ServerMessage {
	c.Helper()
	_, m, err := wire.ParseServer(frame)
	if err != nil {
		c.Fatalf("the server sent a frame that is refused: %v", err)
	}
	return m
}

// expect returns the next frame of a kind and drops others before it.
func expect[M wire.ServerMessage](c *client) M {
	c.Helper()
	for {
		switch m := c.read().(type) {
		case M:
			return m
		case nil:
			c.Fatalf("the connection ended with %d", c.code)
		}
	}
}

// ends waits for the close code.
func (c *client) ends(want wire.CloseCode) {
	c.Helper()
	for c.read() != nil {
	}
	if c.code != want {
		c.Errorf("expected close code %d, got %d", want, c.code)
	}
	select {
	case <-c.served:
	case <-time.After(patience):
		c.Error("Serve did not return")
	}
}

// hangUp is what a client that goes away leaves.
func (c *client) hangUp() {
	c.pipe.Close(wire.CloseLost)
	<-c.served
}

// accepted waits for the answer to a send.
func (c *client) accepted(s *wire.Send) {
	c.Helper()
	c.write(0, s)
	a := expect[*wire.Accepted](c)
	if len(a.MessageIDs) != 1 || a.MessageIDs[0] != s.MessageID {
		c.Fatalf("got %v", a.MessageIDs)
	}
}

// receive waits for one envelope.
func (c *client) receive() wire.Delivered {
	c.Helper()
	d := expect[*wire.Deliver](c)
	if len(d.Envelopes) != 1 {
		c.Fatalf("%d envelopes", len(d.Envelopes))
	}
	return d.Envelopes[0]
}

// redisServer is a Redis of the test's own.
type redisServer struct {
	testing.TB
	socket string
	cmd    *exec.Cmd
}

func newRedis(t testing.TB) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	r := &redisServer{TB: t, socket: filepath.Join(t.TempDir(), "r")}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *redisServer) start() {
	r.Helper()
	r.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", r.socket, "--save", "", "--appendonly", "no")
	if err := r.cmd.Start(); err != nil {
		r.Fatal(err)
	}
}

func (r *redisServer) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

func (r *redisServer) client() *redis.Client {
	r.Helper()
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket})
	r.Cleanup(func() { c.Close() })
	for deadline := time.Now().Add(patience); c.Ping(context.Background()).Err() != nil; {
		if time.Now().After(deadline) {
			r.Fatal("Redis does not answer")
		}
	}
	return c
}
