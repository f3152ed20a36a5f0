package chat_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

type bench struct {
	*testing.T
	db       *tenant.DB
	tenant   tenant.ID
	accounts *account.Service
	invites  *invite.Service
	chats    *chat.Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t)}
	b.accounts = account.New(b.db, secret.New(ring), time.Now)
	b.invites = invite.New(secret.New(ring), time.Now)
	b.chats = chat.New(b.invites, b.accounts, nil, time.Now)
	return b
}

// member signs in and founds an account.
func (b *bench) member(subject string) messaging.AccountID {
	b.Helper()
	_, who, err := b.accounts.SignIn(b.Context(), b.tenant, subject)
	if err != nil {
		b.Fatal(err)
	}
	identity := must(key.Generate[key.RoleIdentity](rand.Reader))
	logKey := must(key.GenerateLog(rand.Reader))
	_, signed, err := key.NewSignedPreKey(rand.Reader, 1, identity)
	if err != nil {
		b.Fatal(err)
	}
	_, last, err := key.KEMs{}.NewPreKey(rand.Reader, 1, identity)
	if err != nil {
		b.Fatal(err)
	}
	entry := must(devicelog.Found(messaging.TenantID(b.tenant), who.Account,
		devicelog.Newcomer{RegistrationID: 5, Identity: identity.Public(), LogKey: logKey.Public()}, logKey, time.Now(), time.Time{}))
	if _, err := b.accounts.AppendLog(b.Context(), b.tenant, who, &wire.AppendLog{Entry: entry, Registration: wire.Registration{RegistrationID: 5,
		SignedPrekey: wire.SignedPreKey{ID: 1, PublicKey: signed.Public.Bytes(), Signature: signed.Signature[:]},
		LastResort:   wire.KEMPreKey{ID: 1, PublicKey: last.Public.Bytes(), Signature: last.Signature[:], LastResort: true}}}); err != nil {
		b.Fatal(err)
	}
	return who.Account
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (b *bench) in(fn func(tenant.Tx) error) error {
	return b.db.In(b.Context(), b.tenant, fn)
}

func (b *bench) token(owner messaging.AccountID, m *wire.CreateInvite) (token []byte) {
	b.Helper()
	if err := b.in(func(tx tenant.Tx) error {
		i, err := b.invites.Permanent(b.Context(), tx, owner)
		if m != nil {
			i, err = b.invites.Create(b.Context(), tx, owner, m)
		}
		token = i.Token[:]
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return token
}

func (b *bench) open(opener messaging.AccountID, m wire.OpenChat) (out *wire.Opened, err error) {
	err = b.in(func(tx tenant.Tx) (err error) {
		out, err = b.chats.Open(b.Context(), tx, opener, &m)
		return err
	})
	return out, err
}

func (b *bench) set(asker messaging.AccountID, id messaging.ChatID, action wire.ChatAction) (change chat.Change, err error) {
	err = b.in(func(tx tenant.Tx) (err error) {
		change, err = b.chats.Set(b.Context(), tx, asker, &wire.SetChat{ChatID: id, Action: action})
		return err
	})
	return change, err
}

func (b *bench) mayWrite(asker messaging.AccountID, id messaging.ChatID) error {
	return b.in(func(tx tenant.Tx) error {
		_, err := b.chats.MayWrite(b.Context(), tx, asker, id)
		return err
	})
}

func TestLookThenOpen(t *testing.T) {
	b := newBench(t)
	owner, guest := b.member("owner"), b.member("guest")
	token := b.token(owner, nil)
	look, err := b.open(guest, wire.OpenChat{Token: token, Purpose: wire.PurposeLook})
	if err != nil || look.AccountID != owner || look.ChatID != (messaging.ChatID{}) || len(look.FoundingEntry) == 0 {
		t.Fatalf("looked: %+v, %v", look, err)
	}
	if _, err := devicelog.Open(messaging.TenantID(b.tenant), owner, [][]byte{look.FoundingEntry}); err != nil {
		t.Errorf("the founding entry: %v", err)
	}
	opened, err := b.open(guest, wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{1}})
	if err != nil || !opened.Created || opened.State != wire.StateOpen || opened.AccountID != owner {
		t.Fatalf("opened: %+v, %v", opened, err)
	}
	again, err := b.open(guest, wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{2}})
	if err != nil || again.Created || again.ChatID != opened.ChatID {
		t.Errorf("opened again: %+v, %v", again, err)
	}
	for _, side := range []messaging.AccountID{owner, guest} {
		if err := b.mayWrite(side, opened.ChatID); err != nil {
			t.Errorf("writing: %v", err)
		}
	}
	// The other direction finds the same chat.
	back, err := b.open(owner, wire.OpenChat{Token: b.token(guest, nil), Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{1}})
	if err != nil || back.ChatID != opened.ChatID || back.Created {
		t.Errorf("opened back: %+v, %v", back, err)
	}
}

// INV-18: the reply to an opening is lost, its one-time invite is used up; the
// same request finds the chat, another member's does not.
func TestOpeningAgainAfterALostReply(t *testing.T) {
	b := newBench(t)
	owner, guest, other := b.member("owner"), b.member("guest"), b.member("other")
	token := b.token(owner, &wire.CreateInvite{IdempotencyKey: [16]byte{1}, MaxUses: 1})
	m := wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{7}}
	first, err := b.open(guest, m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.open(guest, m)
	if err != nil || again.ChatID != first.ChatID || !again.Created {
		t.Errorf("the same request: %+v, %v", again, err)
	}
	if _, err := b.open(other, m); !errors.Is(err, invite.ErrUnknown) {
		t.Errorf("another member: %v", err)
	}
	m.Token = b.token(other, nil)
	if _, err := b.open(guest, m); !errors.Is(err, chat.ErrConflict) {
		t.Errorf("the same key for another invite: %v", err)
	}
}

// INV-02 at the level of chats: many members follow a one-time invite at once.
func TestOneTimeInviteOpensOneChat(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	token := b.token(owner, &wire.CreateInvite{IdempotencyKey: [16]byte{1}, MaxUses: 1})
	guests := make([]messaging.AccountID, 12)
	for i := range guests {
		guests[i] = b.member(strings.Repeat("g", i+1))
	}
	var mu sync.Mutex
	created := 0
	var wg sync.WaitGroup
	for _, guest := range guests {
		wg.Go(func() {
			out, err := b.open(guest, wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{3}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && out.Created:
				created++
			case !errors.Is(err, invite.ErrUnknown):
				t.Errorf("got %+v, %v", out, err)
			}
		})
	}
	wg.Wait()
	if created != 1 {
		t.Errorf("a one-time invite opened %d chats", created)
	}
	var chats int
	if err := b.in(func(tx tenant.Tx) error {
		return tx.QueryRow(t.Context(), `select count(*) from chat`).Scan(&chats)
	}); err != nil || chats != 1 {
		t.Errorf("%d chats in the database, %v", chats, err)
	}
}

// Both sides open towards each other at once, from two devices each: one chat.
func TestSimultaneousOpening(t *testing.T) {
	b := newBench(t)
	one, two := b.member("one"), b.member("two")
	tokens := map[messaging.AccountID][]byte{one: b.token(two, nil), two: b.token(one, nil)}
	var mu sync.Mutex
	ids := map[messaging.ChatID]int{}
	var wg sync.WaitGroup
	for n := range byte(8) {
		for opener, token := range tokens {
			wg.Go(func() {
				out, err := b.open(opener, wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{n + 1}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids[out.ChatID]++
				mu.Unlock()
			})
		}
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("two accounts have %d chats", len(ids))
	}
}

func TestOpenRefuses(t *testing.T) {
	b := newBench(t)
	owner, guest := b.member("owner"), b.member("guest")
	token := b.token(owner, nil)
	elsewhere := &bench{T: t, db: b.db, tenant: database.Tenant(t), accounts: b.accounts, invites: b.invites, chats: b.chats}
	stranger := elsewhere.member("stranger")
	_, keyless, err := b.accounts.SignIn(t.Context(), b.tenant, "keyless")
	if err != nil {
		t.Fatal(err)
	}
	m := wire.OpenChat{Token: token, Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{1}}
	if _, err := elsewhere.open(stranger, m); !errors.Is(err, invite.ErrUnknown) {
		t.Errorf("from another tenant: %v", err)
	}
	if _, err := b.open(owner, m); !errors.Is(err, chat.ErrOwn) {
		t.Errorf("with oneself: %v", err)
	}
	m.Token = b.token(keyless.Account, nil)
	if _, err := b.open(guest, m); !errors.Is(err, chat.ErrReset) {
		t.Errorf("with an account without devices: %v", err)
	}
	m.Token = make([]byte, 17)
	if _, err := b.open(guest, m); !errors.Is(err, invite.ErrUnknown) {
		t.Errorf("a token of another length: %v", err)
	}
	paid, err := pgx.Connect(t.Context(), database.URL("app_operator"))
	if err != nil {
		t.Fatal(err)
	}
	defer paid.Close(context.Background())
	if _, err := paid.Exec(t.Context(), `update tenant set mode = 'paid' where tenant_id = $1`, b.tenant); err != nil {
		t.Fatal(err)
	}
	m.Token = token
	if _, err := b.open(guest, m); !errors.Is(err, chat.ErrPayment) {
		t.Errorf("a paid tenant without a payment: %v", err)
	}
	var left int
	if err := b.in(func(tx tenant.Tx) error { return tx.QueryRow(t.Context(), `select count(*) from chat`).Scan(&left) }); err != nil || left != 0 {
		t.Errorf("refusals left %d chats, %v", left, err)
	}
}

func TestStates(t *testing.T) {
	b := newBench(t)
	owner, guest := b.member("owner"), b.member("guest")
	opened, err := b.open(guest, wire.OpenChat{Token: b.token(owner, nil), Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	id := opened.ChatID
	for _, step := range []struct {
		who      messaging.AccountID
		action   wire.ChatAction
		want     wire.ChatState
		peerSees wire.ChatState
		tell     bool
		writes   bool
		err      error
	}{
		{owner, wire.ChatBlock, wire.StateBlocked, wire.StateOpen, false, false, nil},
		{owner, wire.ChatBlock, wire.StateBlocked, wire.StateOpen, false, false, nil},
		{guest, wire.ChatPause, wire.StatePaused, wire.StateBlocked, false, false, nil},
		{owner, wire.ChatUnblock, wire.StateOpen, wire.StatePaused, false, false, nil},
		{guest, wire.ChatResume, wire.StateOpen, wire.StateOpen, false, true, nil},
		{owner, wire.ChatUnblock, wire.StateOpen, wire.StateOpen, false, true, nil},
		{guest, wire.ChatDecline, 0, 0, false, true, chat.ErrAction},
		{guest, 9, 0, 0, false, true, chat.ErrAction},
		{owner, wire.ChatDecline, wire.StateDeclined, wire.StateDeclined, true, false, nil},
		{guest, wire.ChatClose, 0, 0, false, false, chat.ErrAction},
	} {
		change, err := b.set(step.who, id, step.action)
		if !errors.Is(err, step.err) {
			t.Fatalf("action %d: %v", step.action, err)
		}
		if err == nil && (change.State != step.want || change.PeerState != step.peerSees || change.Tell != step.tell) {
			t.Errorf("action %d: %+v, want %+v", step.action, change, step)
		}
		if err := b.mayWrite(guest, id); (err == nil) != step.writes {
			t.Errorf("after action %d: writing is %v", step.action, err)
		}
	}
	stranger := b.member("stranger")
	for _, id := range []messaging.ChatID{id, {9}} {
		if _, err := b.set(stranger, id, wire.ChatBlock); !errors.Is(err, chat.ErrUnknown) {
			t.Errorf("a stranger sets a chat: %v", err)
		}
		if err := b.mayWrite(stranger, id); !errors.Is(err, chat.ErrUnknown) {
			t.Errorf("a stranger writes: %v", err)
		}
	}
}

func TestList(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	want := map[messaging.AccountID]bool{}
	for i := range 5 {
		guest := b.member(strings.Repeat("g", i+1))
		want[guest] = true
		if _, err := b.open(guest, wire.OpenChat{Token: b.token(owner, nil), Purpose: wire.PurposeOpen, IdempotencyKey: [16]byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	var after messaging.ChatID
	for range 3 {
		if err := b.in(func(tx tenant.Tx) error {
			page, next, err := b.chats.List(t.Context(), tx, owner, after, 2)
			for _, c := range page {
				if !want[c.PeerAccount] || c.OpenedByMe || !c.MayWrite || c.PeerHead.Hash == [32]byte{} {
					t.Errorf("listed %+v", c)
				}
				delete(want, c.PeerAccount)
			}
			after = next
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != 0 || after != (messaging.ChatID{}) {
		t.Errorf("%d chats were not listed; next is %v", len(want), after)
	}
}
