package key

import "github.com/sottochat/sotto/messaging"

// MaxRegistrationID is the highest registration id: Signal uses 14 bits
// (docs/protocol.md section 8.3).
const MaxRegistrationID = 0x3fff

// Bundle is what a server hands out so that a session with one device can
// start. It is a stranger's word until Verify.
type Bundle struct {
	RegistrationID uint32
	Device         messaging.DeviceID
	Identity       IdentityPublic
	Signed         SignedPreKey
	OneTime        *OneTimePreKey // nil when the pool is empty
	KEM            KEMPreKey
}

// Verified is a bundle whose signatures hold under the identity key that the
// peer's device log names. Only Verify makes one, and only one of these starts
// a handshake.
type Verified struct {
	_      [0]func()
	bundle Bundle
}

// Bundle returns a copy of what was verified.
func (v *Verified) Bundle() Bundle {
	b := v.bundle
	if b.OneTime != nil {
		one := *b.OneTime
		b.OneTime = &one
	}
	return b
}

// Verify checks everything that can be checked before use: the identity key is
// the one that the device log has for this device, both signatures hold, and the
// ids are in range. The one-time curve key is not signed: a false one, or one of
// small order, fails the handshake (Agree).
func (b Bundle) Verify(device messaging.DeviceID, listed IdentityPublic) (*Verified, error) {
	switch {
	case b.RegistrationID == 0 || b.RegistrationID > MaxRegistrationID:
		return nil, messaging.Invalid(ErrRegistration)
	case !b.Device.Valid() || b.Device != device:
		return nil, messaging.Invalid(ErrDevice)
	case !b.Identity.Equal(listed):
		return nil, messaging.Invalid(ErrIdentity)
	case b.KEM.Public.kem == nil:
		return nil, messaging.Invalid(ErrEncapsulated)
	}
	if err := verify(b.Identity, b.Signed.Public.Bytes(), b.Signed.Signature); err != nil {
		return nil, err
	}
	if err := verify(b.Identity, b.KEM.Public.Bytes(), b.KEM.Signature); err != nil {
		return nil, err
	}
	if b.OneTime != nil {
		one := *b.OneTime
		b.OneTime = &one
	}
	return &Verified{bundle: b}, nil
}
