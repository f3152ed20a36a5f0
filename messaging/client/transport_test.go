package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// lobby is the server of the simulation behind a lock, for clients with
// goroutines of their own.
type lobby struct {
	mu     sync.Mutex
	server *simServer
}

// pipe is a Transport to it.
type pipe struct {
	lobby   *lobby
	session *simSession
	frames  chan []byte
	closed  chan struct{}
	once    sync.Once
	code    wire.CloseCode
}

func (l *lobby) login(a messaging.AccountID) *simSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &simSession{account: a}
	l.server.sessions = append(l.server.sessions, x)
	return x
}

func (l *lobby) dial(x *simSession) func(context.Context) (Transport, error) {
	return func(context.Context) (Transport, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		x.online, x.sent, x.toClient = true, 0, nil
		x.pipe = &pipe{lobby: l, session: x, frames: make(chan []byte, 10_000), closed: make(chan struct{})}
		return x.pipe, nil
	}
}

func (p *pipe) Read(ctx context.Context) ([]byte, error) {
	select {
	case f := <-p.frames:
		return f, nil
	case <-p.closed:
		return nil, Closed{p.code}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Write(_ context.Context, frame []byte) error {
	l := p.lobby
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server.handle(p.session, frame)
	for _, x := range l.server.sessions {
		for x.online && l.server.push(x, 50) {
		}
		for _, f := range x.toClient {
			x.pipe.frames <- f
		}
		x.toClient = nil
	}
	return nil
}

func (p *pipe) Close(code wire.CloseCode) error {
	p.once.Do(func() {
		p.code = code
		close(p.closed)
	})
	return nil
}

// blobs is a BlobStore in memory.
type blobs struct {
	mu sync.Mutex
	m  map[messaging.BlobID][]byte
}

func (b *blobs) Put(_ context.Context, src io.Reader, size uint64) (messaging.BlobID, error) {
	all, err := io.ReadAll(src)
	if err != nil || uint64(len(all)) != size {
		return messaging.BlobID{}, errors.Join(err, errors.New("size"))
	}
	id := messaging.NewBlobID()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[id] = all
	return id, nil
}

func (b *blobs) Get(_ context.Context, id messaging.BlobID) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return io.NopCloser(bytes.NewReader(b.m[id])), nil
}

// member is a running Client.
type member struct {
	*Client
	t   *testing.T
	ctx context.Context
}

func (l *lobby) run(t *testing.T, a messaging.AccountID) *member {
	t.Helper()
	c, err := Open(Config{Vault: new(vault.Memory).Open(), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx, l.dial(l.login(a))) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		_ = c.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &member{c, t, ctx}
}

// until reads events up to one of a kind for which ready holds.
func (m *member) until(kind EventKind, ready func(Event) bool) Event {
	m.t.Helper()
	for {
		events, err := m.Events(m.ctx)
		if err != nil {
			m.t.Fatalf("waiting for event %d: %v", kind, err)
		}
		for _, e := range events {
			if e.Kind == kind && (ready == nil || ready(e)) {
				return e
			}
		}
	}
}

func (m *member) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// TestClient runs whole clients, each on its own goroutine: found, open, write,
// link, and hand the history over.
func TestClient(t *testing.T) {
	t.Parallel()
	l := &lobby{server: newSimServer(time.Now, messaging.TenantID{1})}
	a, b := messaging.AccountID{1}, messaging.AccountID{2}
	alice, bob := l.run(t, a), l.run(t, b)
	for _, m := range []*member{alice, bob} {
		m.until(EventLogin, func(e Event) bool { return !e.Active })
		code, err := m.Found(m.ctx)
		m.must(err)
		if _, err := devicelog.ParseRecoveryCode(code.Reveal()); err != nil {
			t.Error(err)
		}
	}
	chat := l.open(alice, b)
	for i := range 5 {
		alice.must(alice.Write(alice.ctx, chat, messaging.MessageID{1, byte(i + 1)}, content.Text{Text: "hello"}))
	}
	bob.until(EventMessage, func(e Event) bool { return e.Message == messaging.MessageID{1, 5} })
	bob.must(bob.Write(bob.ctx, chat, messaging.MessageID{2, 1}, content.Reaction{Target: messaging.MessageID{1, 2}, Emoji: "👍"}))
	bob.must(bob.Write(bob.ctx, chat, messaging.MessageID{2, 2}, content.Text{Text: "hi"}))
	alice.until(EventMessage, func(e Event) bool { return e.Message == messaging.MessageID{2, 2} })
	alice.must(alice.Write(alice.ctx, chat, messaging.MessageID{1, 9}, content.Edit{Target: messaging.MessageID{1, 1}, Text: "hello again"}))

	phone := l.run(t, a)
	phone.until(EventLogin, func(e Event) bool { return e.Active })
	l.link(alice, phone)
	phone.until(EventChat, nil)
	store := &blobs{m: make(map[messaging.BlobID][]byte)}
	address, _, err := phone.Address(phone.ctx)
	phone.must(err)
	alice.must(alice.OfferHistory(alice.ctx, store, address.Device))
	phone.until(EventHistory, nil)
	phone.must(phone.FetchHistory(phone.ctx, store))
	if err := phone.FetchHistory(phone.ctx, store); !errors.Is(err, ErrNoHistory) {
		t.Errorf("an offer is kept: %v", err)
	}
	alike(t, chat, alice, phone)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.server.faults) > 0 {
		t.Error(l.server.faults)
	}
}

func (l *lobby) open(m *member, peer messaging.AccountID) messaging.ChatID {
	l.mu.Lock()
	fragment := l.server.account(peer).log.Fingerprint().Fragment()
	l.mu.Unlock()
	opened, err := m.OpenChat(m.ctx, peer[:], fragment, nil)
	m.must(err)
	return opened.ChatID
}

func (l *lobby) link(old, fresh *member) {
	code, wait, err := fresh.RequestLink(fresh.ctx)
	fresh.must(err)
	digits, err := old.ApproveLink(old.ctx, code)
	old.must(err)
	fresh.until(EventLinkDigits, nil)
	if got, err := fresh.LinkDigits(fresh.ctx); err != nil || got != digits {
		fresh.t.Fatalf("digits %q and %q: %v", digits, got, err)
	}
	old.must(old.ConfirmLink(old.ctx))
	fresh.must(wait(fresh.ctx))
}

func alike(t *testing.T, chat messaging.ChatID, a, b *member) {
	t.Helper()
	want, err := a.ChatHash(a.ctx, chat)
	a.must(err)
	got, err := b.ChatHash(b.ctx, chat)
	b.must(err)
	x, err := a.Conversation(a.ctx, chat, 0, 100)
	a.must(err)
	y, err := b.Conversation(b.ctx, chat, 0, 100)
	b.must(err)
	if len(x) != 6 || len(x) != len(y) || want != got {
		t.Fatalf("%d and %d messages, same: %v", len(x), len(y), want == got)
	}
	for i := range x {
		if x[i].ID != y[i].ID || x[i].Edited != y[i].Edited {
			t.Errorf("message %d differs", i)
		}
	}
}

// TestStay: a close code that says so ends Run; others do not.
func TestStay(t *testing.T) {
	t.Parallel()
	l := &lobby{server: newSimServer(time.Now, messaging.TenantID{1})}
	c, err := Open(Config{Vault: new(vault.Memory).Open()})
	if err != nil {
		t.Fatal(err)
	}
	x := l.login(messaging.AccountID{1})
	dials := 0
	err = c.Run(context.Background(), func(ctx context.Context) (Transport, error) {
		dials++
		transport, err := l.dial(x)(ctx)
		code := wire.CloseDeviceRemoved
		if dials == 1 {
			code = wire.CloseLost
		}
		return transport, errors.Join(err, transport.Close(code))
	})
	var closed Closed
	if !errors.Is(err, ErrStay) || !errors.As(err, &closed) || closed.Code != wire.CloseDeviceRemoved || dials != 2 {
		t.Errorf("%d dials, %v", dials, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Chats(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed client answers: %v", err)
	}
}

// TestKeepAlive: a silent connection is probed, and given up when the probe gets
// no answer.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 41, knobs{})
	n := w.founded(0)
	w.clock = w.clock.Add(time.Second)
	if n.dev.keepAlive() {
		t.Fatal("given up before the probe")
	}
	n.flush()
	w.run()
	w.clock = w.clock.Add(time.Second)
	if n.dev.keepAlive() {
		t.Fatal("given up although it answered")
	}
	n.dev.take()
	w.clock = w.clock.Add(time.Second)
	if !n.dev.keepAlive() {
		t.Error("a dead connection is kept")
	}
}
