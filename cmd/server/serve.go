package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
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

	dbs, err := openDatabases(ctx, c)
	if err != nil {
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
	defer dbs.close()
	out, err := egress.New(egress.Config{Allow: c.egressAllow})
	if err != nil {
		return fmt.Errorf("%w TEST_EGRESS_ALLOW: %w", errSetting, err)
	}

	now := c.now()
	secrets := secret.New(c.masters)
	sites := registry.New(dbs.web, now)
	tenants := registry.NewOperator(dbs.operator, now)
	accounts := account.New(dbs.web, secrets, now)
	invites := invite.New(secrets, now)
	signIn := sso.New(sso.Config{DB: dbs.web, Secrets: secrets, Egress: out, Now: now})
	webhooks := webhook.New(secrets, out, now)
	deliverer := &webhook.Deliverer{DB: dbs.worker, Secrets: secrets, Client: out, Now: now, Log: log, Tenants: pages(tenants)}

	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var draining atomic.Bool
	server := web.New(web.Deps{
		Sites:  sites,
		Public: public.Pages{DB: dbs.web, Accounts: accounts, Invites: invites, SSO: signIn, Words: words.All()},
		API: api.API{DB: dbs.web, Secrets: secrets, Keys: apikey.New(now), Once: once.New(now), Accounts: accounts, Invites: invites,
			Webhooks: webhooks, Cut: func(tenant.ID, messaging.AccountID) {}, Wake: deliverer.Wake},
		Client:         clientapi.API{Accounts: accounts, SSO: signIn},
		Socket:         socket.Socket{Accounts: accounts},
		Ready:          readiness(dbs.web, &draining),
		Log:            log,
		Metrics:        metrics,
		TrustedProxies: c.proxies,
	})

	var jobs sync.WaitGroup
	jobsCtx, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	jobs.Go(func() { deliverer.Run(jobsCtx) })
	defer func() { stopJobs(); jobs.Wait() }()

	return p.listen(ctx, c, log, server.Handler(), web.Private(metrics), func() { draining.Store(true) })
}

// databases are the pools, one a role.
type databases struct {
	web, worker *tenant.DB
	operator    *tenant.Operator
}

func openDatabases(ctx context.Context, c config) (d databases, err error) {
	at := func(url string) tenant.Config {
		return tenant.Config{URL: url, MaxConns: c.conns, AllowUnsafeDurability: c.unsafeDurability}
	}
	if d.web, err = tenant.Open(ctx, at(c.web)); err != nil {
		return d, err
	}
	if d.worker, err = tenant.Open(ctx, at(c.worker)); err != nil {
		d.close()
		return d, err
	}
	if d.operator, err = tenant.OpenOperator(ctx, at(c.operator)); err != nil {
		d.close()
	}
	return d, err
}

func (d databases) close() {
	if d.operator != nil {
		d.operator.Close()
	}
	if d.worker != nil {
		d.worker.Close()
	}
	if d.web != nil {
		d.web.Close()
	}
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

// listening is the one line on standard output.
type listening struct {
	Listening string `json:"listening"`
	Metrics   string `json:"metrics,omitempty"`
}

// listen serves until ctx ends, then drains and stops within the drain time.
func (p program) listen(ctx context.Context, c config, log *slog.Logger, handler, private http.Handler, drain func()) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("%w LISTEN: %w", errSetting, err)
	}
	line := listening{Listening: listener.Addr().String()}
	servers := []*http.Server{web.HTTPServer(handler, log)}
	listeners := []net.Listener{listener}
	if c.metrics != "" {
		extra, err := config.Listen(ctx, "tcp", c.metrics)
		if err != nil {
			listener.Close()
			return fmt.Errorf("%w METRICS_LISTEN: %w", errSetting, err)
		}
		line.Metrics = extra.Addr().String()
		// Profiles take longer than answers to the public.
		servers = append(servers, &http.Server{Handler: private, ReadHeaderTimeout: 5 * time.Second})
		listeners = append(listeners, extra)
	}
	ended := make(chan error, len(servers))
	for i, s := range servers {
		go func() { ended <- s.Serve(listeners[i]) }()
	}
	if err := json.NewEncoder(p.stdout).Encode(line); err != nil {
		return err
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		log.Info("draining", "seconds", c.drain.Seconds())
		drain()
	}
	return errors.Join(ignoreClosed(err), shutDown(ctx, c.drain, servers))
}

func shutDown(ctx context.Context, wait time.Duration, servers []*http.Server) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(ctx) != nil {
			err = errors.Join(err, s.Close()) // what is not done by now is cut off
		}
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
