package client

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// device is the whole state of one device, as a machine that is driven from
// outside: connected, frame, lost and tick go in; take hands out the frames that
// may leave. It is not for use by several goroutines.
type device struct {
	vault vault.Vault
	now   func() time.Time
	rand  io.Reader
	build string
	stock int // one-time prekeys of each kind to keep with the server

	dead   error // set once; nothing works any more
	self   self
	party  *session.Party
	intent *intent

	logs  map[messaging.AccountID]*logState
	peers map[messaging.AccountID]*peer
	chats map[messaging.ChatID]*chat

	queue    []*outgoing // by sequence
	sequence uint64      // of the next one
	bundles  map[messaging.Address]*key.Verified
	inbox    []*inbound
	due      receiptsDue
	heals    healClock
	counts   Counts
	prefs    prefs
	linking  *linkState // nil: none under way

	link   connection
	out    [][]byte
	events []Event
	ticked time.Time     // last housekeeping
	skew   time.Duration // of the server's clock against ours
}

// settings are what a device is made with.
type settings struct {
	vault vault.Vault
	now   func() time.Time
	rand  io.Reader
	build string
	stock int
}

func openDevice(s settings) (*device, error) {
	d := &device{
		vault: s.vault, now: s.now, rand: s.rand, build: s.build, stock: s.stock,
		logs:    make(map[messaging.AccountID]*logState),
		peers:   make(map[messaging.AccountID]*peer),
		chats:   make(map[messaging.ChatID]*chat),
		bundles: make(map[messaging.Address]*key.Verified),
	}
	return d, d.view(d.load)
}

// load reads what is kept in memory: all but messages, sessions and prekeys.
func (d *device) load(r vault.Reader) error {
	for _, part := range []func(vault.Reader) error{
		d.loadSelf, d.loadIntent, d.loadPeers, d.loadChats, d.loadLogs, d.loadQueue, d.loadDue, d.loadHeals,
	} {
		if err := part(r); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) setParty() {
	if d.self.identity == nil {
		return
	}
	d.party = &session.Party{
		Address:        d.self.address(),
		RegistrationID: d.self.registration,
		Identity:       d.self.identity,
	}
}

// ready reports whether this device is in its account's log.
func (d *device) ready() bool { return d.self.stage == stageReady }

// bound reports whether it is connected as that device.
func (d *device) bound() bool {
	return d.ready() && d.link.device == d.self.device && d.link.device != 0
}

// logTime is the time for entries of device logs and their expiry: the server's
// as far as it is known, since it takes an entry only near its own clock
// (docs/protocol.md section 2.6).
func (d *device) logTime() time.Time { return d.now().Add(d.skew) }

func (d *device) ms() uint64 { return uint64(d.now().UnixMilli()) }

// number draws 1..most, which must be below 2^24; the bias is below 2^-8 of a
// number nobody needs to be unable to guess.
func (d *device) number(most uint32) (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(d.rand, b[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b[:])%most + 1, nil
}

func (d *device) messageID() (id messaging.MessageID, err error) {
	_, err = io.ReadFull(d.rand, id[:])
	return id, err
}

// take hands out the frames to send, in order.
func (d *device) take() [][]byte {
	out := d.out
	d.out = nil
	return out
}

func (d *device) send(request uint64, m wire.ClientMessage) {
	d.out = append(d.out, wire.AppendClient(nil, request, m))
	d.link.spoke = d.now()
}

// progress does all that has become possible. Each part asks for what it lacks
// and goes on when it is called again, so that a lost answer, a crash or a new
// connection need no way of their own.
func (d *device) progress() error {
	for _, step := range []func() error{d.resumeLink, d.enlist, d.keepChats, d.drain, d.followLogs, d.replenish, d.pump} {
		if d.self.stage == stageRemoved {
			return nil
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends everything: the device is not in the log any more.
func (t *txn) stop() error {
	d := t.d
	d.self.stage = stageRemoved
	d.queue, d.inbox = nil, nil
	t.event(Event{Kind: EventRemoved})
	return t.putSelf()
}

// lookup reads a record into unpack; false when there is none.
func lookup(r vault.Reader, kind vault.Kind, key []byte) ([]byte, bool, error) {
	b, err := r.Get(kind, key)
	if errors.Is(err, vault.ErrNotFound) {
		return nil, false, nil
	}
	return b, err == nil, err
}
