package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

const (
	// sweepBatch is how many blobs are looked for at a time.
	sweepBatch = 100
	// walkBatch is how many objects are held against rows in one statement.
	walkBatch = 500
	// OrphanAge is how old an object without a row must be to go, in time since
	// it was written to. A piece gets its row when it is complete, and one whose
	// chunk has a checksum when the chunk is; a chunk takes no longer than
	// MaxChunkTime.
	OrphanAge = 2 * time.Hour
)

// Sweeper removes what nobody waits for any more. It works as app_worker, a
// tenant at a time. Several nodes may sweep at once.
type Sweeper struct {
	db      *tenant.DB
	objects Objects
	now     func() time.Time
}

// NewSweeper makes the sweeper; db is opened as app_worker, now is the server's
// clock.
func NewSweeper(db *tenant.DB, objects Objects, now func() time.Time) *Sweeper {
	return &Sweeper{db, objects, now}
}

// Sweep removes a tenant's blobs and uploads that have expired, that all
// addressed devices have, or whose account or chat is gone, and returns how
// many. Nothing that has expired is given out before.
func (s *Sweeper) Sweep(ctx context.Context, id tenant.ID) (swept int, err error) {
	for {
		var batch []messaging.BlobID
		err := s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
			batch, err = selectStale(ctx, tx, s.now(), sweepBatch)
			return err
		})
		if err != nil {
			return swept, fmt.Errorf("sweep media: %w", err)
		}
		for _, blob := range batch {
			if err := s.remove(ctx, id, blob); err != nil {
				return swept, fmt.Errorf("sweep media: %w", err)
			}
			swept++
		}
		if len(batch) < sweepBatch {
			return swept, s.db.In(ctx, id, func(tx tenant.Tx) error { return deleteUnused(ctx, tx) })
		}
	}
}

// remove takes one blob in a transaction of its own: with several accounts'
// usage in one, two sweeps could wait for each other.
func (s *Sweeper) remove(ctx context.Context, id tenant.ID, blob messaging.BlobID) error {
	var gone removed
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		stale, err := lockStale(ctx, tx, blob, s.now())
		if err != nil || !stale {
			return err
		}
		gone, err = remove(ctx, tx, blob)
		return err
	})
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	gone.delete(ctx, s.objects)
	return nil
}

// walkEvery is how often every object is looked at. What has no row costs room
// and nothing else, and a walk over a large store takes long.
const walkEvery = 24 * time.Hour

// Run sweeps objects, at once and then each day, until the context ends. It
// starts no goroutine; whoever starts it in one waits for it.
func (s *Sweeper) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(walkEvery)
	defer tick.Stop()
	for {
		n, err := s.SweepObjects(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("sweep of media objects", "swept", n, "error", err.Error())
		case n > 0:
			log.Info("sweep of media objects", "swept", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// SweepObjects removes the objects that no row names, of all tenants and of
// those that are no more, and returns how many.
func (s *Sweeper) SweepObjects(ctx context.Context) (swept int, err error) {
	old := s.now().Add(-OrphanAge)
	var batch []Key
	err = s.objects.Walk(ctx, func(o Stored) (err error) {
		if o.Changed.After(old) {
			return nil
		}
		if len(batch) == walkBatch || len(batch) > 0 && batch[0].Tenant != o.Tenant {
			var n int
			n, err = s.sweepBatch(ctx, batch)
			swept, batch = swept+n, batch[:0]
		}
		batch = append(batch, o.Key)
		return err
	})
	if err == nil {
		var n int
		n, err = s.sweepBatch(ctx, batch)
		swept += n
	}
	if err != nil {
		return swept, fmt.Errorf("sweep objects: %w", err)
	}
	return swept, nil
}

// sweepBatch removes those of one tenant's objects that no row names.
func (s *Sweeper) sweepBatch(ctx context.Context, batch []Key) (swept int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	named := map[[16]byte]bool{}
	err = s.db.In(ctx, batch[0].Tenant, func(tx tenant.Tx) error { return selectNamed(ctx, tx, batch, named) })
	if err != nil {
		return 0, err
	}
	for _, key := range batch {
		if named[key.Object] {
			continue
		}
		if err := s.objects.Delete(ctx, key); err != nil {
			return swept, err
		}
		swept++
	}
	return swept, nil
}
