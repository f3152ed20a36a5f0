package media_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// Run sweeps the store on its own, says so without naming anything, and ends
// with its context.
func TestRun(t *testing.T) {
	b := newBench(t, media.Config{})
	blob := b.send(content(10))
	orphan := storetest.NewKey(tenant.NewID())
	if _, err := b.objects.Put(t.Context(), orphan, bytes.NewReader(content(10))); err != nil {
		t.Fatal(err)
	}
	b.advance(media.OrphanAge + time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	said := make(lines, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.sweeper.Run(ctx, slog.New(slog.NewTextHandler(said, nil)))
	}()
	if line := <-said; !strings.Contains(line, "swept=1") || strings.Contains(line, fmt.Sprintf("%x", orphan.Tenant[:])) {
		t.Errorf("it says %q", line)
	}
	cancel()
	<-done
	if _, err := b.fetch(b.bob, blob); err != nil || b.files() != 1 {
		t.Errorf("the blob: %v, %d files", err, b.files())
	}
}

// lines receives what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }
