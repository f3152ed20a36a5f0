package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// Made-up names push out made-up names, never a tenant's.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache(time.Now)
	id := tenant.NewID()
	c.put(c.mark(), "chat.example.com", Site{Tenant: id}, nil)
	for i := range 3 * maxCached {
		c.put(c.mark(), fmt.Sprint(i, ".example.com"), Site{}, ErrUnknown)
		if len(c.unknown) > maxCached {
			t.Fatalf("remembers %d names", len(c.unknown))
		}
	}
	if site, _, ok := c.get("chat.example.com"); !ok || site.Tenant != id {
		t.Error("a tenant's host was pushed out")
	}
}

// An answer that was read before a change and arrives after it is not kept.
func TestForgetOvertakesLookup(t *testing.T) {
	t.Parallel()
	c := newCache(time.Now)
	id := tenant.NewID()
	mark := c.mark()
	c.forget(id)
	c.put(mark, "chat.example.com", Site{Tenant: id}, nil)
	if _, _, ok := c.get("chat.example.com"); ok {
		t.Error("an overtaken answer is remembered")
	}
	other := tenant.NewID()
	c.put(c.mark(), "chat.example.com", Site{Tenant: id}, nil)
	c.put(c.mark(), "other.example.com", Site{Tenant: other}, nil)
	c.put(c.mark(), "none.example.com", Site{}, ErrUnknown)
	c.forget(id)
	for host, want := range map[string]bool{"chat.example.com": false, "other.example.com": true, "none.example.com": false} {
		if _, _, ok := c.get(host); ok != want {
			t.Errorf("%s: remembered %v", host, ok)
		}
	}
}
