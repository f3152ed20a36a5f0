package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// redisPatience bounds the start: nothing is loaded, because hints are all that
// Redis holds.
const redisPatience = 10 * time.Second

// startRedis starts a private Redis on a Unix socket where one is installed. It
// returns the server's setting for it, "" for the bus in memory.
func startRedis(ctx context.Context, place string, parts *parts, say func(string)) (setting string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		say("Redis is not installed: one node needs none, hints stay in memory")
		return "", nil
	}
	socket := filepath.Join(place, "redis.sock")
	if err := os.RemoveAll(socket); err != nil {
		return "", err
	}
	logPath := filepath.Join(place, "redis.log")
	log, err := openLog(logPath)
	if err != nil {
		return "", err
	}
	defer log.Close()
	// The path stands on the command line, by which a later run knows the process
	// again; Redis 6.2 and later would show another one.
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", place, "--daemonize", "no", "--set-proc-title", "no")
	p, err := startProcess(cmd, log, log, filepath.Join(place, "redis.pid"))
	if err != nil {
		return "", fmt.Errorf("start Redis: %w", err)
	}
	parts.add(part{"Redis", p.done, func() error { return p.stop(redisPatience) }})
	if err := awaitSocket(ctx, socket, p.done); err != nil {
		return "", fmt.Errorf("start Redis: %w; its log %s ends with:\n%s", err, logPath, logEnd(logPath))
	}
	return "unix://" + socket, nil
}

// awaitSocket waits until something accepts at the socket.
func awaitSocket(ctx context.Context, socket string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-again.C:
		case <-ended:
			return errors.New("it ended at its start")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s: %w", redisPatience, err)
		}
	}
}
