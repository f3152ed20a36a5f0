package registry

import (
	"sync"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const (
	// lookupLife bounds how long a node goes on serving a tenant that another
	// node suspended, renamed or removed.
	lookupLife = 5 * time.Second
	// maxCached bounds each of the two halves of the cache. The known half holds
	// hosts that exist; a stranger who sends made-up names fills only the other.
	maxCached = 4096
)

// cache remembers answers to Lookup. Safe for many goroutines.
type cache struct {
	now func() time.Time

	mu      sync.Mutex
	changes uint64
	known   map[string]answer
	unknown map[string]answer
}

type answer struct {
	site  Site
	err   error
	until time.Time
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, known: map[string]answer{}, unknown: map[string]answer{}}
}

func (c *cache) get(host string) (Site, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, half := range []map[string]answer{c.known, c.unknown} {
		if a, ok := half[host]; ok && c.now().Before(a.until) {
			return a.site, a.err, true
		}
	}
	return Site{}, nil, false
}

// mark is taken before the database is asked: put drops an answer that was
// overtaken by forget.
func (c *cache) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

func (c *cache) put(mark uint64, host string, site Site, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != mark {
		return
	}
	half, other := c.known, c.unknown
	if err != nil {
		half, other = c.unknown, c.known
	}
	delete(other, host)
	if len(half) >= maxCached {
		clear(half) // all of it is at most lookupLife old: cheaper than to choose
	}
	half[host] = answer{site, err, c.now().Add(lookupLife)}
}

func (c *cache) forget(id tenant.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	clear(c.unknown)
	for host, a := range c.known {
		if a.site.Tenant == id {
			delete(c.known, host)
		}
	}
}
