package session

import (
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	// MaxArchived is how many earlier sessions a Record keeps (docs/protocol.md section 12.2).
	MaxArchived = 40
	// MaxUnacknowledged is how long a session that the peer never answered may
	// be used for sending; at exactly this age it still may (docs/protocol.md section 12.3).
	MaxUnacknowledged = 30 * 24 * time.Hour
)

// Party is the device that this process runs.
type Party struct {
	Address        messaging.Address
	RegistrationID uint32
	Identity       *key.IdentityPrivate
	Config         Config
}

// Config loosens what the product demands of a peer; its zero value is the
// product. Interop tests set it to speak with older builds of Signal's library.
type Config struct {
	// SPQR says whether a session needs the post-quantum ratchet. Required:
	// a message without it is refused. Optional: a peer without it is accepted
	// up to the first message received from it. Off: never used.
	SPQR Demand
	// Addresses says whether a handshake names the two devices it is between.
	// Required: one that does not is refused. Optional: named when sending,
	// checked when present. Off: neither named nor checked.
	Addresses Demand
}

// Demand is how much a party insists on one part of the protocol.
type Demand uint8

// The demands.
const (
	Required Demand = iota
	Optional
	Off
)

// Peer is the device at the other end: its address and the identity key that
// the device log lists for it.
type Peer struct {
	Address  messaging.Address
	Identity key.IdentityPublic
}

// Kind says what a Message holds. The numbers are Signal's and those of the
// wire's EnvelopeType.
type Kind uint8

// The kinds.
const (
	// KindSignal is a message in a session that the peer has answered in.
	KindSignal Kind = 2
	// KindPreKey is a message that carries its session's handshake.
	KindPreKey Kind = 3
)

// Message is what travels: Body is opaque to everyone but the two devices.
type Message struct {
	Kind Kind
	Body []byte
}
