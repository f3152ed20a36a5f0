package limit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// redisTimeout bounds a question: a limiter must not become what is slow.
	redisTimeout = 100 * time.Millisecond
	// redisPause is how long Redis is left alone after it did not answer.
	redisPause = time.Second
	redisKeys  = "sotto:limit:"
)

// Redis limits what reaches all nodes together. While Redis does not answer
// each node limits for itself.
type Redis struct {
	client redis.UniversalClient
	local  *Memory
	now    func() time.Time
	resume atomic.Int64 // Unix nanoseconds until which Redis is left alone
}

// NewRedis makes a limiter; now is the server's clock, used while Redis is
// away and never sent to it.
func NewRedis(client redis.UniversalClient, now func() time.Time) *Redis {
	return &Redis{client: client, local: NewMemory(now), now: now}
}

// script is the algorithm on Redis's own clock, in microseconds. It returns how
// long to wait, 0 when the cells were taken. What lies further ahead than it can
// was left by a clock that stepped back.
var script = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
if at < now or at - now > tonumber(ARGV[2]) then at = now end
at = at + tonumber(ARGV[1])
local wait = at - now - tonumber(ARGV[2])
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
return 0`)

// Take is Limiter's.
func (r *Redis) Take(ctx context.Context, key Key, rate Rate, n int) time.Duration {
	if rate.Every <= 0 {
		return 0
	}
	if now := r.now().UnixNano(); now < r.resume.Load() {
		return r.local.Take(ctx, key, rate, n)
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	cost := rate.Every * time.Duration(n)
	wait, err := script.Run(ctx, r.client, []string{redisKeys + key.text}, cost.Microseconds(), rate.tolerance().Microseconds()).Int64()
	if err != nil {
		r.resume.Store(r.now().Add(redisPause).UnixNano())
		return r.local.Take(ctx, key, rate, n)
	}
	return time.Duration(wait) * time.Microsecond
}
