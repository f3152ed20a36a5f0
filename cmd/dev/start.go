package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sottochat/sotto/cmd/dev/demohost"
)

// start brings everything up, from the database outwards, and adds each part as
// soon as it runs: when a later one fails, the earlier ones are stopped.
func start(ctx context.Context, o options, h *home, parts *parts, say func(string)) (world, error) {
	if err := h.clear(o.reset, say); err != nil {
		return world{}, err
	}
	place, err := h.choosePlace(say)
	if err != nil {
		return world{}, err
	}
	if err := h.stopLeftovers(place, say); err != nil {
		return world{}, err
	}
	say("starting PostgreSQL")
	d, err := startPostgres(ctx, place, parts, say)
	if err != nil {
		return world{}, err
	}
	redis, err := startRedis(ctx, place, parts, say)
	if err != nil {
		return world{}, err
	}
	at, err := h.chooseAddresses(o, say)
	if err != nil {
		return world{}, err
	}
	seeded, err := seed(ctx, h, d, at)
	if err != nil {
		return world{}, fmt.Errorf("prepare the demo: %w", err)
	}
	say("building and starting the server")
	if err := startServer(ctx, o, h, d, redis, at, parts); err != nil {
		return world{}, err
	}
	err = startDemoHost(at, seeded, h, parts)
	return world{o.project, at, h, place, redis != ""}, err
}

// clear stops what runs and deletes what is kept, when that is wanted.
func (h *home) clear(reset bool, say func(string)) error {
	if !reset {
		return nil
	}
	for _, place := range h.places() {
		if err := h.stopLeftovers(place, say); err != nil {
			return err
		}
	}
	say("deleting database, keys and logs of earlier runs")
	if err := h.removePlaces(); err != nil {
		return err
	}
	return h.reset()
}

// startDemoHost serves the website from this process.
func startDemoHost(at addresses, s seeded, h *home, parts *parts) error {
	log, err := openLog(h.path("demohost.log"))
	if err != nil {
		return err
	}
	site, err := demohost.New(s.config(at, slog.New(slog.NewJSONHandler(log, nil))))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", at.demoListen())
	if err != nil {
		return fmt.Errorf("serve the demo host: %w", err)
	}
	server := &http.Server{Handler: site.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends by Shutdown or with the listener
	}()
	parts.add(part{"demo host", done, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Shutdown(ctx)
		<-done
		return errors.Join(err, log.Close())
	}})
	return nil
}
