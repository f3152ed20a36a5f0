package limit

import (
	"context"
	"sync"
	"time"
)

// maxKeys bounds the memory of a Memory; above it keys at rest are dropped.
const maxKeys = 1 << 17

// Memory limits what reaches this process.
type Memory struct {
	now func() time.Time

	mu   sync.Mutex
	full map[Key]time.Time // when the key is at rest again: the theoretical arrival time
}

// NewMemory makes a limiter; now is the server's clock.
func NewMemory(now func() time.Time) *Memory { return &Memory{now: now, full: map[Key]time.Time{}} }

// Take is Limiter's.
func (m *Memory) Take(_ context.Context, key Key, rate Rate, n int) time.Duration {
	if rate.Every <= 0 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	at := m.full[key]
	if at.Before(now) || at.Sub(now) > rate.tolerance() { // further ahead than it can be: the clock stepped back
		at = now
	}
	at = at.Add(rate.Every * time.Duration(n))
	if wait := at.Sub(now) - rate.tolerance(); wait > 0 {
		return wait
	}
	if len(m.full) >= maxKeys {
		m.drop(now)
	}
	m.full[key] = at
	return 0
}

// drop forgets keys at rest, and everything when all are busy: for a moment
// that allows more, and never takes more memory.
func (m *Memory) drop(now time.Time) {
	for key, at := range m.full {
		if !at.After(now) {
			delete(m.full, key)
		}
	}
	if len(m.full) >= maxKeys {
		clear(m.full)
	}
}
