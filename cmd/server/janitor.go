package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/sso"
)

// janitor removes what has expired, one tenant at a time, as the role of jobs.
type janitor struct {
	tenants func(ctx context.Context, after tenant.ID, limit int) ([]tenant.ID, error)
	db      *tenant.DB
	rows    []sweep
	mailbox *mailbox.Sweeper
	media   *media.Sweeper
	wake    func(tenant.ID, []messaging.Address)
	log     *slog.Logger
}

// sweep deletes what is over of the transaction's tenant.
type sweep func(context.Context, tenant.Tx) error

// over lists what ends in tables alone. Each has a transaction of its
// own, so that what one deleted stays deleted when the next fails.
func over(signIn *sso.Service, accounts *account.Service, keys *apikey.Service, answers *once.Service) []sweep {
	return []sweep{signIn.Sweep, accounts.SweepTickets, answers.Sweep, keys.Sweep}
}

// sweepEvery is often enough: nothing that has expired is given out in between.
const sweepEvery = 10 * time.Minute

// run sweeps until the context ends.
func (j janitor) run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		j.sweepAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (j janitor) sweepAll(ctx context.Context) {
	const page = 200
	for after := (tenant.ID{}); ctx.Err() == nil; {
		ids, err := j.tenants(ctx, after, page)
		if err != nil || len(ids) == 0 {
			return
		}
		for _, id := range ids {
			if err := j.sweep(ctx, id); err != nil && ctx.Err() == nil {
				j.log.Error("sweep", "tenant", id.String(), "error", err.Error())
			}
		}
		after = ids[len(ids)-1]
	}
}

func (j janitor) sweep(ctx context.Context, id tenant.ID) error {
	for _, rows := range j.rows {
		if err := j.db.In(ctx, id, func(tx tenant.Tx) error { return rows(ctx, tx) }); err != nil {
			return err
		}
	}
	swept, err := j.mailbox.Sweep(ctx, id)
	if len(swept.Told) > 0 {
		j.wake(id, swept.Told)
	}
	if err != nil {
		return err
	}
	_, err = j.media.Sweep(ctx, id)
	return err
}
