package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/server/mailbox"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/tenant/webhook"
	"github.com/sottochat/sotto/web"
	"github.com/sottochat/sotto/web/api"
	"github.com/sottochat/sotto/web/clientapi"
	webmedia "github.com/sottochat/sotto/web/media"
	"github.com/sottochat/sotto/web/public"
	"github.com/sottochat/sotto/web/socket"
	"github.com/sottochat/sotto/web/words"
)

// serve wires the server from top to bottom and runs it until ctx ends. What is
// opened first is closed last.
func (p program) serve(ctx context.Context) error {
	c, err := p.load("DATABASE_URL", "MASTER_KEYS")
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(p.stderr, nil))
	if len(c.egressAllow) > 0 {
		log.Warn("tests only: private addresses may be reached", "setting", "TEST_EGRESS_ALLOW", "addresses", c.egressAllow)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// What everything else stands on.
	dbs, err := openDatabases(ctx, c)
	if err != nil {
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
	defer dbs.close()
	out, err := egress.New(egress.Config{Allow: c.egressAllow})
	if err != nil {
		return fmt.Errorf("%w TEST_EGRESS_ALLOW: %w", errSetting, err)
	}
	objects, err := openObjects(c)
	if err != nil {
		return err
	}
	now := c.now()
	shared, err := openShared(c, now)
	if err != nil {
		return err
	}
	defer shared.close()

	// Rules.
	secrets := secret.New(c.masters)
	sites := registry.New(dbs.web, now)
	tenants := registry.NewOperator(dbs.operator, now)
	signIn := sso.New(sso.Config{DB: dbs.web, Secrets: secrets, Egress: out, Now: now})
	accounts := account.New(dbs.web, secrets, now)
	invites := invite.New(secrets, now)
	chats := chat.New(invites, accounts, nil, now)
	webhooks := webhook.New(secrets, out, now)
	bounds := c.media.Config
	bounds.Now = now
	blobs := media.New(dbs.web, objects, chats, bounds)

	// Live connections.
	boxes := mailbox.New(dbs.relay, mailbox.Config{Now: now})
	defer boxes.Close()
	hub := relay.New(relay.Services{DB: dbs.web, Mailbox: boxes, Logs: accounts, Keys: accounts, Slots: accounts, Chats: chats, Invites: invites,
		Tickets: tickets{accounts}, Sends: shared.sends, Asks: shared.asks}, shared.bus, shared.bus, relay.Options{Now: now, Metrics: relay.NewMetrics(metrics), Log: log})
	defer hub.Close()

	// Jobs.
	deliverer := &webhook.Deliverer{DB: dbs.worker, Secrets: secrets, Client: out, Now: now, Log: log, Tenants: pages(tenants)}
	sweeper := media.NewSweeper(dbs.worker, objects, now)
	keys, answers := apikey.New(now), once.New(now)
	janitor := janitor{tenants: pages(tenants), db: dbs.worker, rows: over(signIn, accounts, keys, answers), mailbox: mailbox.NewSweeper(dbs.worker, now),
		media: sweeper, wake: hub.Wake, log: log}
	var jobs sync.WaitGroup
	jobsCtx, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	jobs.Go(func() { deliverer.Run(jobsCtx) })
	jobs.Go(func() { janitor.run(jobsCtx) })
	watcher := watcher{list: tenants.List, cut: func(id tenant.ID) { hub.Cut(id, messaging.AccountID{}, 0, wire.CloseSuspended) }}
	jobs.Go(func() { watcher.run(jobsCtx) })
	jobs.Go(func() { sweeper.Run(jobsCtx, log) })
	defer func() { stopJobs(); jobs.Wait() }()

	var draining atomic.Bool
	told := func(ctx context.Context, id tenant.ID, who account.Who) {
		if err := hub.NewLogin(ctx, id, who); err != nil {
			log.Error("new login not told", "tenant", id.String(), "error", err.Error())
		}
	}
	server := web.New(web.Deps{
		Sites:  sites,
		Public: public.Pages{DB: dbs.web, Accounts: accounts, Invites: invites, SSO: signIn, Words: words.All(), SignedIn: told},
		API: api.API{DB: dbs.web, Secrets: secrets, Keys: keys, Once: answers, Accounts: accounts, Invites: invites,
			Webhooks: webhooks, Wake: deliverer.Wake, Cut: func(id tenant.ID, of messaging.AccountID) { hub.Cut(id, of, 0, wire.CloseSuspended) }},
		Client: clientapi.API{Accounts: accounts, SSO: signIn, SignedIn: told},
		Socket: socket.Socket{Accounts: accounts, Relay: upgraded{hub}},
		Mounts: []web.Mount{{Prefix: webmedia.Prefix, MaxBody: webmedia.MaxBody, Time: webmedia.RequestTime,
			Routes: webmedia.API{Accounts: accounts, Blobs: blobs}.Routes}},
		Limits:         shared.sends,
		Ready:          readiness(dbs.web, &draining),
		Log:            log,
		Metrics:        metrics,
		TrustedProxies: c.proxies,
	})
	return p.listen(ctx, c, log, server.Handler(), web.Private(metrics), func(ctx context.Context) {
		draining.Store(true)
		hub.Drain(ctx)
	})
}

// tickets are those of accounts, under the relay's name for using one.
type tickets struct{ *account.Service }

func (t tickets) Redeem(ctx context.Context, id tenant.ID, ticket []byte) (account.Who, error) {
	return t.UseTicket(ctx, id, ticket)
}

// upgraded hands WebSockets to the hub.
type upgraded struct{ hub *relay.Hub }

func (u upgraded) Serve(ctx context.Context, conn *websocket.Conn, id tenant.ID, who *account.Who) {
	u.hub.Serve(ctx, relay.NewSocket(conn), id, who)
}

func pages(tenants *registry.Operator) func(context.Context, tenant.ID, int) ([]tenant.ID, error) {
	return func(ctx context.Context, after tenant.ID, limit int) ([]tenant.ID, error) {
		list, err := tenants.List(ctx, after, limit)
		ids := make([]tenant.ID, len(list))
		for i, t := range list {
			ids[i] = t.ID
		}
		return ids, err
	}
}

var errDraining = errors.New("the server stops")

// readyTime bounds how long a probe waits for the database.
const readyTime = 2 * time.Second

func readiness(db *tenant.DB, draining *atomic.Bool) func(context.Context) error {
	return func(ctx context.Context) error {
		if draining.Load() {
			return errDraining
		}
		ctx, cancel := context.WithTimeout(ctx, readyTime)
		defer cancel()
		return db.Ping(ctx)
	}
}
