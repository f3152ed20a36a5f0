package relay

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// inbox collects what a bus brings.
type inbox struct {
	mu     sync.Mutex
	hints  []Hint
	missed int
	news   chan struct{}
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1024)} }

func (i *inbox) Heard(h []Hint) {
	i.mu.Lock()
	i.hints = append(i.hints, h...)
	i.mu.Unlock()
	i.news <- struct{}{}
}

func (i *inbox) Missed() {
	i.mu.Lock()
	i.missed++
	i.mu.Unlock()
	i.news <- struct{}{}
}

// until waits for a state of the inbox.
func (i *inbox) until(t *testing.T, what string, ok func(hints []Hint, missed int) bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		i.mu.Lock()
		done := ok(i.hints, i.missed)
		i.mu.Unlock()
		if done {
			return
		}
		select {
		case <-i.news:
		case <-timeout:
			t.Fatalf("did not come: %s", what)
		}
	}
}

type busAndPresence interface {
	Bus
	Presence
}

func ownerOf(id tenant.ID, d messaging.DeviceID) Owner {
	return Owner{id, messaging.Address{Account: messaging.NewAccountID(), Device: d}}
}

// conformance is what every bus must do. It returns with two nodes running.
func conformance(t *testing.T, bus busAndPresence) (a, b *inbox) {
	t.Helper()
	a, b = newInbox(), newInbox()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() { bus.Run(ctx, "aa", a) })
	wg.Go(func() { bus.Run(ctx, "bb", b) })
	for _, in := range []*inbox{a, b} {
		in.until(t, "word that the node is reachable", func(_ []Hint, missed int) bool { return missed > 0 })
	}
	if !bus.Healthy() {
		t.Error("not healthy")
	}
	id := tenant.NewID()
	x, y := ownerOf(id, 1), ownerOf(id, 2)
	many := make([]Hint, 3*maxHints)
	for i := range many {
		many[i] = Hint{Kind: HintWake, To: x, At: int64(i + 1)}
	}
	if err := bus.Publish(ctx, "bb", many); err != nil {
		t.Fatal(err)
	}
	b.until(t, "hints in their order", func(h []Hint, _ int) bool {
		return len(h) == len(many) && slices.IsSortedFunc(h, func(p, q Hint) int { return int(p.At - q.At) })
	})
	last := Hint{Kind: HintFrame, To: y, Frame: []byte("frame")}
	if err := bus.Publish(ctx, Everyone, []Hint{last}); err != nil {
		t.Fatal(err)
	}
	a.until(t, "what is for everyone, and nothing else", func(h []Hint, _ int) bool {
		return len(h) == 1 && h[0].To == y && string(h[0].Frame) == "frame"
	})
	presenceConformance(t, bus, x, y)
	return a, b
}

func presenceConformance(t *testing.T, p Presence, x, y Owner) {
	t.Helper()
	ctx := t.Context()
	other := Owner{tenant.NewID(), x.Address} // the same account and device of another tenant
	check := func(what string, got []NodeID, err error, want ...NodeID) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: expected %q, got %q, %v", what, want, got, err)
		}
	}
	got, err := p.Settle(ctx, "aa", []Owner{x, y})
	check("first", got, err, "", "")
	got, err = p.Settle(ctx, "bb", []Owner{x})
	check("took over", got, err, "aa")
	got, err = p.Locate(ctx, []Owner{x, y, other})
	check("located", got, err, "bb", "aa", "")
	got, err = p.Refresh(ctx, "aa", []Owner{x, y, other})
	check("refreshed", got, err, "bb", "aa", "aa")
	if err := p.Leave(ctx, "aa", []Owner{x, y, other}); err != nil {
		t.Error(err)
	}
	got, err = p.Locate(ctx, []Owner{x, y, other})
	check("left", got, err, "bb", "", "")
}

func TestMemoryBus(t *testing.T) {
	t.Parallel()
	conformance(t, NewMemoryBus())
}

func startRedis(t *testing.T) (start func() *exec.Cmd, client *redis.Client) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	socket := filepath.Join(t.TempDir(), "r")
	client = redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() { client.Close() })
	return func() *exec.Cmd {
		cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		for deadline := time.Now().Add(20 * time.Second); client.Ping(t.Context()).Err() != nil; {
			if time.Now().After(deadline) {
				t.Fatal("Redis does not answer")
			}
		}
		return cmd
	}, client
}

func missedCount(i *inbox) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.missed
}

// A Redis that forgot everything, or was away, says so by itself.
func TestRedisBus(t *testing.T) {
	t.Parallel()
	start, client := startRedis(t)
	cmd := start()
	bus := NewRedisBus(client, time.Now)
	a, _ := conformance(t, bus)
	a.until(t, "a first beat", func([]Hint, int) bool {
		return client.Exists(t.Context(), alivePrefix+"aa").Val() == 1 || !bus.Healthy()
	})
	before := missedCount(a)
	client.FlushAll(t.Context())
	a.until(t, "word of the lost memory", func(_ []Hint, missed int) bool { return missed > before })
	before = missedCount(a)
	cmd.Process.Kill()
	cmd.Wait()
	if err := bus.Publish(t.Context(), "aa", []Hint{{Kind: HintWake}}); err == nil {
		t.Error("published to a dead Redis")
	}
	start()
	a.until(t, "word of the new connection", func(_ []Hint, missed int) bool { return missed > before })
}

// TI-15: names are made of hexadecimal and words of ours only.
func TestPresenceKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		for d := range messaging.DeviceID(3) {
			o := ownerOf(tenant.NewID(), d)
			key := presenceKey(o)
			if seen[key] || len(key) != len(presencePrefix)+32+1+32+2 {
				t.Errorf("key %q", key)
			}
			seen[key] = true
		}
	}
}

func FuzzHints(f *testing.F) {
	id := tenant.ID{1}
	two := appendHint(nil, &Hint{Kind: HintWake, To: Owner{id, messaging.Address{Device: 1}}, At: 5})
	two = appendHint(two, &Hint{Kind: HintCut, To: Owner{Tenant: id}, Code: wire.CloseSuspended, moved: true})
	f.Add(two)
	f.Add(appendHint(nil, &Hint{Kind: HintFrame, Frame: []byte("frame")}))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, hintHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		hints, err := parseHints(b)
		if err != nil {
			return
		}
		var again []byte
		for i := range hints {
			again = appendHint(again, &hints[i])
		}
		if second, err := parseHints(again); err != nil || len(second) != len(hints) {
			t.Errorf("printed and read again: %d hints of %d, %v", len(second), len(hints), err)
		}
	})
}
