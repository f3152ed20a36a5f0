package relay

import (
	"context"
	"sync"
)

// MemoryBus is Bus and Presence within one process: what one node needs, and
// several in a test.
type MemoryBus struct {
	mu    sync.Mutex
	nodes map[NodeID]Inbox
	at    map[Owner]NodeID
}

// NewMemoryBus makes a bus.
func NewMemoryBus() *MemoryBus {
	return &MemoryBus{nodes: map[NodeID]Inbox{}, at: map[Owner]NodeID{}}
}

// Run is Bus's.
func (b *MemoryBus) Run(ctx context.Context, node NodeID, in Inbox) {
	b.mu.Lock()
	b.nodes[node] = in
	b.mu.Unlock()
	in.Missed() // what was published before is lost
	<-ctx.Done()
	b.mu.Lock()
	delete(b.nodes, node)
	b.mu.Unlock()
}

// Publish is Bus's.
func (b *MemoryBus) Publish(_ context.Context, to NodeID, hints []Hint) error {
	b.mu.Lock()
	inboxes := make([]Inbox, 0, 1)
	for node, in := range b.nodes {
		if to == Everyone || node == to {
			inboxes = append(inboxes, in)
		}
	}
	b.mu.Unlock()
	for _, in := range inboxes {
		in.Heard(hints)
	}
	return nil
}

// Healthy is Bus's.
func (b *MemoryBus) Healthy() bool { return true }

// Settle is Presence's.
func (b *MemoryBus) Settle(_ context.Context, node NodeID, devices []Owner) ([]NodeID, error) {
	return b.each(devices, func(d Owner, was NodeID) NodeID { b.at[d] = node; return was })
}

// Refresh is Presence's.
func (b *MemoryBus) Refresh(_ context.Context, node NodeID, devices []Owner) ([]NodeID, error) {
	return b.each(devices, func(d Owner, was NodeID) NodeID {
		if was == "" {
			b.at[d] = node
		}
		return b.at[d]
	})
}

// Leave is Presence's.
func (b *MemoryBus) Leave(_ context.Context, node NodeID, devices []Owner) error {
	_, err := b.each(devices, func(d Owner, was NodeID) NodeID {
		if was == node {
			delete(b.at, d)
		}
		return ""
	})
	return err
}

// Locate is Presence's.
func (b *MemoryBus) Locate(_ context.Context, devices []Owner) ([]NodeID, error) {
	return b.each(devices, func(_ Owner, was NodeID) NodeID { return was })
}

func (b *MemoryBus) each(devices []Owner, do func(Owner, NodeID) NodeID) ([]NodeID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]NodeID, len(devices))
	for i, d := range devices {
		out[i] = do(d, b.at[d])
	}
	return out, nil
}
