package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// redisPatience bounds the start: nothing is loaded, because hints are all that
// Redis holds.
const redisPatience = 10 * time.Second

// redisSocket is the socket's name in the place.
const redisSocket = "redis.sock"

// startRedis starts a private Redis on a Unix socket where one is installed. It
// returns the server's setting for it, "" for the bus in memory.
func startRedis(ctx context.Context, place string, parts *parts, say func(string)) (setting string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		say("Redis is not installed: one node needs none, hints stay in memory")
		return "", nil
	}
	socket := filepath.Join(place, redisSocket)
	logPath := filepath.Join(place, "redis.log")
	log, err := openLog(logPath)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", place, "--daemonize", "no")
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

// stopLeftRedis ends a Redis that an earlier run left. Its socket knows it better
// than its process number: nobody else listens there.
func stopLeftRedis(place string, say func(string)) error {
	socket := filepath.Join(place, redisSocket)
	conn, err := net.DialTimeout("unix", socket, redisPatience)
	if err == nil {
		say("stopping the Redis that an earlier run left")
		defer conn.Close()
		err = errors.Join(conn.SetDeadline(time.Now().Add(redisPatience)), shutdown(conn))
		if err != nil {
			return fmt.Errorf("stop the Redis of an earlier run: %w", err)
		}
	}
	return os.RemoveAll(socket)
}

// shutdown asks Redis to end; the connection ends with it, any answer is a refusal.
func shutdown(conn net.Conn) error {
	if _, err := io.WriteString(conn, "SHUTDOWN NOSAVE\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 256))
	if len(answer) > 0 {
		return fmt.Errorf("it answered %q", answer)
	}
	if errors.Is(err, syscall.ECONNRESET) {
		return nil // it ended as well
	}
	return err
}
