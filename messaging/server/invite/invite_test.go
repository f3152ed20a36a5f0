package invite_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/server/account"
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
	offset   atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t)}
	b.accounts = account.New(b.db, secret.New(ring), b.now)
	b.invites = invite.New(secret.New(ring), b.now)
	return b
}

func (b *bench) now() time.Time          { return time.Now().Add(time.Duration(b.offset.Load())) }
func (b *bench) advance(d time.Duration) { b.offset.Add(int64(d)) }

func (b *bench) member(subject string) messaging.AccountID {
	b.Helper()
	_, who, err := b.accounts.SignIn(b.Context(), b.tenant, subject)
	if err != nil {
		b.Fatal(err)
	}
	return who.Account
}

func (b *bench) in(fn func(tenant.Tx) error) {
	b.Helper()
	if err := b.db.In(b.Context(), b.tenant, fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) permanent(owner messaging.AccountID) (i invite.Invite) {
	b.Helper()
	b.in(func(tx tenant.Tx) (err error) {
		i, err = b.invites.Permanent(b.Context(), tx, owner)
		return err
	})
	return i
}

func (b *bench) create(owner messaging.AccountID, m wire.CreateInvite) (i invite.Invite) {
	b.Helper()
	b.in(func(tx tenant.Tx) (err error) {
		i, err = b.invites.Create(b.Context(), tx, owner, &m)
		return err
	})
	return i
}

// reaches asks whom a token reaches, and nobody when it is refused.
func (b *bench) reaches(token invite.Token) (owner messaging.AccountID) {
	b.Helper()
	b.in(func(tx tenant.Tx) error {
		target, err := b.invites.Resolve(b.Context(), tx, token)
		if err != nil && !errors.Is(err, invite.ErrUnknown) {
			return err
		}
		owner = target.Account
		return nil
	})
	return owner
}

var nobody messaging.AccountID

func TestPermanentAndRotation(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	first := b.permanent(owner)
	if again := b.permanent(owner); again.Token != first.Token || again.ID != first.ID {
		t.Error("the permanent invite is another one the second time")
	}
	if b.reaches(first.Token) != owner {
		t.Error("the invite does not reach its owner")
	}
	var rotated invite.Invite
	for range 2 { // the same key rotates once
		b.in(func(tx tenant.Tx) (err error) {
			rotated, err = b.invites.Rotate(t.Context(), tx, owner, first.ID, [16]byte{1})
			return err
		})
	}
	if rotated.Token == first.Token || b.reaches(first.Token) != nobody || b.reaches(rotated.Token) != owner {
		t.Error("after a rotation the old link works, or the new one does not")
	}
	if shown := b.permanent(owner); shown.Token != rotated.Token {
		t.Error("the link that is shown is not the rotated one")
	}
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.invites.Revoke(t.Context(), tx, owner, first.ID) })
	if !errors.Is(err, invite.ErrPermanent) {
		t.Errorf("revoked the permanent invite: %v", err)
	}
}

func TestEnds(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	expiring := b.create(owner, wire.CreateInvite{IdempotencyKey: [16]byte{1}, ExpirySeconds: 600})
	revoked := b.create(owner, wire.CreateInvite{IdempotencyKey: [16]byte{2}, Label: "desk"})
	open := b.create(owner, wire.CreateInvite{IdempotencyKey: [16]byte{3}})
	for _, i := range []invite.Invite{expiring, revoked, open} {
		if b.reaches(i.Token) != owner {
			t.Fatalf("%+v reaches nobody", i)
		}
	}
	for range 2 {
		b.in(func(tx tenant.Tx) error { return b.invites.Revoke(t.Context(), tx, owner, revoked.ID) })
	}
	b.advance(599 * time.Second)
	if b.reaches(expiring.Token) != owner {
		t.Error("ended before its time")
	}
	b.advance(2 * time.Second)
	if b.reaches(expiring.Token) != nobody || b.reaches(revoked.Token) != nobody || b.reaches(open.Token) != owner {
		t.Error("an ended invite reaches somebody, or an open one nobody")
	}
	b.in(func(tx tenant.Tx) error { return b.accounts.Suspend(t.Context(), tx, owner) })
	if b.reaches(open.Token) != nobody {
		t.Error("a suspended account is reached")
	}
}

// INV-02 and INV-08: of 200 uses at once of an invite for n, exactly n succeed.
func TestUsesAreExact(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	for n, m := range map[int]wire.CreateInvite{
		1: {IdempotencyKey: [16]byte{1}, MaxUses: 1},
		7: {IdempotencyKey: [16]byte{7}, MaxUses: 7},
	} {
		i := b.create(owner, m)
		var used atomic.Int64
		var wg sync.WaitGroup
		limit := make(chan struct{}, 8)
		for range 200 {
			wg.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.invites.Use(t.Context(), tx, i.ID) })
				switch {
				case err == nil:
					used.Add(1)
				case !errors.Is(err, invite.ErrUnknown):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if used.Load() != int64(n) || b.reaches(i.Token) != nobody {
			t.Errorf("%d uses of an invite for %d", used.Load(), n)
		}
	}
}

func TestCreateOnce(t *testing.T) {
	b := newBench(t)
	owner, other := b.member("owner"), b.member("other")
	m := wire.CreateInvite{IdempotencyKey: [16]byte{5}, Label: "desk", MaxUses: 3}
	first := b.create(owner, m)
	if again := b.create(owner, m); again.ID != first.ID || again.Token != first.Token {
		t.Error("the same request made another invite")
	}
	if foreign := b.create(other, m); foreign.ID == first.ID {
		t.Error("two accounts share an idempotency key")
	}
	m.Label = "door"
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { _, err := b.invites.Create(t.Context(), tx, owner, &m); return err })
	if !errors.Is(err, invite.ErrConflict) {
		t.Errorf("another request under the same key: %v", err)
	}
}

func TestListPages(t *testing.T) {
	b := newBench(t)
	owner := b.member("owner")
	b.permanent(owner)
	for n := range byte(6) {
		b.create(owner, wire.CreateInvite{IdempotencyKey: [16]byte{n + 1}})
	}
	seen := map[invite.ID]bool{}
	var after invite.ID
	for pages := 0; ; pages++ {
		var page []invite.Invite
		b.in(func(tx tenant.Tx) (err error) {
			page, after, err = b.invites.List(t.Context(), tx, owner, after, 3)
			return err
		})
		for _, i := range page {
			seen[i.ID] = true
			if b.reaches(i.Token) != owner {
				t.Error("a listed link reaches nobody")
			}
		}
		if after == (invite.ID{}) {
			break
		}
		if pages > 3 {
			t.Fatal("the list does not end")
		}
	}
	if len(seen) != 7 {
		t.Errorf("listed %d of 7", len(seen))
	}
}

// Nobody changes what is another account's, nor reaches what is another tenant's.
func TestForeign(t *testing.T) {
	b := newBench(t)
	owner, other := b.member("owner"), b.member("other")
	i := b.create(owner, wire.CreateInvite{IdempotencyKey: [16]byte{1}})
	for name, f := range map[string]func(tenant.Tx) error{
		"rotate": func(tx tenant.Tx) error {
			_, err := b.invites.Rotate(t.Context(), tx, other, i.ID, [16]byte{1})
			return err
		},
		"revoke":  func(tx tenant.Tx) error { return b.invites.Revoke(t.Context(), tx, other, i.ID) },
		"unknown": func(tx tenant.Tx) error { return b.invites.Revoke(t.Context(), tx, owner, invite.ID{9}) },
	} {
		if err := b.db.In(t.Context(), b.tenant, f); !errors.Is(err, invite.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := database.Tenant(t)
	err := b.db.In(t.Context(), elsewhere, func(tx tenant.Tx) error {
		_, err := b.invites.Resolve(t.Context(), tx, i.Token)
		return err
	})
	if !errors.Is(err, invite.ErrUnknown) || b.reaches(i.Token) != owner {
		t.Errorf("in another tenant: %v", err)
	}
}

// INV-09: neither the token nor its text is in the database.
func TestOnlyHashesAreStored(t *testing.T) {
	b := newBench(t)
	i := b.permanent(b.member("owner"))
	conn, err := pgx.Connect(t.Context(), database.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var row string
	if err := conn.QueryRow(t.Context(), `select i::text from invite i where tenant_id = $1`, b.tenant).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, i.Token.Text()) || strings.Contains(row, fmt.Sprintf("%x", [16]byte(i.Token))) {
		t.Error("the row holds the token")
	}
	if shown := fmt.Sprintf("%v %+v %s %x", i.Token, i, i.Token, i.Token); strings.Contains(shown, i.Token.Text()) || strings.Contains(shown, fmt.Sprintf("%x", [16]byte(i.Token))) {
		t.Errorf("a token prints itself: %s", shown)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	link, err := invite.Link("chat.example", invite.Token{1}, devicelog.Fragment{2})
	if err != nil || link != "https://chat.example/i/AQAAAAAAAAAAAAAAAAAAAA#AgAAAAAAAAAAAAAAAAAAAA" {
		t.Errorf("got %q, %v", link, err)
	}
	if local, _ := invite.Link("demo.localhost:8080", invite.Token{}, devicelog.Fragment{}); !strings.HasPrefix(local, "http://demo.localhost:8080/i/") {
		t.Errorf("got %q", local)
	}
	longest := strings.Repeat("h", invite.MaxLink-56)
	if link, err := invite.Link(longest, invite.Token{}, devicelog.Fragment{}); err != nil || len(link) != invite.MaxLink {
		t.Errorf("the longest host: %d, %v", len(link), err)
	}
	if _, err := invite.Link(longest+"h", invite.Token{}, devicelog.Fragment{}); !errors.Is(err, invite.ErrHost) {
		t.Errorf("a longer host: %v", err)
	}
	for _, bad := range []string{"", "AQAAAAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAAAB", "AQAAAAAAAAAAAAAAAAAA/A"} {
		if _, err := invite.ParseToken(bad); !errors.Is(err, invite.ErrUnknown) {
			t.Errorf("%q parses", bad)
		}
	}
}
