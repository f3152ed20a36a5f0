package client

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/internal/field"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// simServer keeps the contract of package wire honestly, in memory: logs only
// grow, coverage is exact, sends are idempotent, one-time keys are handed out
// once, mailboxes keep their order until acknowledged.
type simServer struct {
	now      func() time.Time
	tenant   messaging.TenantID
	accounts map[messaging.AccountID]*simAccount
	chats    []simChat
	sessions []*simSession

	// What the invariants are held against.
	accepted []acceptedSend
	ratchets map[string][32]byte // every ratchet key and counter that was ever sent
	faults   []string
	sends    int
	partials int
	emptied  int // bundles without a one-time key

	slots        map[[32]byte]*simSlot
	skipCoverage bool // deliberate break
}

type simAccount struct {
	id      messaging.AccountID
	log     *devicelog.Log
	entries [][]byte
	devices map[messaging.DeviceID]*simDevice
}

type simDevice struct {
	address      messaging.Address
	registration wire.Registration
	identity     []byte
	curve        []wire.ECPreKey
	kem          []wire.KEMPreKey
	position     uint64
	mailbox      []wire.Delivered
	took         map[messaging.MessageID]bool
	uploaded     map[string]bool
}

type simChat struct {
	id   messaging.ChatID
	a, b messaging.AccountID
}

// acceptedSend is one send that the server took, and for whom.
type acceptedSend struct {
	id      messaging.MessageID
	chat    messaging.ChatID
	sender  messaging.Address
	partial bool
	to      []messaging.Address
}

// simSession is a login; its connection comes and goes.
type simSession struct {
	account  messaging.AccountID
	device   messaging.DeviceID
	slot     [32]byte
	online   bool
	sent     uint64 // position up to which the mailbox went out on this connection
	pipe     *pipe  // of its connection, where there are goroutines
	most     uint64 // highest position that this login was ever given
	toClient [][]byte
}

func newSimServer(now func() time.Time, tenant messaging.TenantID) *simServer {
	return &simServer{now: now, tenant: tenant, accounts: make(map[messaging.AccountID]*simAccount), ratchets: make(map[string][32]byte)}
}

func (s *simServer) account(a messaging.AccountID) *simAccount {
	if s.accounts[a] == nil {
		s.accounts[a] = &simAccount{id: a, devices: make(map[messaging.DeviceID]*simDevice)}
	}
	return s.accounts[a]
}

func (s *simServer) peerIn(chat messaging.ChatID, of messaging.AccountID) (messaging.AccountID, bool) {
	for _, c := range s.chats {
		if c.id == chat && c.a == of {
			return c.b, true
		}
		if c.id == chat && c.b == of {
			return c.a, true
		}
	}
	return messaging.AccountID{}, false
}

func (s *simServer) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (x *simSession) answer(request uint64, m wire.ServerMessage) {
	x.toClient = append(x.toClient, wire.AppendServer(nil, request, m))
}

func (x *simSession) refuse(request uint64, code wire.Code) {
	x.answer(request, &wire.Refused{Code: code})
}

func (a *simAccount) head() wire.LogHead {
	if a.log == nil {
		return wire.LogHead{}
	}
	return wire.LogHead(a.log.Head())
}

func (d *simDevice) counts() wire.KeyCounts {
	return wire.KeyCounts{
		OneTimeEC: uint32(len(d.curve)), OneTimeKEM: uint32(len(d.kem)),
		SignedPrekeyID: d.registration.SignedPrekey.ID, LastResortID: d.registration.LastResort.ID,
	}
}

func (s *simServer) device(x *simSession) *simDevice {
	return s.account(x.account).devices[x.device]
}

// handle takes one frame of a client.
func (s *simServer) handle(x *simSession, frame []byte) {
	request, m, err := wire.ParseClient(frame)
	if err != nil {
		s.fault("client sent a malformed frame: %v (%v): %x", err, errors.Unwrap(err), frame[:min(80, len(frame))])
		return
	}
	switch m := m.(type) {
	case *wire.Hello:
		s.hello(x)
	case *wire.Send:
		s.send(x, m)
	case *wire.Ack:
		s.ack(x, m)
	case *wire.FetchLog:
		s.fetchLog(x, request, m)
	case *wire.FetchBundles:
		s.fetchBundles(x, request, m)
	case *wire.AppendLog:
		s.appendLog(x, request, m)
	case *wire.UploadKeys:
		s.uploadKeys(x, request, m)
	case *wire.ListChats:
		s.listChats(x, request)
	case *wire.OpenChat:
		s.openChat(x, request, m)
	case *wire.Ping:
		x.answer(request, &wire.Pong{ServerTimeMS: 1})
	case *wire.PutSlot:
		s.putSlot(x, request, m)
	case *wire.GetSlot:
		s.getSlot(x, request, m)
	default:
		x.refuse(request, wire.CodeUnsupported)
	}
}

func (s *simServer) hello(x *simSession) {
	a := s.account(x.account)
	w := &wire.Welcome{
		Version: 1, ServerTimeMS: uint64(s.now().UnixMilli()), TenantID: s.tenant, AccountID: x.account, Device: x.device,
		Limits:  wire.Limits{MaxFrame: wire.MaxFrame, MaxBody: wire.MaxBody, Window: 100, InFlight: 8, PingIntervalMS: 1000},
		OwnHead: a.head(),
	}
	if d := s.device(x); d != nil {
		w.Keys = d.counts()
	} else {
		w.Device = 0
	}
	x.sent = 0
	x.answer(0, w)
}

func (s *simServer) listChats(x *simSession, request uint64) {
	m := &wire.Chats{}
	for _, c := range s.chats {
		peer, ok := s.peerIn(c.id, x.account)
		if !ok {
			continue
		}
		m.Chats = append(m.Chats, wire.Chat{
			ChatID: c.id, PeerAccount: peer, State: wire.StateOpen, OpenedByMe: c.a == x.account, MayWrite: true,
			OpenedMS: 1, PeerHead: s.account(peer).head(),
		})
	}
	x.answer(request, m)
}

// openChat takes the peer's account id as the token.
func (s *simServer) openChat(x *simSession, request uint64, m *wire.OpenChat) {
	peer := messaging.AccountID(m.Token)
	a := s.accounts[peer]
	if a == nil || a.log == nil {
		x.refuse(request, wire.CodeNotFound)
		return
	}
	out := &wire.Opened{AccountID: peer, FoundingEntry: a.entries[0], State: wire.StateOpen}
	for _, c := range s.chats {
		if other, ok := s.peerIn(c.id, x.account); ok && other == peer {
			out.ChatID = c.id
		}
	}
	if out.ChatID == (messaging.ChatID{}) {
		sum := sha256.Sum256(append(append([]byte("chat"), x.account[:]...), peer[:]...))
		out.ChatID, out.Created = messaging.ChatID(sum[:]), true
		s.chats = append(s.chats, simChat{out.ChatID, x.account, peer})
		for _, y := range s.sessions {
			if y.online && (y.account == peer || y.account == x.account && y != x) {
				y.answer(0, &wire.Notice{Kind: wire.NoticeChatChanged, TimeMS: 1, ChatID: out.ChatID, ChatState: wire.StateOpen})
			}
		}
	}
	x.answer(request, out)
}

func (s *simServer) fetchLog(x *simSession, request uint64, m *wire.FetchLog) {
	whose := x.account
	if m.ChatID != (messaging.ChatID{}) {
		peer, ok := s.peerIn(m.ChatID, x.account)
		if !ok {
			x.refuse(request, wire.CodeNotFound)
			return
		}
		whose = peer
	}
	a := s.account(whose)
	const page = 3
	out := &wire.Log{AccountID: whose}
	if m.From < uint64(len(a.entries)) {
		end := min(int(m.From)+page, len(a.entries))
		out.First, out.Entries, out.More = m.From, a.entries[m.From:end], end < len(a.entries)
	}
	x.answer(request, out)
}

func (s *simServer) fetchBundles(x *simSession, request uint64, m *wire.FetchBundles) {
	whose := x.account
	if m.ChatID != (messaging.ChatID{}) {
		peer, ok := s.peerIn(m.ChatID, x.account)
		if !ok {
			x.refuse(request, wire.CodeNotFound)
			return
		}
		whose = peer
	}
	out := &wire.Bundles{AccountID: whose}
	for _, id := range m.Devices {
		if d := s.account(whose).devices[id]; d != nil {
			out.Bundles = append(out.Bundles, s.bundle(d))
		}
	}
	x.answer(request, out)
}

// bundle hands each one-time key out once.
func (s *simServer) bundle(d *simDevice) wire.Bundle {
	b := wire.Bundle{
		RegistrationID: d.registration.RegistrationID, Device: d.address.Device, IdentityKey: d.identity,
		SignedPrekey: d.registration.SignedPrekey, KEMPrekey: d.registration.LastResort,
	}
	if len(d.curve) > 0 {
		b.OneTimeEC, d.curve = d.curve[0], d.curve[1:]
	}
	if len(d.kem) > 0 {
		b.KEMPrekey, d.kem = d.kem[0], d.kem[1:]
	} else {
		s.emptied++
	}
	return b
}

func (s *simServer) uploadKeys(x *simSession, request uint64, m *wire.UploadKeys) {
	d := s.device(x)
	if d == nil {
		x.refuse(request, wire.CodeNotLinked)
		return
	}
	if m.SignedPrekey.ID != 0 {
		d.registration.SignedPrekey = m.SignedPrekey
	}
	if m.LastResort.ID != 0 {
		d.registration.LastResort = m.LastResort
	}
	for _, k := range m.OneTimeEC {
		if d.fresh("ec", k.ID) {
			d.curve = append(d.curve, k)
		}
	}
	for _, k := range m.OneTimeKEM {
		if d.fresh("kem", k.ID) {
			d.kem = append(d.kem, k)
		}
	}
	counts := d.counts()
	x.answer(request, &counts)
}

// fresh reports whether a key was never uploaded before: one that was handed out
// does not come back when an upload is repeated.
func (d *simDevice) fresh(kind string, id uint32) bool {
	at := fmt.Sprint(kind, id)
	old := d.uploaded[at]
	d.uploaded[at] = true
	return !old
}

func (s *simServer) appendLog(x *simSession, request uint64, m *wire.AppendLog) {
	a := s.account(x.account)
	if n := len(a.entries); n > 0 && bytes.Equal(a.entries[n-1], m.Entry) {
		x.answer(request, &wire.Done{})
		return
	}
	if m.Expected != a.head() {
		x.answer(request, &wire.Refused{Code: wire.CodeStale, Detail: wire.DetailHead, OwnHead: a.head()})
		return
	}
	log, err := s.extended(a, m.Entry)
	if err != nil {
		s.fault("client appended an entry that does not verify: %v", err)
		x.refuse(request, wire.CodeInvalid)
		return
	}
	e, _ := devicelog.Parse(m.Entry)
	if s.now().Sub(time.UnixMilli(int64(e.TimeMS))).Abs() > 2*time.Minute {
		x.refuse(request, wire.CodeInvalid)
		return
	}
	a.log, a.entries = log, append(a.entries, m.Entry)
	s.join(x, a, &e, m)
	x.answer(request, &wire.Done{})
	s.tellLog(a)
}

func (s *simServer) extended(a *simAccount, entry []byte) (*devicelog.Log, error) {
	if a.log == nil {
		return devicelog.Open(s.tenant, a.id, [][]byte{entry})
	}
	return a.log.Extend(entry)
}

// join makes an added device reachable, and ends a removed one.
func (s *simServer) join(x *simSession, a *simAccount, e *devicelog.Entry, m *wire.AppendLog) {
	switch e.Action {
	case devicelog.ActionFound, devicelog.ActionAdd:
		a.devices[e.Device] = &simDevice{
			address: messaging.Address{Account: a.id, Device: e.Device}, registration: m.Registration,
			identity: e.Identity.Bytes(), took: make(map[messaging.MessageID]bool), uploaded: make(map[string]bool),
		}
		for _, y := range s.sessions {
			if m.Registration.Slot == ([32]byte{}) && y == x || m.Registration.Slot != ([32]byte{}) && y.slot == m.Registration.Slot {
				y.device, y.sent = e.Device, 0
			}
		}
	case devicelog.ActionRemove:
		delete(a.devices, e.Device)
		for _, y := range s.sessions {
			if y.account == a.id && y.device == e.Device {
				y.device = 0
			}
		}
	}
}

// tellLog sends a hint to everyone concerned who is online.
func (s *simServer) tellLog(a *simAccount) {
	for _, y := range s.sessions {
		if !y.online {
			continue
		}
		concerned := y.account == a.id
		for _, c := range s.chats {
			concerned = concerned || c.a == a.id && c.b == y.account || c.b == a.id && c.a == y.account
		}
		if concerned {
			y.answer(0, &wire.Notice{Kind: wire.NoticeLogGrew, TimeMS: 1, AccountID: a.id, Head: a.head()})
		}
	}
}

func (s *simServer) ack(x *simSession, m *wire.Ack) {
	d := s.device(x)
	if d == nil {
		return
	}
	for _, p := range m.Positions {
		if p > x.most {
			s.fault("%v acknowledges position %d, which it was not given", d.address, p)
		}
	}
	d.mailbox = slices.DeleteFunc(d.mailbox, func(e wire.Delivered) bool {
		return slices.Contains(m.Positions, e.Position)
	})
}

// waiting is the part of the mailbox that has not gone out on this connection.
func (s *simServer) waiting(x *simSession) []wire.Delivered {
	d := s.device(x)
	if d == nil || !x.online {
		return nil
	}
	at := slices.IndexFunc(d.mailbox, func(e wire.Delivered) bool { return e.Position > x.sent })
	if at < 0 {
		return nil
	}
	return d.mailbox[at:]
}

func (s *simServer) send(x *simSession, m *wire.Send) {
	d := s.device(x)
	if d == nil {
		x.answer(0, &wire.Refused{MessageID: m.MessageID, Code: wire.CodeNotLinked})
		return
	}
	s.watchRatchets(d.address, m)
	if d.took[m.MessageID] {
		x.answer(0, &wire.Accepted{MessageIDs: []messaging.MessageID{m.MessageID}})
		return
	}
	peer, inChat := s.peerIn(m.ChatID, x.account)
	if m.ChatID != (messaging.ChatID{}) && !inChat {
		x.answer(0, &wire.Refused{MessageID: m.MessageID, Code: wire.CodeNotOpen})
		return
	}
	own := s.account(x.account)
	stale := &wire.Refused{MessageID: m.MessageID, Code: wire.CodeStale, OwnHead: own.head()}
	if inChat {
		stale.PeerHead = s.account(peer).head()
	}
	if !s.skipCoverage && !s.covers(d.address, peer, inChat, m) {
		x.answer(0, stale)
		return
	}
	d.took[m.MessageID] = true
	s.put(d.address, peer, m)
	x.answer(0, &wire.Accepted{MessageIDs: []messaging.MessageID{m.MessageID}})
}

// covers holds a set against the current logs, exactly.
func (s *simServer) covers(sender messaging.Address, peer messaging.AccountID, inChat bool, m *wire.Send) bool {
	own := s.account(sender.Account)
	if m.OwnHead != own.head() || inChat && m.PeerHead != s.account(peer).head() {
		return false
	}
	type place struct {
		side   wire.Side
		device messaging.DeviceID
	}
	want := make(map[place]uint16)
	for _, l := range own.log.Devices(s.now()) {
		if l.ID != sender.Device {
			want[place{wire.SideOwn, l.ID}] = uint16(l.RegistrationID)
		}
	}
	if inChat {
		for _, l := range s.account(peer).log.Devices(s.now()) {
			want[place{wire.SidePeer, l.ID}] = uint16(l.RegistrationID)
		}
	}
	for _, e := range m.Envelopes {
		if want[place{e.Side, e.Device}] != e.RegistrationID || e.RegistrationID == 0 {
			return false
		}
	}
	return m.Partial || len(m.Envelopes) == len(want)
}

func (s *simServer) put(sender messaging.Address, peer messaging.AccountID, m *wire.Send) {
	took := acceptedSend{id: m.MessageID, chat: m.ChatID, sender: sender, partial: m.Partial}
	s.sends++
	if m.Partial {
		s.partials++
	} else {
		took.to = s.listed(sender, peer, m.ChatID)
	}
	for _, e := range m.Envelopes {
		to := messaging.Address{Account: peer, Device: e.Device}
		chat := m.ChatID
		if e.Side == wire.SideOwn {
			to.Account, chat = sender.Account, messaging.ChatID{}
		}
		d := s.account(to.Account).devices[to.Device]
		if d == nil {
			continue
		}
		out := wire.Delivered{
			SenderAccount: sender.Account, SenderDevice: sender.Device, ChatID: chat, MessageID: m.MessageID,
			ServerTime: uint64(s.now().Unix()), Type: e.Type, Body: bytes.Clone(e.Body),
		}
		if m.Urgency == wire.UrgencyEphemeral {
			s.ephemeral(to, out)
			continue
		}
		d.position++
		out.Position = d.position
		d.mailbox = append(d.mailbox, out)
	}
	s.accepted = append(s.accepted, took)
}

// listed is who must get a send: all that are in the logs at this moment, whatever
// the sender made envelopes for.
func (s *simServer) listed(sender messaging.Address, peer messaging.AccountID, chat messaging.ChatID) (out []messaging.Address) {
	for _, l := range s.account(sender.Account).log.Devices(s.now()) {
		if l.ID != sender.Device {
			out = append(out, messaging.Address{Account: sender.Account, Device: l.ID})
		}
	}
	if chat != (messaging.ChatID{}) {
		for _, l := range s.account(peer).log.Devices(s.now()) {
			out = append(out, messaging.Address{Account: peer, Device: l.ID})
		}
	}
	return out
}

func (s *simServer) ephemeral(to messaging.Address, out wire.Delivered) {
	for _, x := range s.sessions {
		if x.online && x.account == to.Account && x.device == to.Device {
			x.answer(0, &wire.Deliver{Envelopes: []wire.Delivered{out}})
		}
	}
}

// push puts the next envelopes of the mailbox on the wire.
func (s *simServer) push(x *simSession, most int) bool {
	waiting := s.waiting(x)
	if len(waiting) == 0 {
		return false
	}
	batch := slices.Clone(waiting[:min(most, len(waiting))])
	x.sent = batch[len(batch)-1].Position
	x.most = max(x.most, x.sent)
	x.answer(0, &wire.Deliver{Envelopes: batch})
	return true
}

// watchRatchets records each message key that is used: ratchet key and counter
// may occur once, but for a repeat of the same bytes.
func (s *simServer) watchRatchets(from messaging.Address, m *wire.Send) {
	for _, e := range m.Envelopes {
		if e.Type == wire.TypePlaintext {
			continue
		}
		ratchet, counter, ok := ratchetOf(e.Type, e.Body)
		if !ok {
			s.fault("envelope of %v does not parse", from)
			continue
		}
		at := string(ratchet) + string(be32(counter))
		sum := sha256.Sum256(signalPart(e.Type, e.Body))
		if old, used := s.ratchets[at]; used && old != sum {
			s.fault("ratchet index %d used twice by %v", counter, from)
		}
		s.ratchets[at] = sum
	}
}

// signalPart returns the SignalMessage within an envelope.
func signalPart(t wire.EnvelopeType, body []byte) []byte {
	if t == wire.TypeSignal {
		return body
	}
	var inner []byte
	walk(body[1:], func(n protowire.Number, f field.Field) {
		if n == 4 {
			f.Bytes(&inner)
		}
	})
	return inner
}

func ratchetOf(t wire.EnvelopeType, body []byte) (key []byte, counter uint32, ok bool) {
	b := signalPart(t, body)
	if len(b) < 10 {
		return nil, 0, false
	}
	walk(b[1:len(b)-8], func(n protowire.Number, f field.Field) {
		switch n {
		case 1:
			f.Bytes(&key)
		case 2:
			f.Uint32(&counter)
		}
	})
	return key, counter, len(key) == 33
}

func walk(b []byte, visit func(protowire.Number, field.Field)) {
	for len(b) > 0 {
		f, rest, ok := field.Next(b)
		if !ok {
			return
		}
		visit(f.Number, f)
		b = rest
	}
}

// slot is what two devices leave for each other while they link.
type simSlot struct {
	payload []byte
	by      *simSession
	waiting []func(payload []byte)
}

func (s *simServer) slot(at [32]byte) *simSlot {
	if s.slots == nil {
		s.slots = make(map[[32]byte]*simSlot)
	}
	if s.slots[at] == nil {
		s.slots[at] = &simSlot{}
	}
	return s.slots[at]
}

func (s *simServer) putSlot(x *simSession, request uint64, m *wire.PutSlot) {
	slot := s.slot(m.Slot)
	if slot.payload != nil && !bytes.Equal(slot.payload, m.Payload) {
		x.refuse(request, wire.CodeConflict)
		return
	}
	slot.payload, slot.by = m.Payload, x
	x.slot = m.Slot // the session that put it becomes the device
	x.answer(request, &wire.Done{})
	for _, tell := range slot.waiting {
		tell(m.Payload)
	}
	slot.waiting = nil
}

func (s *simServer) getSlot(x *simSession, request uint64, m *wire.GetSlot) {
	slot := s.slot(m.Slot)
	tell := func(payload []byte) { x.answer(request, &wire.Slot{Slot: m.Slot, Payload: payload}) }
	if slot.payload != nil {
		tell(slot.payload)
		return
	}
	slot.waiting = append(slot.waiting, tell)
}

// backup copies accounts and mailboxes, and restore puts them back.
func (s *simServer) backup() map[messaging.AccountID]simAccount {
	out := make(map[messaging.AccountID]simAccount)
	for id, a := range s.accounts {
		c := *a
		c.entries, c.devices = slices.Clone(a.entries), make(map[messaging.DeviceID]*simDevice)
		for n, d := range a.devices {
			e := *d
			e.curve, e.kem, e.mailbox = slices.Clone(d.curve), slices.Clone(d.kem), slices.Clone(d.mailbox)
			e.took, e.uploaded = maps.Clone(d.took), maps.Clone(d.uploaded)
			c.devices[n] = &e
		}
		out[id] = c
	}
	return out
}

func (s *simServer) restore(b map[messaging.AccountID]simAccount) {
	for id, a := range b {
		*s.accounts[id] = a
	}
}
