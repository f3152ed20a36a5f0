package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// ErrClosed: the client was closed.
var ErrClosed = errors.New("client: closed")

// Config is what a Client is made with.
type Config struct {
	// Vault holds everything that lasts. The Client is its only writer; whoever
	// made it closes it after the Client.
	Vault vault.Vault
	// Build names client and version to the server: 1 to 64 printable ASCII
	// characters, no product name. Default "client".
	Build string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Rand is the source of all randomness. Default crypto/rand.Reader.
	Rand io.Reader
}

// Client is one device. Its methods may be called by several goroutines at once;
// one goroutine, which Close ends and waits for, owns the state.
type Client struct {
	calls  chan func(*device)
	ended  chan struct{} // closed when the owner has stopped
	stop   context.CancelFunc
	ctx    context.Context
	events chan struct{} // one token: there are events

	mu    sync.Mutex
	wires *outlet // where frames go; nil: not connected
}

// Open reads the vault and starts the owner. Close it.
func Open(cfg Config) (*Client, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Build == "" {
		cfg.Build = "client"
	}
	d, err := openDevice(settings{vault: cfg.Vault, now: cfg.Now, rand: cfg.Rand, build: cfg.Build, stock: PrekeyStock})
	if err != nil {
		return nil, err
	}
	c := &Client{calls: make(chan func(*device)), ended: make(chan struct{}), events: make(chan struct{}, 1)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	go c.own(d)
	return c, nil
}

// Close ends the Client and the connection that it runs, and returns when both
// have ended. It may be called twice. The vault stays open.
func (c *Client) Close() error {
	c.stop()
	<-c.ended
	return nil
}

// own is the goroutine that owns the device.
func (c *Client) own(d *device) {
	defer close(c.ended)
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case call := <-c.calls:
			call(d)
		case <-ticker.C:
			if d.tick() != nil {
				c.hangUp(wire.CloseInternal)
			}
			if d.keepAlive() {
				c.hangUp(wire.CloseIdle)
			}
		case <-c.ctx.Done():
			c.hangUp(wire.CloseNormal)
			return
		}
		c.flush(d)
	}
}

// flush moves frames to the connection and wakes who waits for events.
func (c *Client) flush(d *device) {
	frames := d.take()
	c.mu.Lock()
	w := c.wires
	c.mu.Unlock()
	if w != nil {
		w.put(frames)
	}
	if len(d.events) > 0 {
		select {
		case c.events <- struct{}{}:
		default:
		}
	}
}

// do runs a call on the owner and waits for it.
func (c *Client) do(ctx context.Context, call func(*device) error) error {
	result := make(chan error, 1)
	select {
	case c.calls <- func(d *device) { result <- call(d) }:
		return <-result
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return ErrClosed
	}
}

// await runs a call whose outcome comes later.
func (c *Client) await(ctx context.Context, call func(d *device, done func(error)) error) error {
	outcome := make(chan error, 1)
	err := c.do(ctx, func(d *device) error { return call(d, func(err error) { outcome <- err }) })
	if err != nil {
		return err
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return ErrClosed
	}
}

// Events waits for events and returns all that there are, oldest first. One
// goroutine at a time may wait.
func (c *Client) Events(ctx context.Context) ([]Event, error) {
	for {
		var out []Event
		err := c.do(ctx, func(d *device) error {
			out, d.events = d.events, nil
			return nil
		})
		if err != nil || len(out) > 0 {
			return out, err
		}
		select {
		case <-c.events:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.ended:
			return nil, ErrClosed
		}
	}
}

// Address returns this device's address; false before it is in the log and
// after it was removed.
func (c *Client) Address(ctx context.Context) (a messaging.Address, ready bool, err error) {
	err = c.do(ctx, func(d *device) error {
		a, ready = d.self.address(), d.ready()
		return nil
	})
	return a, ready, err
}

// Found makes this device the first of the account that it is logged in to, and
// returns the recovery code for the member to write down. It waits until the
// server has the founding entry; when ctx ends first, the founding goes on.
func (c *Client) Found(ctx context.Context) (code *devicelog.RecoveryCode, err error) {
	err = c.await(ctx, func(d *device, done func(error)) (err error) {
		code, err = d.found(done)
		return err
	})
	return code, err
}

// Recover adds this device to its account by the recovery code, when no other
// device is at hand.
func (c *Client) Recover(ctx context.Context, code string) error {
	return c.await(ctx, func(d *device, done func(error)) error { return d.recoverAccount(code, done) })
}

// NewRecoveryCode replaces the recovery code.
func (c *Client) NewRecoveryCode(ctx context.Context) (code *devicelog.RecoveryCode, err error) {
	err = c.await(ctx, func(d *device, done func(error)) (err error) {
		if code, err = devicelog.NewRecoveryCode(d.rand); err != nil {
			return err
		}
		return d.change(&intent{action: devicelog.ActionRecovery, code: code.Reveal(), done: done})
	})
	return code, err
}

// RemoveDevice takes a device out of the account; it may be this one.
func (c *Client) RemoveDevice(ctx context.Context, id messaging.DeviceID) error {
	return c.await(ctx, func(d *device, done func(error)) error {
		return d.change(&intent{action: devicelog.ActionRemove, device: id, done: done})
	})
}

// Unseen says when the server last saw another device of the account. One that
// was away too long is taken out of the log; before that, EventUnseen warns.
func (c *Client) Unseen(ctx context.Context, id messaging.DeviceID, seen time.Time) error {
	return c.do(ctx, func(d *device) error { return d.unseen(id, seen) })
}

// RequestLink starts to let this device into its account, which has other
// devices. It returns the code to show to one of them; wait tells when this
// device is in, or why not.
func (c *Client) RequestLink(ctx context.Context) (code string, wait func(context.Context) error, err error) {
	outcome := make(chan error, 1)
	err = c.do(ctx, func(d *device) (err error) {
		code, err = d.requestLink(func(err error) { outcome <- err })
		return err
	})
	wait = func(ctx context.Context) error {
		select {
		case err := <-outcome:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return ErrClosed
		}
	}
	return code, wait, err
}

// LinkDigits returns the digits to compare, empty before they are known.
func (c *Client) LinkDigits(ctx context.Context) (digits string, err error) {
	err = c.do(ctx, func(d *device) error {
		if d.linking != nil {
			digits = d.linking.digits
		}
		return nil
	})
	return digits, err
}

// ApproveLink takes the code of a new device and returns the digits that the
// member compares with those on its screen, before ConfirmLink.
func (c *Client) ApproveLink(ctx context.Context, code string) (digits string, err error) {
	err = c.do(ctx, func(d *device) (err error) {
		digits, err = d.approveLink(code)
		return err
	})
	return digits, err
}

// ConfirmLink lets the new device in, on the member's word that the digits are
// the same, and waits until it is in the log.
func (c *Client) ConfirmLink(ctx context.Context) error {
	return c.await(ctx, func(d *device, done func(error)) error { return d.confirmLink(done) })
}

// Devices returns the devices of an account that the own log, or that of a
// chat's peer, lists now.
func (c *Client) Devices(ctx context.Context, a messaging.AccountID) (out []devicelog.Device, err error) {
	err = c.do(ctx, func(d *device) error {
		s := d.logs[a]
		if s == nil || s.log == nil {
			return ErrUnknownAccount
		}
		out = s.log.Devices(d.logTime())
		return nil
	})
	return out, err
}

// Look asks what is behind an invite, and for its price; it changes nothing. The
// fragment is what stands behind the # of the invite.
func (c *Client) Look(ctx context.Context, token []byte, fragment devicelog.Fragment) (*wire.Opened, error) {
	return c.openChat(ctx, &wire.OpenChat{Token: token, Purpose: wire.PurposeLook}, fragment)
}

// OpenChat opens the chat that an invite leads to. quote is the one that the
// member agreed to, nil where nothing is to be paid.
func (c *Client) OpenChat(ctx context.Context, token []byte, fragment devicelog.Fragment, quote []byte) (*wire.Opened, error) {
	return c.openChat(ctx, &wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, Quote: quote}, fragment)
}

func (c *Client) openChat(ctx context.Context, m *wire.OpenChat, fragment devicelog.Fragment) (out *wire.Opened, err error) {
	err = c.await(ctx, func(d *device, done func(error)) error {
		return d.openChat(m, fragment, func(o *wire.Opened, err error) {
			out = o
			done(err)
		})
	})
	return out, err
}

// Write says something in a chat: any kind of content that members send. It
// returns when that is saved; it leaves as soon as it can. The same id again
// changes nothing, so that a caller may repeat a call whose outcome it does not
// know.
func (c *Client) Write(ctx context.Context, chat messaging.ChatID, id messaging.MessageID, body content.Body) error {
	return c.do(ctx, func(d *device) error { return d.write(chat, id, body) })
}

// Typing tells the peer's devices that are connected now that the member writes,
// or has stopped.
func (c *Client) Typing(ctx context.Context, chat messaging.ChatID, active bool) error {
	return c.do(ctx, func(d *device) error { return d.typing(chat, active) })
}

// MarkRead moves the read position of a chat forward, on all own devices, and
// tells the peer where the settings say so.
func (c *Client) MarkRead(ctx context.Context, chat messaging.ChatID, upTo uint64) error {
	return c.do(ctx, func(d *device) error {
		if err := d.markRead(chat, upTo); err != nil {
			return err
		}
		return d.progress()
	})
}

// AcceptKeys lets messages go to an account that was founded anew, after the
// member has looked.
func (c *Client) AcceptKeys(ctx context.Context, a messaging.AccountID) error {
	return c.do(ctx, func(d *device) error { return d.acceptKeys(a) })
}

// SetVerified records that the member compared safety numbers with an account.
func (c *Client) SetVerified(ctx context.Context, a messaging.AccountID, verified bool) error {
	return c.do(ctx, func(d *device) error { return d.setVerified(a, verified) })
}

// SetSettings changes the account's settings on all own devices.
func (c *Client) SetSettings(ctx context.Context, s content.Settings) error {
	return c.do(ctx, func(d *device) error { return d.setSettings(s) })
}

// Settings returns the account's settings.
func (c *Client) Settings(ctx context.Context) (s content.Settings, err error) {
	err = c.do(ctx, func(d *device) error {
		s = d.prefs.settings
		return nil
	})
	return s, err
}

// SetChatState changes how a chat stands in the list, on all own devices.
func (c *Client) SetChatState(ctx context.Context, s content.ChatState) error {
	return c.do(ctx, func(d *device) error { return d.setState(s) })
}

// Chats returns all chats, by id.
func (c *Client) Chats(ctx context.Context) (out []Chat, err error) {
	err = c.do(ctx, func(d *device) error {
		out = d.listChatsNow()
		return nil
	})
	return out, err
}

// Conversation returns up to limit messages of a chat before a position (0: the
// newest), newest first.
func (c *Client) Conversation(ctx context.Context, chat messaging.ChatID, before uint64, limit int) (out []Message, err error) {
	err = c.do(ctx, func(d *device) (err error) {
		out, err = d.conversation(chat, before, limit)
		return err
	})
	return out, err
}

// ChatHash is SHA-256 over what a chat says: equal on all devices of an account
// that have the same history.
func (c *Client) ChatHash(ctx context.Context, chat messaging.ChatID) (sum [sha256.Size]byte, err error) {
	err = c.do(ctx, func(d *device) (err error) {
		sum, err = d.chatHash(chat)
		return err
	})
	return sum, err
}

// StateHash is vault.StateHash of everything that this device keeps.
func (c *Client) StateHash(ctx context.Context) (sum [sha256.Size]byte, err error) {
	err = c.do(ctx, func(d *device) error {
		return d.view(func(r vault.Reader) (err error) {
			sum, err = vault.StateHash(r)
			return err
		})
	})
	return sum, err
}

// Counts returns what happened to envelopes since Open.
func (c *Client) Counts(ctx context.Context) (n Counts, err error) {
	err = c.do(ctx, func(d *device) error {
		n = d.counts
		return nil
	})
	return n, err
}
