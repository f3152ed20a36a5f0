package session

import (
	"crypto/subtle"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/ratchet"
)

const (
	// addressKind is Signal's number for an account's plain identifier.
	addressKind = 0
	// addressesSize is two times a kind, an account and a device.
	addressesSize = 2 * (1 + len(messaging.AccountID{}) + 1)
)

// addresses is the field that names sender and recipient of a handshake
// (docs/protocol.md section 9.5), so that a server cannot relabel one.
func addresses(sender, recipient messaging.Address) []byte {
	b := make([]byte, 0, addressesSize)
	for _, a := range []messaging.Address{sender, recipient} {
		b = append(b, addressKind)
		b = append(b, a.Account[:]...)
		b = append(b, byte(a.Device))
	}
	return b
}

// outgoing returns the addresses of a message that carries a handshake.
func (p *Party) outgoing(peer Peer) []byte {
	if p.Config.Addresses == Off {
		return nil
	}
	return addresses(p.Address, peer.Address)
}

// checkAddresses compares the addresses in m with those that it was delivered
// between. The message's MAC, checked later, proves them.
func (p *Party) checkAddresses(peer Peer, m *ratchet.Message, demanded bool) error {
	if p.Config.Addresses == Off || len(m.Addresses) == 0 && !demanded {
		return nil
	}
	if subtle.ConstantTimeCompare(m.Addresses, addresses(peer.Address, p.Address)) != 1 {
		return messaging.Invalid(ErrAddress)
	}
	return nil
}
