package wire

import (
	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// SignedPreKey is a device's medium-term agreement key as bytes: nothing here
// was verified. The zero value means that there is none.
type SignedPreKey struct {
	ID        uint32
	PublicKey []byte // ECKeySize
	Signature []byte // SignatureSize, over PublicKey
}

// ECPreKey is a one-time agreement key as bytes. The zero value means that there
// is none.
type ECPreKey struct {
	ID        uint32
	PublicKey []byte // ECKeySize
}

// KEMPreKey is a KEM key as bytes: nothing here was verified. The zero value
// means that there is none.
type KEMPreKey struct {
	ID         uint32
	PublicKey  []byte // KEMKeySize
	Signature  []byte // SignatureSize, over PublicKey
	LastResort bool   // handed out again and again
}

// Bundle is what it takes to start a session with one device, as bytes
// (docs/protocol.md section 8): the lengths are right, no signature was
// verified.
type Bundle struct {
	RegistrationID uint16 // 1..MaxRegistrationID
	Device         messaging.DeviceID
	IdentityKey    []byte // ECKeySize
	SignedPrekey   SignedPreKey
	OneTimeEC      ECPreKey // zero when the device has none left
	KEMPrekey      KEMPreKey
}

// ParseBundle reads a bundle that stands alone, outside a frame. The result
// points into b.
func ParseBundle(b []byte) (Bundle, error) {
	bundle, _, err := parseBundle(b)
	return bundle, err
}

func parseBundle(b []byte) (bundle Bundle, lossy bool, err error) {
	f := fields{rest: b}
	bundle.decode(&f)
	if f.err != nil {
		return Bundle{}, f.lossy, f.done()
	}
	return bundle, f.lossy, nil
}

// AppendBundle appends the form that ParseBundle reads.
func AppendBundle(b []byte, bundle *Bundle) []byte { return bundle.append(b) }

func (m *Bundle) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.RegistrationID = registrationID(f)
		case 2:
			m.Device = f.device()
		case 3:
			m.IdentityKey = f.slice(ECKeySize, ECKeySize)
		case 4:
			m.SignedPrekey = signedPreKey(f)
		case 5:
			sub := f.sub()
			m.OneTimeEC.decode(&sub)
			f.join(&sub)
		case 6:
			m.KEMPrekey = kemPreKey(f)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<6)
}

func (m *Bundle) append(b []byte) []byte {
	b = appendUint(b, 1, m.RegistrationID)
	b = appendUint(b, 2, m.Device)
	b = appendBytes(b, 3, m.IdentityKey)
	b = m.SignedPrekey.append(b, 4)
	b = m.OneTimeEC.append(b, 5)
	return m.KEMPrekey.append(b, 6)
}

// signedPreKey reads one that occurs once.
func signedPreKey(f *fields) (k SignedPreKey) {
	sub := f.sub()
	k.decode(&sub)
	f.join(&sub)
	return k
}

func (k *SignedPreKey) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			k.ID = f.uint32(maxUint32)
		case 2:
			k.PublicKey = f.slice(ECKeySize, ECKeySize)
		case 3:
			k.Signature = f.slice(SignatureSize, SignatureSize)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3)
}

func (k *SignedPreKey) append(b []byte, num protowire.Number) []byte {
	if k.ID == 0 {
		return b
	}
	b, at := begin(b, num)
	b = appendUint(b, 1, k.ID)
	b = appendBytes(b, 2, k.PublicKey)
	b = appendBytes(b, 3, k.Signature)
	return end(b, at)
}

func (k *ECPreKey) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			k.ID = f.uint32(maxUint32)
		case 2:
			k.PublicKey = f.slice(ECKeySize, ECKeySize)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2)
}

func (k *ECPreKey) append(b []byte, num protowire.Number) []byte {
	if k.ID == 0 {
		return b
	}
	b, at := begin(b, num)
	b = appendUint(b, 1, k.ID)
	b = appendBytes(b, 2, k.PublicKey)
	return end(b, at)
}

// kemPreKey reads one that occurs once.
func kemPreKey(f *fields) (k KEMPreKey) {
	sub := f.sub()
	k.decode(&sub)
	f.join(&sub)
	return k
}

func (k *KEMPreKey) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			k.ID = f.uint32(maxUint32)
		case 2:
			k.PublicKey = f.slice(KEMKeySize, KEMKeySize)
		case 3:
			k.Signature = f.slice(SignatureSize, SignatureSize)
		case 4:
			k.LastResort = f.bool()
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3)
}

func (k *KEMPreKey) append(b []byte, num protowire.Number) []byte {
	if k.ID == 0 {
		return b
	}
	b, at := begin(b, num)
	b = appendUint(b, 1, k.ID)
	b = appendBytes(b, 2, k.PublicKey)
	b = appendBytes(b, 3, k.Signature)
	b = appendBool(b, 4, k.LastResort)
	return end(b, at)
}
