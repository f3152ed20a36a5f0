package limit_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/tenant"
)

func key(what string) limit.Key { return limit.NewKey(tenant.NewID(), what, 1, 2, 3) }

// The rate is so slow that the test's own time does not matter.
func conformance(t *testing.T, l limit.Limiter) {
	rate := limit.PerHour(1, 5)
	a, b := key("a"), key("a")
	for i := range 5 {
		if wait := l.Take(t.Context(), a, rate, 1); wait != 0 {
			t.Errorf("take %d: wait %v", i, wait)
		}
	}
	if wait := l.Take(t.Context(), a, rate, 1); wait < 59*time.Minute || wait > time.Hour {
		t.Errorf("above the burst: wait %v", wait)
	}
	if wait := l.Take(t.Context(), b, rate, 6); wait < 59*time.Minute {
		t.Errorf("more than the burst at once: wait %v", wait)
	}
	if wait := l.Take(t.Context(), b, rate, 5); wait != 0 {
		t.Errorf("what was refused has been taken: wait %v", wait)
	}
	if wait := l.Take(t.Context(), b, limit.Rate{}, 1000); wait != 0 {
		t.Errorf("no rate: wait %v", wait)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	c, taken := key("a"), 0
	for range 50 {
		wg.Go(func() {
			if l.Take(t.Context(), c, rate, 1) == 0 {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if taken != 5 {
		t.Errorf("50 at once: %d taken of 5", taken)
	}
}

func TestMemory(t *testing.T) { conformance(t, limit.NewMemory(time.Now)) }

func TestMemoryRefills(t *testing.T) {
	now := time.Unix(1000, 0)
	m := limit.NewMemory(func() time.Time { return now })
	k, rate := key("a"), limit.PerSecond(10, 2)
	for _, step := range []struct {
		after time.Duration
		wait  time.Duration
	}{{0, 0}, {0, 0}, {0, 100 * time.Millisecond}, {60 * time.Millisecond, 40 * time.Millisecond}, {40 * time.Millisecond, 0}, {time.Hour, 0}, {0, 0}, {0, 100 * time.Millisecond}} {
		now = now.Add(step.after)
		if wait := m.Take(t.Context(), k, rate, 1); wait != step.wait {
			t.Errorf("at %v: expected to wait %v, got %v", now.Sub(time.Unix(1000, 0)), step.wait, wait)
		}
	}
}

// MBX-14: a clock that steps back locks nobody out.
func TestMemoryClockStepsBack(t *testing.T) {
	now := time.Unix(10_000, 0)
	m := limit.NewMemory(func() time.Time { return now })
	k, rate := key("a"), limit.PerSecond(10, 2)
	m.Take(t.Context(), k, rate, 2)
	now = now.Add(-time.Hour)
	if wait := m.Take(t.Context(), k, rate, 1); wait != 0 {
		t.Errorf("wait %v", wait)
	}
}

func startRedis(t *testing.T) (*redis.Client, *exec.Cmd) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	socket := filepath.Join(t.TempDir(), "r")
	server := exec.Command(binary, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() { client.Close() })
	for deadline := time.Now().Add(10 * time.Second); client.Ping(t.Context()).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("Redis does not answer")
		}
	}
	return client, server
}

func TestRedis(t *testing.T) {
	client, server := startRedis(t)
	l := limit.NewRedis(client, time.Now)
	conformance(t, l)
	second := limit.NewRedis(client, time.Now)
	k, rate := key("shared"), limit.PerHour(1, 2)
	if l.Take(t.Context(), k, rate, 1) != 0 || second.Take(t.Context(), k, rate, 1) != 0 || l.Take(t.Context(), k, rate, 1) == 0 {
		t.Error("two nodes do not share the limit")
	}
	server.Process.Kill()
	server.Wait()
	conformance(t, l) // each node for itself
}

// TI-15: what a stranger names cannot reach another key.
func TestKeysAreApart(t *testing.T) {
	id := tenant.NewID()
	seen := map[string]bool{}
	for _, subject := range []string{"", "a", "a:b", "*", "{x}", "\n", "a\x00", ":a"} {
		text := limit.NewKey(id, "open", []byte(subject)...).String()
		if seen[text] || strings.ContainsAny(text, "*{}\n") {
			t.Errorf("%q gives %q", subject, text)
		}
		seen[text] = true
	}
}
