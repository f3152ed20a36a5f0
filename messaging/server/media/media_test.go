package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// bench is a service over a directory, a fresh tenant with two members in an
// open chat, and a clock that the test moves.
type bench struct {
	*testing.T
	db      *tenant.DB
	worker  *tenant.DB
	tenant  tenant.ID
	dir     string
	objects media.Objects
	service *media.Service
	sweeper *media.Sweeper

	// alice and bob have two devices each.
	alice, alice2, bob, bob2 messaging.Address
	chat                     messaging.ChatID

	mu    sync.Mutex
	clock time.Time
}

func newBench(t *testing.T, cfg media.Config) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, db: database.Open(t), tenant: database.Tenant(t), dir: t.TempDir(), clock: time.Now()}
	objects, err := disk.New(disk.Config{Dir: b.dir, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	cfg.Now = b.now
	b.worker = worker
	b.objects = objects
	b.service = media.New(b.db, objects, chat.New(nil, nil, nil, b.now), cfg)
	b.sweeper = media.NewSweeper(worker, objects, b.now)
	b.alice, b.alice2 = b.member()
	b.bob, b.bob2 = b.member()
	b.chat = b.open(b.alice, b.bob)
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

func (b *bench) exec(sql string, args ...any) {
	b.Helper()
	if err := b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		n, err := tx.Exec(b.Context(), sql, append([]any{b.tenant}, args...)...)
		if err == nil && n == 0 {
			err = errors.New("the statement changed nothing")
		}
		return err
	}); err != nil {
		b.Fatal(sql, err)
	}
}

func (b *bench) query(dst any, sql string, args ...any) {
	b.Helper()
	if err := b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		return tx.QueryRow(b.Context(), sql, append([]any{b.tenant}, args...)...).Scan(dst)
	}); err != nil {
		b.Fatal(sql, err)
	}
}

// member is an account with two devices.
func (b *bench) member() (first, second messaging.Address) {
	b.Helper()
	id := messaging.NewAccountID()
	hash := sha256.Sum256(id[:])
	b.exec(`insert into account (tenant_id, account_id, subject_hash, created_on) values ($1, $2, $3, '2030-01-01')`, [16]byte(id), hash[:])
	first, second = messaging.Address{Account: id, Device: 1}, messaging.Address{Account: id, Device: 2}
	b.device(first)
	b.device(second)
	return first, second
}

func (b *bench) device(of messaging.Address) {
	b.Helper()
	b.exec(`insert into device (tenant_id, account_id, device_id, registration_id, identity_key, signed_prekey_id, signed_prekey,
			signed_prekey_sig, last_resort_id, last_resort, last_resort_sig, last_seen_on)
		values ($1, $2, $3, 1, $4, 1, $4, $5, 1, $6, $5, '2030-01-01')`,
		[16]byte(of.Account), of.Device, make([]byte, 33), make([]byte, 64), make([]byte, 1569))
}

func (b *bench) open(opener, peer messaging.Address) messaging.ChatID {
	b.Helper()
	id := messaging.NewChatID()
	b.exec(`insert into chat (tenant_id, chat_id, opener_id, peer_id, opening_key, token_hash, opened_on) values ($1, $2, $3, $4, $2, $5, '2030-01-01')`,
		[16]byte(id), [16]byte(opener.Account), [16]byte(peer.Account), make([]byte, 32))
	return id
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func digestOf(b []byte) *[32]byte {
	sum := sha256.Sum256(b)
	return &sum
}

func (b *bench) create(from messaging.Address, ciphertext []byte) media.Upload {
	b.Helper()
	u, err := b.service.Create(b.Context(), b.tenant, from, media.Intent{Chat: b.chat, Size: int64(len(ciphertext)), Digest: digestOf(ciphertext)})
	if err != nil {
		b.Fatal(err)
	}
	return u
}

func (b *bench) append(from messaging.Address, blob messaging.BlobID, offset int64, body []byte) (media.Upload, error) {
	return b.service.Append(b.Context(), b.tenant, from, blob, media.Chunk{Offset: offset, Length: int64(len(body)), Body: bytes.NewReader(body)})
}

// send is a finished blob of alice to bob.
func (b *bench) send(ciphertext []byte) messaging.BlobID {
	b.Helper()
	u := b.create(b.alice, ciphertext)
	u, err := b.append(b.alice, u.ID, 0, ciphertext)
	if err != nil || !u.Finished {
		b.Fatalf("sent: %+v, %v", u, err)
	}
	return u.ID
}

func (b *bench) fetch(asker messaging.Address, blob messaging.BlobID) ([]byte, error) {
	r, err := b.service.Open(b.Context(), b.tenant, asker, blob)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (b *bench) files() (n int) {
	b.Helper()
	err := filepath.WalkDir(b.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// nothingIsLeft looks at disk, rows and quota.
func (b *bench) nothingIsLeft() {
	b.Helper()
	if n := b.files(); n != 0 {
		b.Errorf("%d files are left", n)
	}
	var rows, bytes int64
	b.query(&rows, `select (select count(*) from media_blob where tenant_id = $1) + (select count(*) from media_piece where tenant_id = $1)
		+ (select count(*) from media_delivery where tenant_id = $1)`)
	b.query(&bytes, `select coalesce(sum(bytes + blobs), 0) from media_usage where tenant_id = $1`)
	if rows != 0 || bytes != 0 {
		b.Errorf("%d rows and %d of the quota are left", rows, bytes)
	}
}

func TestBlobLivesUntilAllDevicesHaveIt(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(3*media.PieceSize/2 + 11) // two pieces
	blob := b.send(ciphertext)
	for _, asker := range []messaging.Address{b.bob, b.bob2, b.alice2, b.alice} {
		if got, err := b.fetch(asker, blob); err != nil || !bytes.Equal(got, ciphertext) {
			t.Fatalf("%v got %d bytes, %v", asker, len(got), err)
		}
	}
	delivered := func(by messaging.Address) error { return b.service.Delivered(t.Context(), b.tenant, by, blob) }
	// The sender has no mark, and saying it twice counts once.
	for _, by := range []messaging.Address{b.bob, b.bob, b.alice, b.bob2, b.bob2} {
		if err := delivered(by); err != nil {
			t.Fatal(err)
		}
		if _, err := b.fetch(b.alice2, blob); err != nil {
			t.Fatalf("gone after %v, before the last device had it: %v", by, err)
		}
	}
	if err := delivered(b.alice2); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fetch(b.bob, blob); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("after the last: %v", err)
	}
	b.nothingIsLeft()
}

// Of the last two devices, which say it at once, one takes the blob away.
func TestLastDevicesAtOnce(t *testing.T) {
	b := newBench(t, media.Config{})
	for range 10 {
		blob := b.send(content(2000))
		var wg sync.WaitGroup
		for _, by := range []messaging.Address{b.bob, b.bob2, b.alice2} {
			wg.Go(func() {
				if err := b.service.Delivered(t.Context(), b.tenant, by, blob); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		b.nothingIsLeft()
	}
}

func TestOwnDevicesOnly(t *testing.T) {
	b := newBench(t, media.Config{})
	b.chat = messaging.ChatID{}
	blob := b.send([]byte("history"))
	if _, err := b.fetch(b.bob, blob); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("the peer: %v", err)
	}
	if got, err := b.fetch(b.alice2, blob); err != nil || string(got) != "history" {
		t.Errorf("the own other device: %q, %v", got, err)
	}
	if err := b.service.Delivered(t.Context(), b.tenant, b.alice2, blob); err != nil {
		t.Fatal(err)
	}
	b.nothingIsLeft()
	b.exec(`delete from device where tenant_id = $1 and account_id = $2 and device_id = 2`, [16]byte(b.alice.Account))
	if _, err := b.service.Create(t.Context(), b.tenant, b.alice, media.Intent{Size: 1}); !errors.Is(err, media.ErrNobody) {
		t.Errorf("with no other device: %v", err)
	}
	b.nothingIsLeft()
}

func TestOnlyWhereWritingIsOpen(t *testing.T) {
	b := newBench(t, media.Config{})
	stranger, _ := b.member()
	create := func(from messaging.Address) error {
		_, err := b.service.Create(t.Context(), b.tenant, from, media.Intent{Chat: b.chat, Size: 10})
		return err
	}
	if err := create(stranger); !errors.Is(err, chat.ErrUnknown) {
		t.Errorf("a stranger: %v", err)
	}
	begun := b.create(b.alice, []byte("0123456789"))
	b.exec(`update chat set peer_stance = 'blocked' where tenant_id = $1`)
	if err := create(b.alice); !errors.Is(err, chat.ErrNotOpen) {
		t.Errorf("blocked: %v", err)
	}
	// An upload that began before cannot be finished, until writing is open again.
	u, err := b.append(b.alice, begun.ID, 0, []byte("0123456789"))
	if !errors.Is(err, chat.ErrNotOpen) || u.Finished {
		t.Errorf("finished while blocked: %+v, %v", u, err)
	}
	if _, err := b.fetch(b.bob, begun.ID); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("fetched: %v", err)
	}
	b.exec(`update chat set peer_stance = 'open' where tenant_id = $1`)
	if u, err := b.append(b.alice, begun.ID, 10, nil); err != nil || !u.Finished {
		t.Errorf("open again: %+v, %v", u, err)
	}
	// What was sent stays fetchable when the chat closes.
	b.exec(`update chat set state = 'closed' where tenant_id = $1`)
	if _, err := b.fetch(b.bob, begun.ID); err != nil {
		t.Errorf("closed: %v", err)
	}
}

// MED-05: whoever may not know of a blob meets one error.
func TestUnknownToOthers(t *testing.T) {
	b := newBench(t, media.Config{})
	blob := b.send([]byte("ciphertext"))
	half := b.create(b.alice, content(10))
	stranger, _ := b.member()
	foreign := database.Tenant(t)
	type call func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error
	ctx := t.Context()
	reading := map[string]call{
		"open": func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
			r, err := b.service.Open(ctx, id, by, blob)
			if r != nil {
				r.Close()
			}
			return err
		},
		"delivered": func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
			return b.service.Delivered(ctx, id, by, blob)
		},
	}
	writing := map[string]call{
		"find": func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
			_, err := b.service.Find(ctx, id, by, blob)
			return err
		},
		"append": func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
			_, err := b.service.Append(ctx, id, by, blob, media.Chunk{Length: -1, Body: bytes.NewReader([]byte("x"))})
			return err
		},
		"cancel": func(id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
			return b.service.Cancel(ctx, id, by, blob)
		},
	}
	check := func(calls map[string]call, who string, id tenant.ID, by messaging.Address, blob messaging.BlobID) {
		t.Helper()
		for name, c := range calls {
			if err := c(id, by, blob); !errors.Is(err, media.ErrUnknown) {
				t.Errorf("%s: %s: %v", who, name, err)
			}
		}
	}
	for _, calls := range []map[string]call{reading, writing} {
		check(calls, "stranger", b.tenant, stranger, blob)
		check(calls, "another tenant", foreign, b.alice, blob)
		check(calls, "guessed", b.tenant, b.alice, messaging.NewBlobID())
	}
	check(writing, "the peer", b.tenant, b.bob, half.ID)
	check(writing, "another device", b.tenant, b.alice2, half.ID)
	check(reading, "unfinished", b.tenant, b.alice, half.ID)
	if _, err := b.fetch(b.bob, blob); err != nil {
		t.Fatalf("the blob itself: %v", err)
	}
	b.advance(31 * 24 * time.Hour)
	check(reading, "expired", b.tenant, b.bob, blob)
	check(writing, "expired", b.tenant, b.alice, blob)
}

func TestBounds(t *testing.T) {
	b := newBench(t, media.Config{MaxSize: 1000})
	for size, want := range map[int64]error{0: media.ErrSize, -1: media.ErrSize, 1001: media.ErrTooLarge, 1 << 62: media.ErrTooLarge} {
		if _, err := b.service.Create(t.Context(), b.tenant, b.alice, media.Intent{Chat: b.chat, Size: size}); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	b.create(b.alice, content(1000))
}

// MED-02: quotas are exact with 100 requests at once, for an account and for
// the sum over a tenant.
func TestQuotaIsExact(t *testing.T) {
	b := newBench(t, media.Config{AccountBytes: 25_999, TenantBytes: 40_000})
	count := func(senders []messaging.Address) (ok []messaging.BlobID, refused map[error]int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		refused = map[error]int{}
		for i := range 100 {
			wg.Go(func() {
				u, err := b.service.Create(t.Context(), b.tenant, senders[i%len(senders)], media.Intent{Chat: b.chat, Size: 1000})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					ok = append(ok, u.ID)
				case errors.Is(err, media.ErrQuota):
					refused[media.ErrQuota]++
				case errors.Is(err, media.ErrTenantFull):
					refused[media.ErrTenantFull]++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return ok, refused
	}
	ok, refused := count([]messaging.Address{b.alice})
	if len(ok) != 25 || refused[media.ErrQuota] != 75 {
		t.Errorf("one account: %d taken, %v refused", len(ok), refused)
	}
	more, refused := count([]messaging.Address{b.alice, b.bob})
	if len(more) != 15 || refused[media.ErrQuota] != 50 || refused[media.ErrTenantFull] != 35 {
		t.Errorf("the tenant: %d taken, %v refused", len(more), refused)
	}
	var wg sync.WaitGroup
	for _, blob := range ok {
		wg.Go(func() {
			if err := b.service.Cancel(t.Context(), b.tenant, b.alice, blob); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if again, _ := count([]messaging.Address{b.alice}); len(again) != 25 {
		t.Errorf("after all was given back %d are taken", len(again))
	}
}

func TestTransfersAreBounded(t *testing.T) {
	b := newBench(t, media.Config{Transfers: 3, TenantTransfers: 3, AccountTransfers: 2})
	blob := b.send([]byte("x"))
	open := func(by messaging.Address) (*media.Blob, error) {
		return b.service.Open(t.Context(), b.tenant, by, blob)
	}
	var held []*media.Blob
	for i, step := range []struct {
		by   messaging.Address
		want error
	}{{b.alice, nil}, {b.alice2, nil}, {b.alice, media.ErrTooMany}, {b.bob, nil}, {b.bob, media.ErrBusy}} {
		r, err := open(step.by)
		if !errors.Is(err, step.want) {
			t.Errorf("step %d: %v", i, err)
		}
		if err == nil {
			held = append(held, r)
		}
	}
	for _, r := range held {
		r.Close()
	}
	r, err := open(b.bob)
	if err != nil {
		t.Fatalf("after they left: %v", err)
	}
	r.Close()
}

// A tenant that takes all it may leaves places for another.
func TestTenantsLeaveRoom(t *testing.T) {
	t.Parallel()
	gate := media.NewGate(4, 3, 4)
	busy, other := tenant.NewID(), tenant.NewID()
	enter := func(id tenant.ID, want error) (leave func()) {
		t.Helper()
		leave, err := media.Enter(gate, id, messaging.NewAccountID())
		if !errors.Is(err, want) {
			t.Fatalf("expected %v, got %v", want, err)
		}
		return leave
	}
	first := enter(busy, nil)
	enter(busy, nil)
	enter(busy, nil)
	enter(busy, media.ErrBusy)
	second := enter(other, nil)
	enter(other, media.ErrBusy) // the node is full
	first()
	enter(other, nil)
	second()
	enter(busy, nil)
	enter(busy, media.ErrBusy)
}

func TestSeek(t *testing.T) {
	b := newBench(t, media.Config{})
	ciphertext := content(2*media.PieceSize + 100)
	blob := b.send(ciphertext)
	r, err := b.service.Open(t.Context(), b.tenant, b.bob, blob)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, at := range []int{0, 1, media.PieceSize - 1, media.PieceSize, media.PieceSize + 1, 2*media.PieceSize - 3, 2*media.PieceSize + 99} {
		if _, err := r.Seek(int64(at), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, min(10, len(ciphertext)-at))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, ciphertext[at:at+len(got)]) {
			t.Errorf("at %d: %v", at, err)
		}
	}
	if end, err := r.Seek(0, io.SeekEnd); err != nil || end != int64(len(ciphertext)) {
		t.Errorf("the end is at %d, %v", end, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("it goes before its beginning")
	}
	// A file that lost its end is an error, not a shorter blob.
	ctx, cancel := context.WithCancel(t.Context())
	other, err := b.service.Open(ctx, b.tenant, b.bob, blob)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cancel()
	if _, err := other.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has ended reads on: %v", err)
	}
}
