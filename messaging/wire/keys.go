package wire

import (
	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// FetchBundles asks for bundles of the chat's other account, or of the own one.
type FetchBundles struct {
	ChatID  messaging.ChatID     // zero: own account
	Devices []messaging.DeviceID // strictly ascending; none: all
}

func (m *FetchBundles) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ChatID = f.id()
		case 2:
			m.Devices = ascending(f, m.Devices, MaxBundles, uint64(messaging.MaxDeviceID))
		default:
			f.skip()
		}
	}
}

func (m *FetchBundles) append(b []byte) []byte {
	b = appendID(b, 1, m.ChatID)
	return appendPacked(b, 2, m.Devices)
}

// Bundles answers FetchBundles, strictly ascending by device; devices without
// keys are left out.
type Bundles struct {
	AccountID messaging.AccountID
	Bundles   []Bundle
}

func (m *Bundles) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.AccountID = f.id()
		case 2:
			m.decodeBundle(f)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *Bundles) decodeBundle(f *fields) {
	if !f.more(len(m.Bundles), MaxBundles) {
		return
	}
	var bundle Bundle
	sub := f.repeated()
	bundle.decode(&sub)
	f.join(&sub)
	if n := len(m.Bundles); n > 0 && bundle.Device <= m.Bundles[n-1].Device {
		f.fail(ErrSorted)
	}
	m.Bundles = append(m.Bundles, bundle)
}

func (m *Bundles) append(b []byte) []byte {
	b = appendID(b, 1, m.AccountID)
	for i := range m.Bundles {
		var at int
		b, at = begin(b, 2)
		b = end(m.Bundles[i].append(b), at)
	}
	return b
}

// UploadKeys publishes keys of the sending device: at least one, the ids of
// each list strictly ascending, LastResort set in the field of that name only.
type UploadKeys struct {
	SignedPrekey SignedPreKey // zero: unchanged
	LastResort   KEMPreKey    // zero: unchanged
	OneTimeEC    []ECPreKey   // at most MaxPreKeys
	OneTimeKEM   []KEMPreKey  // at most MaxPreKeys
}

func (m *UploadKeys) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.SignedPrekey = signedPreKey(f)
		case 2:
			m.LastResort = kemPreKey(f)
			f.rule(m.LastResort.LastResort)
		case 3:
			m.decodeEC(f)
		case 4:
			m.decodeKEM(f)
		default:
			f.skip()
		}
	}
	f.rule(f.seen&(1<<1|1<<2|1<<3|1<<4) != 0)
}

func (m *UploadKeys) decodeEC(f *fields) {
	if !f.more(len(m.OneTimeEC), MaxPreKeys) {
		return
	}
	var k ECPreKey
	sub := f.repeated()
	k.decode(&sub)
	f.join(&sub)
	if n := len(m.OneTimeEC); n > 0 && k.ID <= m.OneTimeEC[n-1].ID {
		f.fail(ErrSorted)
	}
	m.OneTimeEC = append(m.OneTimeEC, k)
}

func (m *UploadKeys) decodeKEM(f *fields) {
	if !f.more(len(m.OneTimeKEM), MaxPreKeys) {
		return
	}
	var k KEMPreKey
	sub := f.repeated()
	k.decode(&sub)
	f.join(&sub)
	f.rule(!k.LastResort)
	if n := len(m.OneTimeKEM); n > 0 && k.ID <= m.OneTimeKEM[n-1].ID {
		f.fail(ErrSorted)
	}
	m.OneTimeKEM = append(m.OneTimeKEM, k)
}

func (m *UploadKeys) append(b []byte) []byte {
	b = m.SignedPrekey.append(b, 1)
	b = m.LastResort.append(b, 2)
	for i := range m.OneTimeEC {
		b = m.OneTimeEC[i].append(b, 3)
	}
	for i := range m.OneTimeKEM {
		b = m.OneTimeKEM[i].append(b, 4)
	}
	return b
}

// CountKeys asks for KeyCounts of the sending device.
type CountKeys struct{}

func (m *CountKeys) decode(f *fields)       { empty(f) }
func (m *CountKeys) append(b []byte) []byte { return b }

// KeyCounts tells a device which of its keys the server holds. The zero value
// inside another frame means that nothing is told.
type KeyCounts struct {
	OneTimeEC      uint32 // left
	OneTimeKEM     uint32 // left
	SignedPrekeyID uint32 // in use
	LastResortID   uint32 // in use
}

func (m *KeyCounts) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.OneTimeEC = f.uint32(MaxKeyCount)
		case 2:
			m.OneTimeKEM = f.uint32(MaxKeyCount)
		case 3:
			m.SignedPrekeyID = f.uint32(maxUint32)
		case 4:
			m.LastResortID = f.uint32(maxUint32)
		default:
			f.skip()
		}
	}
	f.require(1<<3 | 1<<4)
}

func (m *KeyCounts) append(b []byte) []byte {
	b = appendUint(b, 1, m.OneTimeEC)
	b = appendUint(b, 2, m.OneTimeKEM)
	b = appendUint(b, 3, m.SignedPrekeyID)
	return appendUint(b, 4, m.LastResortID)
}

// keyCounts reads counts that stand inside another message.
func keyCounts(f *fields) (k KeyCounts) {
	sub := f.sub()
	k.decode(&sub)
	f.join(&sub)
	return k
}

func appendKeyCounts(b []byte, num protowire.Number, k *KeyCounts) []byte {
	if *k == (KeyCounts{}) {
		return b
	}
	b, at := begin(b, num)
	return end(k.append(b), at)
}
