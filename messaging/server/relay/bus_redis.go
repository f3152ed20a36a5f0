package relay

import (
	"context"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// Names hold only hexadecimal and our own words, so that no tenant's data can
	// make one that is another's.
	channelPrefix  = "sotto:node:"
	everyone       = "sotto:nodes"
	presencePrefix = "sotto:at:"
	alivePrefix    = "sotto:alive:"

	// presenceLife is how long a device is taken to be where it was; nodes
	// refresh at a third of it.
	presenceLife = 10 * time.Minute
	// beatEvery is how often a node asks whether it hears itself, and beatsLost
	// how long without that the bus counts as unhealthy.
	beatEvery = time.Second
	beatsLost = 3 * time.Second
	// redisTimeout bounds a call: hints that come late are worth no wait.
	redisTimeout = 500 * time.Millisecond
)

// RedisBus is Bus and Presence for several nodes. Nothing is stored but where
// devices are, and that expires.
type RedisBus struct {
	client redis.UniversalClient
	now    func() time.Time
	heard  atomic.Int64 // Unix nanoseconds of the last beat that came back
}

// NewRedisBus makes a bus; now is the server's clock.
func NewRedisBus(client redis.UniversalClient, now func() time.Time) *RedisBus {
	return &RedisBus{client: client, now: now}
}

// Run is Bus's. Whenever Redis confirms a subscription, the first or one after
// a lost connection, and whenever its memory was lost, the node is told that it
// missed something.
func (b *RedisBus) Run(ctx context.Context, node NodeID, in Inbox) {
	sub := b.client.Subscribe(ctx, channelPrefix+string(node), everyone)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(beatEvery))
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	beats := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() { // a beat may wait for Redis, and messages must not wait for it
		defer close(done)
		for range beats {
			b.beat(ctx, node, in)
		}
	}()
	defer func() { close(beats); <-done }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			select {
			case beats <- struct{}{}:
			default:
			}
		case m, ok := <-messages:
			if !ok {
				return
			}
			b.take(m, in)
		}
	}
}

func (b *RedisBus) take(m any, in Inbox) {
	switch m := m.(type) {
	case *redis.Subscription:
		b.heard.Store(b.now().UnixNano())
		in.Missed()
	case *redis.Message:
		hints, err := parseHints([]byte(m.Payload))
		if err != nil {
			return
		}
		if len(hints) == 1 && hints[0].Kind == hintBeat {
			b.heard.Store(b.now().UnixNano())
			return
		}
		in.Heard(hints)
	}
}

// beat publishes to the node itself, and leaves a mark whose absence shows that
// Redis lost its memory.
func (b *RedisBus) beat(ctx context.Context, node NodeID, in Inbox) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	mark := alivePrefix + string(node)
	was, err := b.client.SetArgs(ctx, mark, "1", redis.SetArgs{TTL: presenceLife, Get: true}).Result()
	if err == redis.Nil || err == nil && was == "" {
		in.Missed()
	}
	_ = b.Publish(ctx, node, []Hint{{Kind: hintBeat}})
}

// Healthy is Bus's.
func (b *RedisBus) Healthy() bool {
	return b.now().Sub(time.Unix(0, b.heard.Load())) < beatsLost
}

// Publish is Bus's.
func (b *RedisBus) Publish(ctx context.Context, to NodeID, hints []Hint) error {
	channel := everyone
	if to != Everyone {
		channel = channelPrefix + string(to)
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	for len(hints) > 0 {
		var packed []byte
		n := 0
		for n < len(hints) && n < maxHints && len(packed) < packedBytes {
			packed = appendHint(packed, &hints[n])
			n++
		}
		if err := b.client.Publish(ctx, channel, packed).Err(); err != nil {
			return err
		}
		hints = hints[n:]
	}
	return nil
}

// packedBytes ends a message on the bus; one frame may reach over it.
const packedBytes = 64 << 10

func presenceKey(d Owner) string {
	return presencePrefix + hex.EncodeToString(d.Tenant[:]) + ":" + hex.EncodeToString(d.Account[:]) + ":" + strconv.Itoa(int(d.Device))
}

// Each script sees one key: argument 1 is the node, 2 the life in seconds.
const (
	settle  = `local was = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) return was or ''`
	refresh = `local was = redis.call('GET', KEYS[1]) if not was or was == ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) return ARGV[1] end return was`
	leave   = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return ''`
)

// Settle is Presence's.
func (b *RedisBus) Settle(ctx context.Context, node NodeID, devices []Owner) ([]NodeID, error) {
	return b.each(ctx, settle, node, devices)
}

// Refresh is Presence's.
func (b *RedisBus) Refresh(ctx context.Context, node NodeID, devices []Owner) ([]NodeID, error) {
	return b.each(ctx, refresh, node, devices)
}

// Leave is Presence's.
func (b *RedisBus) Leave(ctx context.Context, node NodeID, devices []Owner) error {
	_, err := b.each(ctx, leave, node, devices)
	return err
}

// each runs a script for every device in one round trip; each key stands alone,
// so that they may lie on any node of a cluster.
func (b *RedisBus) each(ctx context.Context, script string, node NodeID, devices []Owner) ([]NodeID, error) {
	return b.pipeline(ctx, devices, func(p redis.Pipeliner, key string) func() (string, error) {
		return p.Eval(ctx, script, []string{key}, string(node), int(presenceLife/time.Second)).Text
	})
}

// Locate is Presence's.
func (b *RedisBus) Locate(ctx context.Context, devices []Owner) ([]NodeID, error) {
	return b.pipeline(ctx, devices, func(p redis.Pipeliner, key string) func() (string, error) { return p.Get(ctx, key).Result })
}

func (b *RedisBus) pipeline(ctx context.Context, devices []Owner, queue func(redis.Pipeliner, string) func() (string, error)) ([]NodeID, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	p := b.client.Pipeline()
	results := make([]func() (string, error), len(devices))
	for i, d := range devices {
		results[i] = queue(p, presenceKey(d))
	}
	if _, err := p.Exec(ctx); err != nil && err != redis.Nil {
		return nil, err
	}
	out := make([]NodeID, len(devices))
	for i, result := range results {
		text, err := result()
		if err != nil && err != redis.Nil {
			return nil, err
		}
		out[i] = NodeID(text)
	}
	return out, nil
}
