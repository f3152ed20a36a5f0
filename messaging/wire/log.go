package wire

import (
	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// FetchLog asks for device log entries of the chat's other account, or of the
// own one.
type FetchLog struct {
	ChatID messaging.ChatID // zero: own account
	From   uint64           // first sequence wanted
}

func (m *FetchLog) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ChatID = f.id()
		case 2:
			m.From = f.uint(MaxNumber)
		default:
			f.skip()
		}
	}
}

func (m *FetchLog) append(b []byte) []byte {
	b = appendID(b, 1, m.ChatID)
	return appendUint(b, 2, m.From)
}

// Log answers FetchLog.
type Log struct {
	AccountID messaging.AccountID
	First     uint64   // sequence of Entries[0]; the others follow without a gap
	Entries   [][]byte // canonical entries of 1..MaxEntry bytes, at most MaxEntries
	More      bool     // there are later ones
}

func (m *Log) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.AccountID = f.id()
		case 2:
			m.First = f.uint(MaxNumber)
		case 3:
			if f.more(len(m.Entries), MaxEntries) {
				m.Entries = append(m.Entries, f.element(1, MaxEntry))
			}
		case 4:
			m.More = f.bool()
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *Log) append(b []byte) []byte {
	b = appendID(b, 1, m.AccountID)
	b = appendUint(b, 2, m.First)
	for _, entry := range m.Entries {
		b = appendElement(b, 3, entry)
	}
	return appendBool(b, 4, m.More)
}

// Registration makes a device reachable in the moment in which it joins the
// log. The zero value means that there is none.
type Registration struct {
	RegistrationID uint16
	SignedPrekey   SignedPreKey
	LastResort     KEMPreKey      // with LastResort set
	Slot           [SlotSize]byte // where the added device announced itself; zero: the sender is the added device
}

func (m *Registration) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.RegistrationID = registrationID(f)
		case 2:
			m.SignedPrekey = signedPreKey(f)
		case 3:
			m.LastResort = kemPreKey(f)
			f.rule(m.LastResort.LastResort)
		case 4:
			m.Slot = f.hash()
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3)
}

func (m *Registration) append(b []byte, num protowire.Number) []byte {
	if m.RegistrationID == 0 {
		return b
	}
	b, at := begin(b, num)
	b = appendUint(b, 1, m.RegistrationID)
	b = m.SignedPrekey.append(b, 2)
	b = m.LastResort.append(b, 3)
	b = appendHash(b, 4, m.Slot)
	return end(b, at)
}

// AppendLog adds an entry to the own device log.
type AppendLog struct {
	Entry        []byte       // canonical, 1..MaxEntry bytes
	Expected     LogHead      // head that Entry extends; zero for the founding entry
	Registration Registration // of the device that Entry adds; zero for other entries
}

func (m *AppendLog) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Entry = f.slice(1, MaxEntry)
		case 2:
			m.Expected = f.head()
		case 3:
			sub := f.sub()
			m.Registration.decode(&sub)
			f.join(&sub)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *AppendLog) append(b []byte) []byte {
	b = appendBytes(b, 1, m.Entry)
	b = appendHead(b, 2, &m.Expected)
	return m.Registration.append(b, 3)
}
