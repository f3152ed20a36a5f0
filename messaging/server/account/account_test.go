package account_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// bench is a service, a fresh tenant and a clock that the test moves.
type bench struct {
	*testing.T
	db      *tenant.DB
	service *account.Service
	tenant  tenant.ID
	mu      sync.Mutex
	clock   time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t), clock: time.Now()}
	b.service = account.New(b.db, secret.New(ring), b.now)
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

func (b *bench) signIn(subject string) (account.Token, account.Who) {
	b.Helper()
	token, who, err := b.service.SignIn(b.Context(), b.tenant, subject)
	if err != nil {
		b.Fatal(err)
	}
	return token, who
}

// phone is a device's private keys and what it publishes.
type phone struct {
	identity     *key.IdentityPrivate
	log          *key.LogPrivate
	registration wire.Registration
}

func (b *bench) newPhone() *phone {
	b.Helper()
	p := &phone{}
	var err error
	if p.identity, err = key.Generate[key.RoleIdentity](rand.Reader); err != nil {
		b.Fatal(err)
	}
	if p.log, err = key.GenerateLog(rand.Reader); err != nil {
		b.Fatal(err)
	}
	_, signed, err := key.NewSignedPreKey(rand.Reader, 1, p.identity)
	if err != nil {
		b.Fatal(err)
	}
	_, last, err := key.KEMs{}.NewPreKey(rand.Reader, 1, p.identity)
	if err != nil {
		b.Fatal(err)
	}
	p.registration = wire.Registration{RegistrationID: 77,
		SignedPrekey: wire.SignedPreKey{ID: uint32(signed.ID), PublicKey: signed.Public.Bytes(), Signature: signed.Signature[:]},
		LastResort:   wire.KEMPreKey{ID: uint32(last.ID), PublicKey: last.Public.Bytes(), Signature: last.Signature[:], LastResort: true}}
	return p
}

func (p *phone) newcomer() devicelog.Newcomer {
	return devicelog.Newcomer{RegistrationID: 77, Identity: p.identity.Public(), LogKey: p.log.Public()}
}

func (b *bench) foundEntry(who account.Who, p *phone) []byte {
	b.Helper()
	entry, err := devicelog.Found(messaging.TenantID(b.tenant), who.Account, p.newcomer(), p.log, b.now(), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	return entry
}

// found makes p the first device of the account that who is signed in to.
func (b *bench) found(who account.Who, p *phone) (account.Changed, *devicelog.Log) {
	b.Helper()
	entry := b.foundEntry(who, p)
	changed, err := b.service.AppendLog(b.Context(), b.tenant, who, &wire.AppendLog{Entry: entry, Registration: p.registration})
	if err != nil {
		b.Fatal(err)
	}
	log, err := devicelog.Open(messaging.TenantID(b.tenant), who.Account, [][]byte{entry})
	if err != nil {
		b.Fatal(err)
	}
	return changed, log
}

func head(log *devicelog.Log) wire.LogHead {
	h := log.Head()
	return wire.LogHead{Sequence: h.Sequence, Hash: h.Hash}
}

// addEntry is the entry with which first lets second in.
func (b *bench) addEntry(log *devicelog.Log, first, second *phone) []byte {
	b.Helper()
	text, err := log.Add(second.newcomer(), 1, b.now(), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	reverse, err := log.Join(text, second.newcomer(), first.identity.Public(), second.log)
	if err != nil {
		b.Fatal(err)
	}
	entry, err := log.CompleteAdd(text, second.newcomer(), reverse, devicelog.Signer{Device: 1, Key: first.log})
	if err != nil {
		b.Fatal(err)
	}
	return entry
}

// SSO-28: of 50 first logins at once, all reach one account.
func TestParallelFirstLogins(t *testing.T) {
	b := newBench(t)
	accounts := make([]messaging.AccountID, 50)
	var wg sync.WaitGroup
	for i := range accounts {
		wg.Go(func() {
			_, who, err := b.service.SignIn(t.Context(), b.tenant, "member-1")
			if err != nil {
				t.Error(err)
			}
			accounts[i] = who.Account
		})
	}
	wg.Wait()
	for _, id := range accounts {
		if id != accounts[0] {
			t.Fatalf("one subject has accounts %v and %v", accounts[0], id)
		}
	}
	if _, other := b.signIn("member-2"); other.Account == accounts[0] {
		t.Error("two subjects share an account")
	}
}

func TestSubjectBounds(t *testing.T) {
	b := newBench(t)
	b.signIn(strings.Repeat("s", 255))
	for _, subject := range []string{"", strings.Repeat("s", 256)} {
		if _, _, err := b.service.SignIn(t.Context(), b.tenant, subject); !errors.Is(err, account.ErrSubject) {
			t.Errorf("%d bytes: %v", len(subject), err)
		}
	}
}

func TestSession(t *testing.T) {
	b := newBench(t)
	token, who := b.signIn("member")
	if text := fmt.Sprintf("%v %+v %#v %s %x", token, token, token, token, token); strings.Contains(text, token.Reveal()[4:12]) {
		t.Error("a token prints itself")
	}
	parsed, err := account.ParseToken(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.service.Authenticate(t.Context(), b.tenant, parsed)
	if err != nil || got.Account != who.Account || got.Device != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
	other := database.Tenant(t)
	if _, err := b.service.Authenticate(t.Context(), other, parsed); !errors.Is(err, account.ErrSession) {
		t.Errorf("another tenant: %v", err)
	}
	b.advance(23 * time.Hour)
	if _, err := b.service.Authenticate(t.Context(), b.tenant, parsed); err != nil {
		t.Errorf("within a day: %v", err)
	}
	b.advance(25 * time.Hour)
	if _, err := b.service.Authenticate(t.Context(), b.tenant, parsed); !errors.Is(err, account.ErrSession) {
		t.Errorf("after a day unseen: %v", err)
	}
	for _, bad := range []string{"", "ses_", token.Reveal() + "A", token.Reveal()[4:], "ses_" + strings.Repeat("A", 42) + "B"} {
		if _, err := account.ParseToken(bad); !errors.Is(err, account.ErrSession) {
			t.Errorf("%q parses", bad)
		}
	}
}

func TestSignOutAndSuspend(t *testing.T) {
	b := newBench(t)
	first, who := b.signIn("member")
	second, _ := b.signIn("member")
	if err := b.service.SignOut(t.Context(), b.tenant, who); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Authenticate(t.Context(), b.tenant, first); !errors.Is(err, account.ErrSession) {
		t.Errorf("signed out: %v", err)
	}
	if _, err := b.service.Authenticate(t.Context(), b.tenant, second); err != nil {
		t.Errorf("the other session: %v", err)
	}
	set := func(f func(tenant.Tx) error) {
		t.Helper()
		if err := b.db.In(t.Context(), b.tenant, f); err != nil {
			t.Fatal(err)
		}
	}
	set(func(tx tenant.Tx) error { return b.service.Suspend(t.Context(), tx, who.Account) })
	if _, err := b.service.Authenticate(t.Context(), b.tenant, second); !errors.Is(err, account.ErrSession) {
		t.Errorf("suspended: %v", err)
	}
	if _, _, err := b.service.SignIn(t.Context(), b.tenant, "member"); !errors.Is(err, account.ErrSuspended) {
		t.Errorf("sign in while suspended: %v", err)
	}
	set(func(tx tenant.Tx) error { return b.service.Resume(t.Context(), tx, who.Account) })
	b.signIn("member")
	set(func(tx tenant.Tx) error { return b.service.Delete(t.Context(), tx, who.Account) })
	err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error { return b.service.Resume(t.Context(), tx, who.Account) })
	if !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a deleted account came back: %v", err)
	}
}

func TestFoundAddRemove(t *testing.T) {
	b := newBench(t)
	_, who := b.signIn("member")
	first, second := b.newPhone(), b.newPhone()
	changed, log := b.found(who, first)
	if changed.Who.Device != 1 || changed.Added != 1 || changed.Head != head(log) {
		t.Fatalf("founded: %+v", changed)
	}
	entry := b.foundEntry(who, first)
	again, err := b.service.AppendLog(t.Context(), b.tenant, who, &wire.AppendLog{Entry: entry, Registration: first.registration})
	if err == nil && !again.Repeat {
		t.Error("founding again was taken for something new")
	}

	newToken, newcomer := b.signIn("member")
	slot := [32]byte{1}
	if err := b.service.PutSlot(t.Context(), b.tenant, newcomer, &wire.PutSlot{Slot: slot, Payload: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	add := &wire.AppendLog{Entry: b.addEntry(log, first, second), Expected: head(log), Registration: second.registration}
	add.Registration.Slot = slot
	for range 2 { // the second time is a repeat
		changed, err = b.service.AppendLog(t.Context(), b.tenant, changed.Who, add)
		if err != nil {
			t.Fatal(err)
		}
	}
	if log, err = log.Extend(add.Entry); err != nil {
		t.Fatal(err)
	}
	linked, err := b.service.Authenticate(t.Context(), b.tenant, newToken)
	if err != nil || linked.Device != 2 {
		t.Fatalf("the newcomer's session is %+v, %v", linked, err)
	}

	remove, err := log.Remove(2, devicelog.Signer{Device: 1, Key: first.log}, b.now())
	if err != nil {
		t.Fatal(err)
	}
	changed, err = b.service.AppendLog(t.Context(), b.tenant, changed.Who, &wire.AppendLog{Entry: remove, Expected: head(log)})
	if err != nil || len(changed.Removed) != 1 || changed.Removed[0] != 2 {
		t.Fatalf("removed: %+v, %v", changed, err)
	}
	if _, err := b.service.Authenticate(t.Context(), b.tenant, newToken); !errors.Is(err, account.ErrSession) {
		t.Errorf("a removed device's session: %v", err)
	}
	// PRO-12: its uploads fail. PRO-13: the old add does not come back.
	if _, err := b.service.UploadKeys(t.Context(), b.tenant, linked, &wire.UploadKeys{SignedPrekey: second.registration.SignedPrekey}); !errors.Is(err, account.ErrNotLinked) {
		t.Errorf("a removed device uploads: %v", err)
	}
	add.Expected = changed.Head
	if _, err := b.service.AppendLog(t.Context(), b.tenant, changed.Who, add); !errors.Is(err, account.ErrEntry) {
		t.Errorf("the old add: %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	b := newBench(t)
	_, who := b.signIn("member")
	p := b.newPhone()
	entry := b.foundEntry(who, p)
	_, stranger := b.signIn("stranger")
	badKeys := p.registration
	badKeys.SignedPrekey.Signature = make([]byte, 64)
	otherID := p.registration
	otherID.RegistrationID = 78
	for name, c := range map[string]struct {
		who  account.Who
		m    wire.AppendLog
		want error
	}{
		"another account's entry": {stranger, wire.AppendLog{Entry: entry, Registration: p.registration}, account.ErrEntry},
		"not an entry":            {who, wire.AppendLog{Entry: []byte{1, 2, 3}, Registration: p.registration}, account.ErrEntry},
		"changed entry":           {who, wire.AppendLog{Entry: flip(entry), Registration: p.registration}, account.ErrEntry},
		"bad signed prekey":       {who, wire.AppendLog{Entry: entry, Registration: badKeys}, account.ErrKeys},
		"other registration id":   {who, wire.AppendLog{Entry: entry, Registration: otherID}, account.ErrKeys},
		"no keys":                 {who, wire.AppendLog{Entry: entry}, account.ErrKeys},
		"expected head":           {who, wire.AppendLog{Entry: entry, Expected: wire.LogHead{Sequence: 3, Hash: [32]byte{1}}, Registration: p.registration}, account.Stale{}},
	} {
		_, err := b.service.AppendLog(t.Context(), b.tenant, c.who, &c.m)
		var stale account.Stale
		if !errors.Is(err, c.want) && !errors.As(err, &stale) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	b.advance(11 * time.Minute)
	if _, err := b.service.AppendLog(t.Context(), b.tenant, who, &wire.AppendLog{Entry: entry, Registration: p.registration}); !errors.Is(err, account.ErrEntry) {
		t.Errorf("an entry kept for later: %v", err)
	}
	b.advance(-11 * time.Minute)
	b.found(who, p) // none of the refusals changed anything
}

func flip(b []byte) []byte {
	c := append([]byte(nil), b...)
	c[len(c)-1] ^= 1
	return c
}

func TestUploadAndTake(t *testing.T) {
	b := newBench(t)
	_, who := b.signIn("member")
	p := b.newPhone()
	changed, _ := b.found(who, p)
	upload := b.oneTimeKeys(p, 100)
	for range 2 { // PRO-17: the same keys again change nothing
		counts, err := b.service.UploadKeys(t.Context(), b.tenant, changed.Who, upload)
		if err != nil || counts.OneTimeEC != 100 || counts.OneTimeKEM != 100 {
			t.Fatalf("uploaded: %+v, %v", counts, err)
		}
	}
	other := *upload
	other.OneTimeEC = []wire.ECPreKey{{ID: upload.OneTimeEC[0].ID, PublicKey: upload.OneTimeEC[1].PublicKey}}
	other.OneTimeKEM = nil
	if _, err := b.service.UploadKeys(t.Context(), b.tenant, changed.Who, &other); !errors.Is(err, account.ErrKeyReused) {
		t.Errorf("another key under a used id: %v", err)
	}

	// PRO-15: of 150 takers at once none gets a key that another got.
	var mu sync.Mutex
	ec, kem, lastResort := map[uint32]int{}, map[uint32]int{}, 0
	var wg sync.WaitGroup
	limit := make(chan struct{}, 16)
	for range 150 {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			err := b.db.In(t.Context(), b.tenant, func(tx tenant.Tx) error {
				bundles, low, err := b.service.TakeBundles(t.Context(), tx, who.Account, nil)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				got := bundles.Bundles[0]
				ec[got.OneTimeEC.ID]++
				if got.KEMPrekey.LastResort {
					lastResort++
				} else {
					kem[got.KEMPrekey.ID]++
				}
				if len(ec) > 90 && len(low) != 1 {
					t.Error("a device with few keys is not named")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	delete(ec, 0)
	if len(ec) != 100 || len(kem) != 100 || lastResort != 50 {
		t.Errorf("handed out %d and %d one-time keys, %d times the last resort", len(ec), len(kem), lastResort)
	}
	for id, n := range ec {
		if n != 1 {
			t.Errorf("key %d was handed out %d times", id, n)
		}
	}
	// Spent keys stay spent.
	counts, err := b.service.UploadKeys(t.Context(), b.tenant, changed.Who, upload)
	if err != nil || counts.OneTimeEC != 0 || counts.OneTimeKEM != 0 {
		t.Errorf("after uploading spent keys: %+v, %v", counts, err)
	}
}

func (b *bench) oneTimeKeys(p *phone, n int) *wire.UploadKeys {
	b.Helper()
	m := &wire.UploadKeys{}
	for i := range n {
		id := key.PreKeyID(i + 2)
		_, ec, err := key.NewOneTimePreKey(rand.Reader, id)
		if err != nil {
			b.Fatal(err)
		}
		_, kem, err := key.KEMs{}.NewPreKey(rand.Reader, id, p.identity)
		if err != nil {
			b.Fatal(err)
		}
		m.OneTimeEC = append(m.OneTimeEC, wire.ECPreKey{ID: uint32(id), PublicKey: ec.Public.Bytes()})
		m.OneTimeKEM = append(m.OneTimeKEM, wire.KEMPreKey{ID: uint32(id), PublicKey: kem.Public.Bytes(), Signature: kem.Signature[:]})
	}
	return m
}

func TestUploadRefuses(t *testing.T) {
	b := newBench(t)
	_, keyless := b.signIn("member")
	p := b.newPhone()
	if _, err := b.service.UploadKeys(t.Context(), b.tenant, keyless, &wire.UploadKeys{SignedPrekey: p.registration.SignedPrekey}); !errors.Is(err, account.ErrNotLinked) {
		t.Errorf("without a device: %v", err)
	}
	changed, _ := b.found(keyless, p)
	stranger := b.oneTimeKeys(b.newPhone(), 1)
	if _, err := b.service.UploadKeys(t.Context(), b.tenant, changed.Who, stranger); !errors.Is(err, account.ErrKeys) {
		t.Errorf("keys signed by another identity: %v", err)
	}
	counts, err := b.service.CountKeys(t.Context(), b.tenant, changed.Who)
	if err != nil || counts.OneTimeEC != 0 || counts.OneTimeKEM != 0 {
		t.Errorf("a refused upload left %+v, %v", counts, err)
	}
	many := b.oneTimeKeys(p, 70)
	for i := range 3 {
		for j := range many.OneTimeEC {
			many.OneTimeEC[j].ID += uint32(1000 * i)
			many.OneTimeKEM[j].ID += uint32(1000 * i)
		}
		_, err = b.service.UploadKeys(t.Context(), b.tenant, changed.Who, many)
	}
	if !errors.Is(err, account.ErrKeysFull) {
		t.Errorf("a third pool of 70: %v", err)
	}
}

func TestSlots(t *testing.T) {
	b := newBench(t)
	_, who := b.signIn("member")
	_, stranger := b.signIn("stranger")
	slot := [32]byte{9}
	if err := b.service.PutSlot(t.Context(), b.tenant, who, &wire.PutSlot{Slot: slot, Payload: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	if err := b.service.PutSlot(t.Context(), b.tenant, who, &wire.PutSlot{Slot: slot, Payload: []byte("two")}); !errors.Is(err, account.ErrSlotTaken) {
		t.Errorf("put over: %v", err)
	}
	if got, err := b.service.GetSlot(t.Context(), b.tenant, who, slot); err != nil || string(got) != "one" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := b.service.GetSlot(t.Context(), b.tenant, stranger, slot); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("another account: %v", err)
	}
	_, second := b.signIn("member")
	if _, err := b.service.GetSlot(t.Context(), b.tenant, second, slot); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a second reader: %v", err)
	}
	if got, err := b.service.GetSlot(t.Context(), b.tenant, who, slot); err != nil || string(got) != "one" {
		t.Errorf("the reader again got %q, %v", got, err)
	}
	for i := range byte(15) {
		if err := b.service.PutSlot(t.Context(), b.tenant, who, &wire.PutSlot{Slot: [32]byte{10, i}, Payload: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.service.PutSlot(t.Context(), b.tenant, who, &wire.PutSlot{Slot: [32]byte{11}, Payload: []byte("x")}); !errors.Is(err, account.ErrSlotsFull) {
		t.Errorf("a 17th slot: %v", err)
	}
	b.advance(6 * time.Minute)
	if _, err := b.service.GetSlot(t.Context(), b.tenant, who, slot); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("after its life: %v", err)
	}
	if err := b.service.PutSlot(t.Context(), b.tenant, who, &wire.PutSlot{Slot: [32]byte{11}, Payload: []byte("x")}); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
}
