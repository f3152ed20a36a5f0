// Package member is one signed-in member at one device whose keys lie in a folder:
// what the full screen and the script both do, once. It shows nothing and reads no
// keyboard. The device itself is messaging/client; the server is reached through
// messaging/client/native.
package member

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/native"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/wire"
)

// What a caller can meet, besides the errors of packages client, native and vault.
var (
	ErrSignedOut   = errors.New("not signed in")
	ErrSignedIn    = errors.New("signed in already, with another address")
	ErrOtherChat   = errors.New("the invite belongs to another address than this one")
	ErrPrice       = errors.New("this conversation has a price; open it in a browser")
	ErrNoMessage   = errors.New("no such message")
	ErrNoFile      = errors.New("the message is no file")
	ErrFile        = errors.New("not a file that can be sent")
	ErrGone        = errors.New("the server does not keep the file any more; ask for it again")
	ErrTooLarge    = errors.New("the file is too large")
	ErrHasDevices  = errors.New("the account has devices already: link this one, or use the recovery code")
	ErrNoDevices   = errors.New("the account has no device yet: this one founds it")
	ErrNoInvite    = errors.New("there is no invite")
	ErrInviteShape = native.ErrAddress
)

// Standing is how far this device has come with its account.
type Standing uint8

// The standings.
const (
	SignedOut Standing = iota // no session with a server
	Joining                   // a session; not known yet whether the account has devices
	Unfounded                 // the account has no device: Found
	Unlinked                  // the account has devices: RequestLink or Recover
	Ready
	Removed
)

// Config is what a Member is made with.
type Config struct {
	Dir    string
	Unlock Unlock
	Build  string
	Now    func() time.Time
}

// Member is the device. Its methods may be called by several goroutines at once;
// Next by one.
type Member struct {
	cfg   Config
	vault *vault.File
	core  *client.Client
	tasks sync.WaitGroup
	ctx   context.Context
	stop  context.CancelFunc

	mu       sync.Mutex
	login    login
	site     *native.Site
	standing Standing
	online   bool
	over     error              // why the connection does not come back
	cycle    context.CancelFunc // ends the connection at hand so that another one follows
	wake     chan struct{}      // closed and replaced with each change of the above
}

// Open opens the folder, and connects when there is a session. Close it.
func Open(ctx context.Context, cfg Config) (*Member, error) {
	v, err := openVault(ctx, cfg.Dir, cfg.Unlock)
	if err != nil {
		return nil, err
	}
	m := &Member{cfg: cfg, vault: v, wake: make(chan struct{})}
	m.ctx, m.stop = context.WithCancel(context.Background())
	if m.login, err = readLogin(ctx, v); err == nil {
		m.core, err = client.Open(client.Config{Vault: v, Build: cfg.Build, Now: cfg.Now})
	}
	if err != nil {
		m.stop()
		return nil, errors.Join(err, v.Close())
	}
	if m.login.Token != "" {
		m.connect()
	}
	return m, nil
}

// Close ends everything and returns when it has ended.
func (m *Member) Close() error {
	m.stop()
	err := m.core.Close()
	m.tasks.Wait()
	if m.site != nil {
		m.site.Close()
	}
	return errors.Join(err, m.vault.Close())
}

// Recovered is how many bytes of the vault a crash had left unfinished.
func (m *Member) Recovered() int64 { return m.vault.Recovered() }

// connect starts the goroutine that keeps the device connected.
func (m *Member) connect() {
	m.mu.Lock()
	m.site, m.standing, m.over = m.login.site(), Joining, nil
	m.mu.Unlock()
	core := m.Core()
	if _, ready, err := core.Address(m.ctx); err == nil && ready {
		m.set(func() { m.standing = Ready })
	}
	m.tasks.Go(func() { m.stayConnected(core) })
}

func (m *Member) stayConnected(core *client.Client) {
	for {
		ctx, cancel := context.WithCancel(m.ctx)
		m.set(func() { m.cycle = cancel })
		err := core.Run(ctx, m.dial)
		again := ctx.Err() != nil && m.ctx.Err() == nil
		cancel()
		if !again {
			m.set(func() { m.ended(err) })
			return
		}
	}
}

// ended notes why the connection does not come back.
func (m *Member) ended(why error) {
	m.over, m.online = why, false
	var closed client.Closed
	if errors.As(why, &closed) && closed.Code == wire.CloseDeviceRemoved {
		m.standing = Removed
	}
}

func (m *Member) dial(ctx context.Context) (client.Transport, error) {
	return m.server().Dial(ctx)
}

// server returns the site of the session.
func (m *Member) server() *native.Site {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.site
}

// set changes what is under the mutex and wakes who waits for a change.
func (m *Member) set(change func()) {
	m.mu.Lock()
	change()
	close(m.wake)
	m.wake = make(chan struct{})
	m.mu.Unlock()
}

// Now is how things stand.
type Now struct {
	Standing Standing
	Online   bool
	Origin   string
	// Over says why the connection does not come back by itself; nil: it does.
	Over error
	// Changed is closed when any of this changes.
	Changed <-chan struct{}
}

// Now returns how things stand.
func (m *Member) Now() Now {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Now{m.standing, m.online, m.login.Origin, m.over, m.wake}
}

// Next waits for news of the device and returns it, after doing what needs
// nobody's word: a device that was let in connects anew, history that was offered
// is fetched.
func (m *Member) Next(ctx context.Context) ([]client.Event, error) {
	for {
		core := m.Core()
		events, err := core.Events(ctx)
		for _, e := range events {
			m.react(e)
		}
		if !errors.Is(err, client.ErrClosed) || m.Core() == core {
			return events, err
		}
	}
}

func (m *Member) react(e client.Event) {
	switch e.Kind {
	case client.EventConnection:
		m.set(func() { m.online = e.Active })
	case client.EventLogin:
		m.set(func() {
			m.standing = Unfounded
			if e.Active {
				m.standing = Unlinked
			}
		})
	case client.EventReady:
		m.set(func() {
			m.standing, m.online = Ready, false
			m.cycle() // the server knows the device by its next connection
		})
	case client.EventRemoved:
		m.set(func() { m.standing = Removed })
	case client.EventHistory:
		if !e.Active {
			m.tasks.Go(m.fetchHistory)
		}
	}
}

// SelfID returns the own account and device.
func (m *Member) SelfID(ctx context.Context) (messaging.Address, error) {
	a, _, err := m.Core().Address(ctx)
	return a, err
}

// Core returns the device, for everything that needs no more than it.
func (m *Member) Core() *client.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core
}

// SignIn begins a sign-in at an address and, when the member has completed it in
// a browser, keeps the session and connects. show is called once with what to
// tell the member. A folder belongs to one address for good.
func (m *Member) SignIn(ctx context.Context, origin string, show func(*native.SignIn)) error {
	m.mu.Lock()
	old, standing, over := m.login, m.standing, m.over
	m.mu.Unlock()
	if old.Origin != "" && old.Origin != origin {
		return ErrSignedIn
	}
	if standing != SignedOut && over == nil {
		return nil // signed in, and it stands
	}
	site := native.NewSite(origin, native.Token{})
	defer site.Close()
	in, err := site.BeginSignIn(ctx)
	if err != nil {
		return err
	}
	show(in)
	token, err := site.AwaitSignIn(ctx, in)
	if err != nil {
		return err
	}
	if err := m.keep(ctx, login{origin, token.Reveal()}); err != nil {
		return err
	}
	m.connect()
	return nil
}

// keep writes a session into the vault, whose only writer is the device: it is
// closed for that moment.
func (m *Member) keep(ctx context.Context, l login) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.core.Close(); err != nil {
		return err
	}
	if err := writeLogin(ctx, m.vault, l); err != nil {
		return err
	}
	core, err := client.Open(client.Config{Vault: m.vault, Build: m.cfg.Build, Now: m.cfg.Now})
	if err != nil {
		return err
	}
	m.login, m.core = l, core
	return nil
}

// Refusal returns the server's code where err is its refusal.
func Refusal(err error) (wire.Code, bool) {
	var r client.Refusal
	if errors.As(err, &r) {
		return r.Code, true
	}
	return 0, false
}
