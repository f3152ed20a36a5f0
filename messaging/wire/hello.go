package wire

import "github.com/sottochat/sotto/messaging"

// Hello is the first frame of a connection.
type Hello struct {
	Versions []uint8 // strictly ascending, 1..MaxVersions of them
	Build    string  // printable ASCII, 1..MaxBuild bytes
	Ticket   []byte  // none, or MinTicket..MaxTicket bytes: a bearer secret
	Resume   []byte  // none, or Welcome.Resume of the last connection
}

// String leaves the ticket out: it is a secret.
func (m Hello) String() string { return "wire.Hello from " + m.Build }

// GoString is String.
func (m Hello) GoString() string { return m.String() }

// Choose returns the highest offered version that is at most newest, and false
// when the client is too new or too old for a server that speaks oldest..newest.
func (m *Hello) Choose(oldest, newest uint8) (version uint8, ok bool) {
	for _, v := range m.Versions {
		if v >= oldest && v <= newest {
			version, ok = v, true
		}
	}
	return version, ok
}

func (m *Hello) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Versions = ascending(f, m.Versions, MaxVersions, MaxVersion)
		case 2:
			m.Build = f.text(MaxBuild)
			if !ascii(m.Build) {
				f.fail(ErrText)
			}
		case 3:
			m.Ticket = f.slice(MinTicket, MaxTicket)
		case 4:
			m.Resume = f.slice(1, MaxResume)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2)
}

func (m *Hello) append(b []byte) []byte {
	b = appendPacked(b, 1, m.Versions)
	b = appendBytes(b, 2, m.Build)
	b = appendBytes(b, 3, m.Ticket)
	return appendBytes(b, 4, m.Resume)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Limits are a server's own; a client keeps the lower of these and the ceilings
// of this package.
type Limits struct {
	MaxFrame       uint32 // bytes of a frame that the server reads
	MaxBody        uint32 // bytes of an envelope's body that it takes
	Window         uint32 // envelopes that it delivers ahead of their acks
	InFlight       uint32 // requests and sends that may be unanswered
	PingIntervalMS uint32 // silence after which the client sends Ping
}

func (m *Limits) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.MaxFrame = f.uint32(MaxFrame)
		case 2:
			m.MaxBody = f.uint32(MaxBody)
		case 3:
			m.Window = f.uint32(MaxWindow)
		case 4:
			m.InFlight = f.uint32(MaxWindow)
		case 5:
			m.PingIntervalMS = f.uint32(MaxPingMS)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5)
}

func (m *Limits) append(b []byte) []byte {
	b, at := begin(b, 6)
	b = appendUint(b, 1, m.MaxFrame)
	b = appendUint(b, 2, m.MaxBody)
	b = appendUint(b, 3, m.Window)
	b = appendUint(b, 4, m.InFlight)
	b = appendUint(b, 5, m.PingIntervalMS)
	return end(b, at)
}

// Welcome answers Hello and starts the delivery.
type Welcome struct {
	Version      uint8
	ServerTimeMS uint64
	TenantID     messaging.TenantID
	AccountID    messaging.AccountID
	Device       messaging.DeviceID // 0: a session that belongs to no device yet
	Limits       Limits
	OwnHead      LogHead   // zero before the account is founded
	Keys         KeyCounts // zero exactly when Device is
	Queued       uint64    // about how many envelopes wait
	Resume       []byte
}

func (m *Welcome) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.Version = uint8(f.uint(MaxVersion))
		case 2:
			m.ServerTimeMS = f.uint(MaxNumber)
		case 3:
			m.TenantID = f.id()
		case 4:
			m.AccountID = f.id()
		case 5:
			m.Device = f.device()
		case 6:
			sub := f.sub()
			m.Limits.decode(&sub)
			f.join(&sub)
		case 7:
			m.OwnHead = f.head()
		case 8:
			m.Keys = keyCounts(f)
		case 9:
			m.Queued = f.uint(MaxNumber)
		case 10:
			m.Resume = f.slice(1, MaxResume)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<6)
	f.rule(f.has(5) == f.has(8))
}

func (m *Welcome) append(b []byte) []byte {
	b = appendUint(b, 1, m.Version)
	b = appendUint(b, 2, m.ServerTimeMS)
	b = appendID(b, 3, m.TenantID)
	b = appendID(b, 4, m.AccountID)
	b = appendUint(b, 5, m.Device)
	b = m.Limits.append(b)
	b = appendHead(b, 7, &m.OwnHead)
	b = appendKeyCounts(b, 8, &m.Keys)
	b = appendUint(b, 9, m.Queued)
	return appendBytes(b, 10, m.Resume)
}

// Ping asks for a Pong: browsers cannot send the WebSocket's own.
type Ping struct{}

func (m *Ping) decode(f *fields)       { empty(f) }
func (m *Ping) append(b []byte) []byte { return b }

// Pong answers Ping.
type Pong struct{ ServerTimeMS uint64 }

func (m *Pong) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ServerTimeMS = f.uint(MaxNumber)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *Pong) append(b []byte) []byte { return appendUint(b, 1, m.ServerTimeMS) }

// Draining says that this server goes away: the client connects again after
// ReconnectAfterMS and a random part of SpreadMS.
type Draining struct {
	ReconnectAfterMS uint32
	SpreadMS         uint32
}

func (m *Draining) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.ReconnectAfterMS = f.uint32(MaxDrainMS)
		case 2:
			m.SpreadMS = f.uint32(MaxDrainMS)
		default:
			f.skip()
		}
	}
}

func (m *Draining) append(b []byte) []byte {
	b = appendUint(b, 1, m.ReconnectAfterMS)
	return appendUint(b, 2, m.SpreadMS)
}

// empty reads a message that has no fields yet.
func empty(f *fields) {
	for f.next() {
		f.skip()
	}
}
