package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"
)

const (
	serverPID     = "server.pid"
	serverProgram = "bin/sotto-server"
	serverLog     = "server.log"

	// readyPatience bounds the start, migrations included; it takes a second.
	readyPatience = 60 * time.Second
	// drainPatience is longer than the server takes to let go of its sockets.
	drainPatience = 30 * time.Second
)

// startServer builds the server and runs it as it runs in production: one binary,
// settings from the environment, JSON in the log.
func startServer(ctx context.Context, o options, h *home, d database, redis string, at addresses, parts *parts) error {
	program := h.path(serverProgram)
	// Go asks git for the revision and fails in a checkout that another user owns.
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./cmd/server")
	build.Dir = o.project
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, out)
	}
	settings, err := serverSettings(h, d, redis, at)
	if err != nil {
		return err
	}
	log, err := openLog(h.path(serverLog))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "serve")
	cmd.Dir = h.dir
	cmd.Env = append(inherited(), settings...)
	p, err := startProcess(cmd, log, log, h.path(serverPID))
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	parts.add(part{"server", p.done, func() error { return p.stop(drainPatience) }})
	if err := awaitReady(ctx, "http://"+at.chatListen()+"/readyz", p.done); err != nil {
		return fmt.Errorf("start the server: %w; its log %s ends with:\n%s", err, h.path(serverLog), logEnd(h.path(serverLog)))
	}
	return nil
}

// inherited is what the server needs of our environment: a setting that somebody
// exported for another Sotto must not reach this one.
func inherited() (env []string) {
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func serverSettings(h *home, d database, redis string, at addresses) ([]string, error) {
	masters, err := h.masterKeys()
	if err != nil {
		return nil, err
	}
	return []string{
		"DATABASE_URL=" + d.url("app_web"),
		"REDIS_URL=" + redis,
		"MASTER_KEYS=" + masters,
		"LISTEN=" + at.chatListen(),
		"MEDIA_DIR=" + h.path("media"),
		"TEST_EGRESS_ALLOW=" + at.demoHost(),
	}, nil
}

// awaitReady asks until the server says that it is ready.
func awaitReady(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if isReady(ctx, address) {
			return nil
		}
		select {
		case <-again.C:
		case <-ended:
			return errors.New("it ended at its start")
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", readyPatience, ctx.Err())
		}
	}
}

func isReady(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
