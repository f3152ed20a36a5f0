package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// maxSkew is how far an entry's time may lie from the server's clock
// (docs/protocol.md section 2.6): wide enough for a phone that is never set,
// narrow enough that an entry cannot be kept for later.
const maxSkew = 10 * time.Minute

// Stale says that an entry does not extend the log's head, which it carries.
type Stale struct{ Head wire.LogHead }

func (Stale) Error() string { return "account: the device log has another head" }

// Changed says what an accepted entry did, so that the caller can tell the
// other devices and cut the sockets of those that are gone.
type Changed struct {
	Head    wire.LogHead
	Who     Who // the caller, who may have become a device
	Removed []messaging.DeviceID
	Added   messaging.DeviceID // 0: none
	Repeat  bool               // the log ended with this entry before
}

// AppendLog verifies an entry against the whole log and appends it, with the
// device rows, keys and sessions that follow from it, in one transaction.
func (s *Service) AppendLog(ctx context.Context, id tenant.ID, who Who, m *wire.AppendLog) (out Changed, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		out, err = s.appendLog(ctx, tx, who, m)
		return err
	})
	if err != nil {
		return Changed{}, fmt.Errorf("append to the device log: %w", err)
	}
	return out, nil
}

func (s *Service) appendLog(ctx context.Context, tx tenant.Tx, who Who, m *wire.AppendLog) (Changed, error) {
	if err := lockAccount(ctx, tx, who.Account); err != nil {
		return Changed{}, err
	}
	if err := refreshWho(ctx, tx, &who, s.now()); err != nil {
		return Changed{}, err
	}
	before, head, err := loadLog(ctx, tx, who.Account)
	if err != nil {
		return Changed{}, err
	}
	if before != nil && headOf(before).Hash == devicelog.Hash(m.Entry) {
		return Changed{Head: head, Who: who, Repeat: true}, nil
	}
	if m.Expected != head {
		return Changed{}, Stale{head}
	}
	entry, err := devicelog.Parse(m.Entry)
	if err != nil {
		return Changed{}, errors.Join(ErrEntry, err)
	}
	after, err := s.extend(tx.Tenant(), who, before, entry, m.Entry)
	if err != nil {
		return Changed{}, err
	}
	return s.store(ctx, tx, who, before, after, entry, m)
}

// refreshWho reads the session again under the account's lock: the same session
// may have become a device, or ended, since it was authenticated.
func refreshWho(ctx context.Context, tx tenant.Tx, who *Who, now time.Time) error {
	_, err := sessionOf(ctx, tx, who, now)
	if errors.Is(err, tenant.ErrNotFound) {
		return ErrSession
	}
	return err
}

// extend judges the entry. Who may bring which one: a founding entry and one
// signed by the recovery code come from a session that is no device yet, all
// others from a device.
func (s *Service) extend(id tenant.ID, who Who, before *devicelog.Log, entry devicelog.Entry, raw []byte) (*devicelog.Log, error) {
	if skew := s.now().Sub(time.UnixMilli(int64(entry.TimeMS))); skew > maxSkew || skew < -maxSkew {
		return nil, fmt.Errorf("%w: expected a time within %s of the server's, received one %s off", ErrEntry, maxSkew, skew.Round(time.Second))
	}
	if entry.Action == devicelog.ActionFound {
		if who.Device != 0 {
			return nil, ErrLinked
		}
		log, err := devicelog.Open(messaging.TenantID(id), who.Account, [][]byte{raw})
		return log, entryError(err)
	}
	if before == nil {
		return nil, fmt.Errorf("%w: expected a founding entry", ErrEntry)
	}
	if who.Device == 0 && entry.Signer != 0 {
		return nil, ErrNotLinked
	}
	log, err := before.Extend(raw)
	return log, entryError(err)
}

func entryError(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(ErrEntry, err)
}

// store writes the entry and brings devices, keys and sessions in line with it.
func (s *Service) store(ctx context.Context, tx tenant.Tx, who Who, before, after *devicelog.Log, entry devicelog.Entry, m *wire.AppendLog) (Changed, error) {
	out := Changed{Who: who, Head: headOf(after)}
	if entry.Action == devicelog.ActionFound {
		if err := deleteLog(ctx, tx, who.Account); err != nil {
			return out, err
		}
	}
	if err := insertEntry(ctx, tx, who.Account, out.Head, m.Entry); err != nil {
		return out, err
	}
	for _, gone := range missing(before, after, s.now()) {
		out.Removed = append(out.Removed, gone)
		if err := deleteDevice(ctx, tx, who.Account, gone); err != nil {
			return out, err
		}
	}
	if entry.Action != devicelog.ActionFound && entry.Action != devicelog.ActionAdd {
		return out, nil
	}
	out.Added = entry.Device
	return out, s.join(ctx, tx, &out, entry, m)
}

// join makes the added device reachable and binds its session: the sender's own
// for a founding entry or a recovery, otherwise the one that put the slot.
func (s *Service) join(ctx context.Context, tx tenant.Tx, out *Changed, entry devicelog.Entry, m *wire.AppendLog) error {
	if err := checkRegistration(entry, m.Registration); err != nil {
		return err
	}
	if err := insertDevice(ctx, tx, out.Who.Account, entry, m.Registration, s.today()); err != nil {
		return err
	}
	session := out.Who.session
	if m.Registration.Slot != [wire.SlotSize]byte{} {
		var err error
		if session, err = slotOwner(ctx, tx, out.Who.Account, m.Registration.Slot, s.now()); errors.Is(err, tenant.ErrNotFound) {
			return ErrUnknown
		} else if err != nil {
			return err
		}
	} else if out.Who.Device != 0 {
		return ErrLinked
	}
	bound, err := bindSession(ctx, tx, session, out.Who.Account, entry.Device, s.now().Add(deviceLife))
	if err != nil {
		return err
	}
	if bound == 0 {
		return ErrLinked
	}
	if session == out.Who.session {
		out.Who.Device = entry.Device
	}
	return nil
}

// missing returns the devices that before lists and after does not, or lists
// with other keys.
func missing(before, after *devicelog.Log, at time.Time) (gone []messaging.DeviceID) {
	if before == nil {
		return nil
	}
	for _, d := range before.Devices(time.Time{}) {
		if now, ok := after.Device(d.ID, time.Time{}); !ok || now.Identity != d.Identity {
			gone = append(gone, d.ID)
		}
	}
	return gone
}

// Log returns entries of an account's log from a sequence on, at most
// wire.MaxEntries. The caller has checked that it may ask.
func (s *Service) Log(ctx context.Context, tx tenant.Tx, account messaging.AccountID, from uint64) (*wire.Log, error) {
	entries, err := selectEntries(ctx, tx, account, from, wire.MaxEntries+1)
	if err != nil {
		return nil, fmt.Errorf("read the device log: %w", err)
	}
	out := &wire.Log{AccountID: account, First: from, Entries: entries}
	if len(entries) > wire.MaxEntries {
		out.Entries, out.More = entries[:wire.MaxEntries], true
	}
	return out, nil
}

// Head returns the newest entry of an account's log, or ErrUnknown before it is
// founded.
func (s *Service) Head(ctx context.Context, tx tenant.Tx, account messaging.AccountID) (wire.LogHead, error) {
	head, err := selectHead(ctx, tx, account)
	if errors.Is(err, tenant.ErrNotFound) {
		return head, ErrUnknown
	}
	return head, err
}

func loadLog(ctx context.Context, tx tenant.Tx, account messaging.AccountID) (*devicelog.Log, wire.LogHead, error) {
	entries, err := selectEntries(ctx, tx, account, 0, devicelog.MaxEntries)
	if err != nil || len(entries) == 0 {
		return nil, wire.LogHead{}, err
	}
	log, err := devicelog.Open(messaging.TenantID(tx.Tenant()), account, entries)
	if err != nil {
		return nil, wire.LogHead{}, errors.Join(errLogCorrupt, err)
	}
	return log, headOf(log), nil
}

func headOf(log *devicelog.Log) wire.LogHead {
	head := log.Head()
	return wire.LogHead{Sequence: head.Sequence, Hash: head.Hash}
}
