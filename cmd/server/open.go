package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/messaging/server/relay"
	"github.com/sottochat/sotto/tenant"
)

// databases are the pools, one a role.
type databases struct {
	web, worker *tenant.DB
	relay       *tenant.RelayDB
	operator    *tenant.Operator
}

func openDatabases(ctx context.Context, c config) (d databases, err error) {
	at := func(url string) tenant.Config {
		return tenant.Config{URL: url, MaxConns: c.conns, AllowUnsafeDurability: c.unsafeDurability}
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.web, err = tenant.Open(ctx, at(c.web)); err != nil {
		return d, err
	}
	if d.worker, err = tenant.Open(ctx, at(c.worker)); err != nil {
		return d, err
	}
	if d.relay, err = tenant.OpenRelay(ctx, at(c.relay)); err != nil {
		return d, err
	}
	d.operator, err = tenant.OpenOperator(ctx, at(c.operator))
	return d, err
}

func (d databases) close() {
	if d.operator != nil {
		d.operator.Close()
	}
	if d.relay != nil {
		d.relay.Close()
	}
	if d.worker != nil {
		d.worker.Close()
	}
	if d.web != nil {
		d.web.Close()
	}
}

// busAndPresence is how nodes hear of each other.
type busAndPresence interface {
	relay.Bus
	relay.Presence
}

// shared is what nodes have in common: in Redis, or in memory for one node.
type shared struct {
	bus         busAndPresence
	sends, asks limit.Limiter
	close       func()
}

// openShared does not wait for Redis: it holds hints only, and the server works
// without it until it is back.
func openShared(c config, now func() time.Time) (shared, error) {
	memory := limit.NewMemory(now)
	if c.redis == "" {
		return shared{relay.NewMemoryBus(), memory, memory, func() {}}, nil
	}
	options, err := redis.ParseURL(c.redis)
	if err != nil {
		return shared{}, fmt.Errorf("%w REDIS_URL: expected a Redis URI, received one that does not parse", errSetting)
	}
	client := redis.NewClient(options)
	return shared{relay.NewRedisBus(client, now), memory, limit.NewRedis(client, now), func() { client.Close() }}, nil
}
