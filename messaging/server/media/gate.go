package media

import (
	"sync"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// gate bounds the transfers of this node: a connection, a file and buffers
// each, for as long as a slow client likes.
type gate struct {
	all, tenant, each int // ceilings

	mu       sync.Mutex
	total    int
	ofTenant map[tenant.ID]int
	of       map[holder]int
}

type holder struct {
	tenant  tenant.ID
	account messaging.AccountID
}

func newGate(all, ofTenant, each int) *gate {
	return &gate{all: all, tenant: ofTenant, each: each, ofTenant: map[tenant.ID]int{}, of: map[holder]int{}}
}

// enter takes a place; leave gives it back and is called once.
func (g *gate) enter(id tenant.ID, account messaging.AccountID) (leave func(), err error) {
	h := holder{id, account}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[h] >= g.each {
		return nil, ErrTooMany
	}
	if g.total >= g.all || g.ofTenant[id] >= g.tenant {
		return nil, ErrBusy
	}
	g.of[h]++
	g.ofTenant[id]++
	g.total++
	return func() { g.leave(h) }, nil
}

func (g *gate) leave(h holder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.ofTenant[h.tenant]--; g.ofTenant[h.tenant] == 0 {
		delete(g.ofTenant, h.tenant)
	}
	if g.of[h]--; g.of[h] == 0 {
		delete(g.of, h)
	}
}
