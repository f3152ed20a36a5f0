//go:build !js

package interop_test

import (
	"encoding/hex"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
)

// end is one of two devices that talk: ours or the peer's. An error is a refusal;
// everything else that goes wrong ends the test.
type end interface {
	String() string
	address() messaging.Address
	bundle(offer) bundle
	start(bundle) error
	encrypt(plaintext []byte) (session.Message, error)
	decrypt(session.Message) ([]byte, error)
	// archive puts the current session aside, forget loses all.
	archive()
	forget()
	// wait moves the end's clock forward.
	wait(time.Duration)
}

// offer is what a bundle is made of.
type offer struct{ oneTime, lastResort bool }

func (o offer) String() string {
	s := "no one-time key"
	if o.oneTime {
		s = "a one-time key"
	}
	if o.lastResort {
		s += " and the last-resort KEM key"
	}
	return s
}

// bundle is a bundle as the peer writes it.
type bundle struct {
	RegistrationID        uint32             `json:"registrationId"`
	DeviceID              messaging.DeviceID `json:"deviceId"`
	IdentityKey           []byte             `json:"identityKey"`
	PreKeyID              *uint32            `json:"preKeyId"`
	PreKeyPublic          []byte             `json:"preKeyPublic"`
	SignedPreKeyID        uint32             `json:"signedPreKeyId"`
	SignedPreKeyPublic    []byte             `json:"signedPreKeyPublic"`
	SignedPreKeySignature []byte             `json:"signedPreKeySignature"`
	KyberPreKeyID         uint32             `json:"kyberPreKeyId"`
	KyberPreKeyPublic     []byte             `json:"kyberPreKeyPublic"`
	KyberPreKeySignature  []byte             `json:"kyberPreKeySignature"`
}

// party is an address as the peer writes it: an account's id in the form of a
// UUID and a device.
type party struct {
	Name   string             `json:"name"`
	Device messaging.DeviceID `json:"deviceId"`
}

func partyOf(a messaging.Address) party {
	h := hex.EncodeToString(a.Account[:])
	return party{h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], a.Device}
}

// noon is when the tests begin: of no meaning, but the same for both ends.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
