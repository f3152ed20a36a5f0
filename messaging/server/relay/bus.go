package relay

import "context"

// NodeID names a node of the server while it runs: random, without meaning.
type NodeID string

// Everyone addresses all nodes.
const Everyone NodeID = ""

// Inbox takes what a bus brings.
type Inbox interface {
	// Heard takes hints for this node.
	Heard([]Hint)
	// Missed says that hints, or the knowledge where devices are, may have been lost.
	Missed()
}

// Bus carries hints between nodes. Nothing depends on its working.
type Bus interface {
	// Run brings hints for a node until ctx ends.
	Run(ctx context.Context, node NodeID, in Inbox)
	// Publish sends hints to one node, or to Everyone.
	Publish(ctx context.Context, to NodeID, hints []Hint) error
	// Healthy reports whether hints arrive. When not, mailboxes are looked at more often.
	Healthy() bool
}

// Presence knows which node holds a device's connection. What it does not know
// is not woken, and looks by itself.
type Presence interface {
	// Settle notes that devices are here now, and returns where each was before.
	Settle(ctx context.Context, node NodeID, devices []Owner) (before []NodeID, err error)
	// Refresh keeps what Settle noted from expiring, and returns where each
	// device is: somewhere else when a newer connection took it over.
	Refresh(ctx context.Context, node NodeID, devices []Owner) (at []NodeID, err error)
	// Leave forgets devices that are still noted here.
	Leave(ctx context.Context, node NodeID, devices []Owner) error
	// Locate returns the node of each device, "" when there is none.
	Locate(ctx context.Context, devices []Owner) (at []NodeID, err error)
}
