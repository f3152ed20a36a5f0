// Package mailbox keeps what waits for each device until the device has
// acknowledged it: PostgreSQL is the truth, and what was answered Accepted
// survives every crash. Sends of all connections and tenants are judged and
// stored in common transactions (group commit), each confined to the tenants
// that occur in it. The package reads no body, knows no socket and wakes
// nobody: it tells its caller whom a send reached. Rules: docs/protocol.md
// sections 13.5 and 13.6; docs/architecture.md, "Mailbox".
package mailbox

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// ErrClosed reports a mailbox that stopped.
var ErrClosed = errors.New("mailbox: stopped")

const (
	// maxEnvelopes bounds a transaction: beyond it the time a row costs no longer
	// falls, and the first send of the batch waits for the last.
	maxEnvelopes = 256
	// maxAcks bounds the deletions that ride in the same transaction.
	maxAcks = 1024
	// queued bounds the sends that wait for a writer; connections stop reading
	// when it is full.
	queued = 1024
	// arrivalPrecision is how exactly the server remembers when an envelope came.
	arrivalPrecision = time.Minute
)

// Config says how a Mailbox works; every zero value means the default.
type Config struct {
	// Writers is how many transactions store sends at a time; default 2. More
	// makes batches smaller.
	Writers int
	// Readers is how many transactions read mailboxes at a time; default 2.
	Readers int
	// MaxDepth bounds the envelopes of one device's mailbox, within a sixteenth;
	// default 131072.
	MaxDepth int
	// Retention is how long an envelope waits at most; default 30 days.
	Retention time.Duration
	// Timeout bounds a transaction, after which its sends fail and their
	// connections end; default 5 s.
	Timeout time.Duration
	// Now is the server's clock; default time.Now.
	Now func() time.Time
	// Report is told of each transaction, for metrics; nil: nobody.
	Report func(Report)
}

// Report is what one transaction did.
type Report struct {
	Sends, Envelopes, Acks int // stored and deleted
	Reads, Items           int // mailboxes read, and what they gave
	Took                   time.Duration
	Failed                 bool
}

func (c Config) withDefaults() Config {
	if c.Writers <= 0 {
		c.Writers = 2
	}
	if c.Readers <= 0 {
		c.Readers = 2
	}
	if c.MaxDepth <= 0 {
		c.MaxDepth = 1 << 17
	}
	if c.Retention <= 0 {
		c.Retention = 30 * 24 * time.Hour
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(Report) {}
	}
	return c
}

// Mailbox holds the mailboxes of all devices of all tenants.
type Mailbox struct {
	db      *tenant.RelayDB
	cfg     Config
	seed    maphash.Seed
	writers []*writer
	reads   chan *read
	depths  depths

	stop     chan struct{}
	stopOnce sync.Once
	done     sync.WaitGroup
}

// New starts the writers and readers. Close ends them.
func New(db *tenant.RelayDB, cfg Config) *Mailbox {
	cfg = cfg.withDefaults()
	m := &Mailbox{db: db, cfg: cfg, seed: maphash.MakeSeed(), reads: make(chan *read, queued), depths: newDepths(cfg.MaxDepth), stop: make(chan struct{})}
	for range cfg.Writers {
		w := newWriter(m)
		m.writers = append(m.writers, w)
		m.done.Go(w.run)
	}
	for range cfg.Readers {
		m.done.Go(func() { newReader(m).run() })
	}
	return m
}

// Close takes no more, finishes what has been taken, and returns when all is
// stored and answered. It may be called twice.
func (m *Mailbox) Close() {
	m.stopOnce.Do(func() { close(m.stop) })
	m.done.Wait()
}

// writer returns the one that stores everything a device sends: two would race
// for the order of its messages.
func (m *Mailbox) writer(key owner) *writer {
	return m.writers[maphash.Comparable(m.seed, key)%uint64(len(m.writers))]
}

// owner is a device of any tenant.
type owner struct {
	tenant tenant.ID
	messaging.Address
}

// expiry returns when an envelope of a send is dropped: what the sender asked
// for, no later than the retention, to the minute so that it tells no more than
// the arrival does.
func (m *Mailbox) expiry(now time.Time, send *wire.Send) time.Time {
	life := m.cfg.Retention
	if asked := time.Duration(send.ExpirySeconds) * time.Second; asked > 0 {
		life = min(life, asked)
	}
	return now.Add(life + arrivalPrecision - 1).Truncate(arrivalPrecision)
}

// Notify leaves a notice that must be shown in the mailbox of every device of
// an account but one (0: none left out), and returns their addresses.
func (m *Mailbox) Notify(ctx context.Context, id tenant.ID, account messaging.AccountID, except messaging.DeviceID, n wire.Notice) (told []messaging.Address, err error) {
	n.Position, n.MustShow = 1, true // the position of its delivery takes the place of this one
	now := m.cfg.Now()
	err = m.db.InSet(ctx, []tenant.ID{id}, func(tx tenant.SetTx) (err error) {
		told, err = insertNotice(ctx, tx, id, account, except, wire.AppendServer(nil, 0, &n), now.Truncate(arrivalPrecision), now.Add(m.cfg.Retention))
		return err
	})
	return told, err
}

// Devices returns the addresses of all devices of the given accounts.
func (m *Mailbox) Devices(ctx context.Context, id tenant.ID, accounts ...messaging.AccountID) (all []messaging.Address, err error) {
	err = m.db.InSet(ctx, []tenant.ID{id}, func(tx tenant.SetTx) (err error) {
		all, err = selectDevices(ctx, tx, id, accounts)
		return err
	})
	return all, err
}

// Ping reports whether the database answers.
func (m *Mailbox) Ping(ctx context.Context) error { return m.db.Ping(ctx) }
