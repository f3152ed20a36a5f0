package media_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/storetest"
	"github.com/sottochat/sotto/tenant"
)

func (b *bench) sweep(want int) {
	b.Helper()
	if n, err := b.sweeper.Sweep(b.Context(), b.tenant); err != nil || n != want {
		b.Errorf("swept %d of %d, %v", n, want, err)
	}
}

// MED-11: what has expired is off the disk, and only that.
func TestSweepExpired(t *testing.T) {
	b := newBench(t, media.Config{})
	blob := b.send(content(5000))
	half := b.create(b.alice, content(1000))
	if _, err := b.append(b.alice, half.ID, 0, content(10)); err != nil {
		t.Fatal(err)
	}
	b.sweep(0)
	b.advance(23 * time.Hour)
	if _, err := b.append(b.alice, half.ID, 10, content(10)); err != nil { // it goes on, so it lives on
		t.Fatal(err)
	}
	b.advance(23 * time.Hour)
	b.sweep(0)
	b.advance(3 * time.Hour)
	b.sweep(1)
	if _, err := b.service.Find(t.Context(), b.tenant, b.alice, half.ID); !errors.Is(err, media.ErrUnknown) || b.files() != 1 {
		t.Errorf("the upload that stood still: %v, %d files", err, b.files())
	}
	b.advance(29 * 24 * time.Hour)
	b.sweep(1)
	if _, err := b.fetch(b.bob, blob); !errors.Is(err, media.ErrUnknown) {
		t.Errorf("the blob: %v", err)
	}
	b.nothingIsLeft()
}

// An upload that goes on after the sweep has seen it stale stays.
func TestSweepLooksAgain(t *testing.T) {
	b := newBench(t, media.Config{})
	blob := b.send(content(10))
	if err := media.Remove(b.sweeper, t.Context(), b.tenant, blob); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fetch(b.bob, blob); err != nil {
		t.Errorf("swept though it is not stale: %v", err)
	}
}

// More than one batch, and the accounts that store nothing are forgotten.
func TestSweepMany(t *testing.T) {
	b := newBench(t, media.Config{})
	for range 120 {
		b.create(b.alice, content(10))
	}
	b.advance(26 * time.Hour)
	b.sweep(120)
	b.nothingIsLeft()
	var rows int
	b.query(&rows, `select count(*) from media_usage where tenant_id = $1`)
	if rows != 1 {
		t.Errorf("%d rows of usage are left, expected the tenant's", rows)
	}
}

// A device that leaves is not waited for; an account or a chat that goes takes
// its blobs along.
func TestSweepOfWhatIsGone(t *testing.T) {
	b := newBench(t, media.Config{})
	b.send(content(10))
	b.exec(`delete from device where tenant_id = $1 and (account_id, device_id) <> ($2, 1)`, [16]byte(b.bob.Account))
	b.sweep(0) // bob's first still waits
	b.exec(`delete from device where tenant_id = $1`)
	b.sweep(1)
	b.nothingIsLeft()

	for _, d := range []string{"account", "chat"} {
		b.alice, b.alice2 = b.member()
		b.bob, b.bob2 = b.member()
		b.chat = b.open(b.alice, b.bob)
		b.send(content(10))
		if err := b.worker.In(t.Context(), b.tenant, func(tx tenant.Tx) error {
			sql := `delete from chat where tenant_id = $1 and chat_id = $2`
			id := [16]byte(b.chat)
			if d == "account" {
				sql, id = `delete from account where tenant_id = $1 and account_id = $2`, [16]byte(b.alice.Account)
			}
			_, err := tx.Exec(t.Context(), sql, tx.Tenant(), id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		b.sweep(1)
		b.nothingIsLeft()
	}
}

// MED-02: objects without a row go when they are old, whoever's they were.
func TestSweepObjects(t *testing.T) {
	b := newBench(t, media.Config{})
	blob := b.send(content(media.PieceSize + 1))
	orphan := storetest.NewKey(b.tenant)
	sibling := storetest.NewKey(b.tenant)
	sibling.Blob = blob // of a chunk that was not taken
	stranger := storetest.NewKey(tenant.NewID())
	for _, key := range []media.Key{orphan, sibling, stranger} {
		if _, err := b.objects.Put(t.Context(), key, bytes.NewReader(content(10))); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(want int) {
		t.Helper()
		if n, err := b.sweeper.SweepObjects(t.Context()); err != nil || n != want {
			t.Errorf("swept %d of %d, %v", n, want, err)
		}
	}
	sweep(0) // they may be on their way
	b.advance(media.OrphanAge + time.Minute)
	sweep(3)
	if _, err := b.fetch(b.bob, blob); err != nil || b.files() != 2 {
		t.Errorf("the blob: %v, %d files", err, b.files())
	}
}

// Run sweeps every tenant that is listed, page by page, and the store, at once
// and on its own, and ends with its context.
func TestRun(t *testing.T) {
	b := newBench(t, media.Config{})
	b.send(content(10))
	if _, err := b.objects.Put(t.Context(), storetest.NewKey(tenant.NewID()), bytes.NewReader(content(10))); err != nil {
		t.Fatal(err)
	}
	b.advance(31 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	pages := [][]tenant.ID{{tenant.NewID(), tenant.NewID()}, {b.tenant}, nil}
	go func() {
		defer close(done)
		b.sweeper.Run(ctx, func(_ context.Context, after tenant.ID, _ int) ([]tenant.ID, error) {
			page := pages[0]
			if pages = pages[1:]; len(page) == 1 && after == (tenant.ID{}) {
				t.Error("the second page begins again")
			}
			return page, nil
		}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	for b.files() > 0 {
		runtime.Gosched()
	}
	cancel()
	<-done
	b.nothingIsLeft()
}
