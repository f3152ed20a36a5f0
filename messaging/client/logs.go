package client

import (
	"slices"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// logState is one account's device log as this device verified it.
type logState struct {
	account messaging.AccountID
	chat    messaging.ChatID // through which a peer's log is fetched
	log     *devicelog.Log   // nil: not known yet
	past    []listing        // every device that it ever listed

	// Of this connection and process.
	wanted    bool
	whole     bool // from entry 0: what came does not fit
	fetching  bool
	collected [][]byte
	refused   bool // the server does not give it out
	behind    bool // the server's ends before ours
	told      bool // and the screen knows
	reports   []report
}

// listing is one stay of a device in the log.
type listing struct {
	device   messaging.DeviceID
	identity key.IdentityPublic
	from, to uint64 // Unix ms; to 0: still there
}

// report is a head that came inside a message, ahead of or against our log.
type report struct {
	head devicelog.Head
	by   messaging.Address
}

func (s *logState) note(e *devicelog.Entry) {
	switch e.Action {
	case devicelog.ActionFound, devicelog.ActionAdd:
		s.past = append(s.past, listing{e.Device, e.Identity, e.TimeMS, e.ExpiryMS})
	case devicelog.ActionRemove:
		for i := range s.past {
			if p := &s.past[i]; p.device == e.Device && (p.to == 0 || p.to > e.TimeMS) {
				p.to = e.TimeMS
			}
		}
	}
}

// at returns the identity key of a device as the log listed it at a time, give
// or take listingSlack; of two stays under one number the newer counts.
func (s *logState) at(device messaging.DeviceID, when time.Time) (key.IdentityPublic, bool) {
	slack := uint64(listingSlack.Milliseconds())
	ms := uint64(when.UnixMilli())
	for _, p := range slices.Backward(s.past) {
		if p.device == device && ms+slack >= p.from && (p.to == 0 || ms <= p.to+slack) {
			return p.identity, true
		}
	}
	return key.IdentityPublic{}, false
}

func (d *device) logOf(a messaging.AccountID) *logState {
	s := d.logs[a]
	if s == nil {
		s = &logState{account: a}
		d.logs[a] = s
	}
	return s
}

func (d *device) loadLogs(r vault.Reader) error {
	raw := make(map[messaging.AccountID][][]byte)
	var order []messaging.AccountID
	for rec, err := range r.Scan(vault.KindLog, vault.Range{}) {
		if err != nil {
			return err
		}
		a := messaging.AccountID(rec.Key[:16])
		if raw[a] == nil {
			order = append(order, a)
		}
		raw[a] = append(raw[a], rec.Value)
	}
	for _, a := range order {
		if err := d.openLog(a, raw[a]); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) openLog(a messaging.AccountID, entries [][]byte) error {
	log, err := devicelog.Open(d.self.tenant, a, entries)
	if err != nil {
		return err
	}
	s := d.logOf(a)
	s.log, s.past = log, nil
	if p := d.peers[a]; p != nil {
		s.chat = p.chat
	}
	return s.noteAll(entries)
}

func (s *logState) noteAll(entries [][]byte) error {
	for _, raw := range entries {
		e, err := devicelog.Parse(raw)
		if err != nil {
			return err
		}
		s.note(&e)
	}
	return nil
}

// wantLog marks a log to be fetched.
func (d *device) wantLog(a messaging.AccountID) { d.logOf(a).wanted = true }

// serverHead takes a head that the server calls the newest one.
func (d *device) serverHead(a messaging.AccountID, h devicelog.Head) {
	s := d.logs[a]
	if s == nil || s.log == nil {
		return
	}
	switch s.log.Locate(h) {
	case devicelog.Equal:
		s.behind, s.told = false, false
	case devicelog.Ahead:
		s.behind, s.wanted = false, true
	case devicelog.Behind:
		d.fellBehind(s)
	default:
		s.wanted, s.whole = true, true
	}
}

// fellBehind stops sends until the server has its log back; the screen hears of
// it once.
func (d *device) fellBehind(s *logState) {
	s.behind = true
	if !s.told {
		s.told = true
		d.emit(Event{Kind: EventRollback, Account: s.account})
	}
}

// reported takes a head that came inside a message.
func (d *device) reported(a messaging.AccountID, h content.Head, by messaging.Address) {
	s := d.logs[a]
	if h.IsZero() || s == nil || s.log == nil || len(s.reports) >= maxReports {
		return
	}
	switch s.log.Locate(devicelog.Head(h)) {
	case devicelog.Ahead:
		s.wanted = true
	case devicelog.Fork:
		s.wanted, s.whole = true, true
	default:
		return
	}
	s.reports = append(s.reports, report{devicelog.Head(h), by})
}

// followLogs fetches what is wanted.
func (d *device) followLogs() error {
	if !d.link.open {
		return nil
	}
	for _, a := range d.accounts() {
		s := d.logs[a]
		if s.wanted && !s.fetching && !s.refused {
			d.fetchLog(s)
		}
	}
	return d.listChats()
}

// accounts lists all whose logs are followed, in a fixed order.
func (d *device) accounts() []messaging.AccountID {
	out := make([]messaging.AccountID, 0, len(d.logs))
	for a := range d.logs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b messaging.AccountID) int { return slices.Compare(a[:], b[:]) })
	return out
}

func (d *device) fetchLog(s *logState) {
	own := s.account == d.self.account || s.account == d.link.account
	if !own && s.chat == (messaging.ChatID{}) {
		return
	}
	s.fetching = true
	from := uint64(len(s.collected))
	if !s.whole && s.log != nil {
		from += s.log.Head().Sequence + 1
	}
	m := &wire.FetchLog{ChatID: s.chat, From: from}
	if own {
		m.ChatID = messaging.ChatID{}
	}
	d.ask(m, func(answer wire.ServerMessage) error { return d.gotLog(s, from, answer) })
}

func (d *device) gotLog(s *logState, from uint64, answer wire.ServerMessage) error {
	s.fetching = false
	switch m := answer.(type) {
	case *wire.Log:
		if m.AccountID != s.account || len(m.Entries) > 0 && m.First != from {
			return d.badLog(s)
		}
		s.collected = append(s.collected, m.Entries...)
		if len(s.collected) > devicelog.MaxEntries {
			return d.badLog(s)
		}
		if m.More && len(m.Entries) > 0 {
			return nil // still wanted: progress asks for the next page
		}
		return d.judge(s)
	case *wire.Refused:
		s.collected = nil
		if m.Code == wire.CodeNotFound {
			s.refused, s.wanted = true, false
		}
	}
	return nil
}

// badLog drops what came and does not verify.
func (d *device) badLog(s *logState) error {
	s.wanted, s.whole, s.collected, s.reports = false, false, nil, nil
	s.refused, s.behind = s.log == nil, true
	d.emit(Event{Kind: EventLogRefused, Account: s.account})
	return nil
}

// judge holds what the server gave against what is known (docs/protocol.md
// section 2).
func (d *device) judge(s *logState) error {
	entries := s.collected
	s.collected = nil
	if s.log != nil && !s.whole {
		longer, err := s.log.Extend(entries...)
		if err != nil {
			s.whole = true // it may be a fork, or founded anew: look at all of it
			return nil
		}
		s.wanted = false
		return d.adopt(s, entries, longer)
	}
	log, err := devicelog.Open(d.tenant(), s.account, entries)
	if err != nil {
		return d.badLog(s)
	}
	s.wanted, s.whole = false, false
	if s.log == nil {
		return d.adopt(s, entries, log)
	}
	return d.compare(s, entries, log)
}

func (d *device) tenant() messaging.TenantID {
	if d.self.stage == stageNew {
		return d.link.tenant
	}
	return d.self.tenant
}

// compare is judge for a whole log of an account that is known.
func (d *device) compare(s *logState, entries [][]byte, log *devicelog.Log) error {
	switch log.Compare(s.log.Known()) {
	case devicelog.Same, devicelog.Extends:
		return d.adopt(s, entries[s.log.Head().Sequence+1:], log)
	case devicelog.Rollback:
		d.fellBehind(s)
		return d.settle(s)
	case devicelog.Refounded:
		return d.refound(s, entries, log)
	}
	s.reports = nil
	s.behind = true // what we would send fits no log of the server
	return d.update(func(t *txn) error { return t.forked(s.account, messaging.Address{}) })
}

// adopt commits further entries of a log.
func (d *device) adopt(s *logState, entries [][]byte, log *devicelog.Log) error {
	s.behind = false
	if len(entries) > 0 {
		if err := d.update(func(t *txn) error { return t.extend(s, entries, log) }); err != nil {
			return err
		}
	}
	return d.settle(s)
}

func (t *txn) extend(s *logState, entries [][]byte, log *devicelog.Log) error {
	first := log.Head().Sequence + 1 - uint64(len(entries))
	for i, raw := range entries {
		if err := t.Put(vault.KindLog, logKey(s.account, first+uint64(i)), raw); err != nil {
			return err
		}
	}
	if err := s.noteAll(entries); err != nil {
		return err
	}
	s.log = log
	t.event(Event{Kind: EventDevices, Account: s.account})
	if s.account == t.d.self.account {
		return t.ownGrew(log)
	}
	return nil
}

// extendOwn adds an entry of this device's making to the own log.
func (t *txn) extendOwn(entry []byte) (err error) {
	d := t.d
	s := d.logOf(d.self.account)
	var log *devicelog.Log
	if s.log == nil {
		log, err = devicelog.Open(d.self.tenant, d.self.account, [][]byte{entry})
	} else {
		log, err = s.log.Extend(entry)
	}
	if err != nil {
		return err
	}
	return t.extend(s, [][]byte{entry}, log)
}

// ownGrew finds this device in its log: added, or removed.
func (t *txn) ownGrew(log *devicelog.Log) error {
	d := t.d
	for _, listed := range log.Devices(d.logTime()) {
		if d.self.identity == nil || !listed.Identity.Equal(d.self.identity.Public()) {
			continue
		}
		if d.self.stage != stageJoining {
			return nil
		}
		d.self.stage, d.self.device = stageReady, listed.ID
		d.link.device = listed.ID // the session that brought it in is that device
		d.setParty()
		t.event(Event{Kind: EventReady})
		return t.putSelf()
	}
	if d.self.stage == stageReady {
		return t.stop()
	}
	return nil
}

// settle compares the heads that messages reported with the log that stands.
func (d *device) settle(s *logState) error {
	reports := s.reports
	s.reports = nil
	for _, r := range reports {
		switch s.log.Locate(r.head) {
		case devicelog.Ahead:
			d.emit(Event{Kind: EventRollback, Account: s.account, Device: r.by.Device})
		case devicelog.Fork:
			if err := d.update(func(t *txn) error { return t.forked(s.account, r.by) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// refound replaces the log of an account that was founded anew. What comes from
// the new devices is read; nothing is sent before the member accepts.
func (d *device) refound(s *logState, entries [][]byte, log *devicelog.Log) error {
	s.reports = nil
	if s.account == d.self.account {
		return d.update(func(t *txn) error { return t.stop() })
	}
	return d.update(func(t *txn) error {
		old := s.log.Head().Sequence
		for n := uint64(len(entries)); n <= old; n++ {
			if err := t.Delete(vault.KindLog, logKey(s.account, n)); err != nil {
				return err
			}
		}
		s.past = nil
		if err := t.extend(s, entries, log); err != nil {
			return err
		}
		return t.keysNew(s.account)
	})
}

// head returns the newest entry of a log that is known.
func (s *logState) head() content.Head { return content.Head(s.log.Head()) }
