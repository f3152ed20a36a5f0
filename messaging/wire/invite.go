package wire

// InviteAction changes one of the member's own invites.
type InviteAction uint8

const (
	InviteRotate InviteAction = 1 // a new token takes the place of the old one
	InviteRevoke InviteAction = 2
)

// CreateInvite makes one more invite of the member's profile.
type CreateInvite struct {
	IdempotencyKey [idSize]byte
	Label          string // none, or 1..MaxLabel bytes without control characters
	ExpirySeconds  uint32 // 0: never; at most MaxInviteSeconds
	MaxUses        uint32 // 0: any number; at most MaxUses
}

func (m *CreateInvite) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.IdempotencyKey = f.id()
		case 2:
			m.Label = f.text(MaxLabel)
		case 3:
			m.ExpirySeconds = f.uint32(MaxInviteSeconds)
		case 4:
			m.MaxUses = f.uint32(MaxUses)
		default:
			f.skip()
		}
	}
	f.require(1 << 1)
}

func (m *CreateInvite) append(b []byte) []byte {
	b = appendID(b, 1, m.IdempotencyKey)
	b = appendBytes(b, 2, m.Label)
	b = appendUint(b, 3, m.ExpirySeconds)
	return appendUint(b, 4, m.MaxUses)
}

// SetInvite rotates or revokes an invite.
type SetInvite struct {
	InviteID       [idSize]byte
	Action         InviteAction
	IdempotencyKey [idSize]byte
}

func (m *SetInvite) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.InviteID = f.id()
		case 2:
			m.Action = InviteAction(closed(f, uint64(InviteRevoke)))
		case 3:
			m.IdempotencyKey = f.id()
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<2 | 1<<3)
}

func (m *SetInvite) append(b []byte) []byte {
	b = appendID(b, 1, m.InviteID)
	b = appendUint(b, 2, m.Action)
	return appendID(b, 3, m.IdempotencyKey)
}

// ListInvites asks for a page of the member's own invites.
type ListInvites struct {
	Cursor []byte // none, or Invites.Next of the page before
	Limit  uint32 // 0: the server's choice; at most MaxPage
}

func (m *ListInvites) decode(f *fields) { m.Cursor, m.Limit = page(f) }

func (m *ListInvites) append(b []byte) []byte {
	b = appendBytes(b, 1, m.Cursor)
	return appendUint(b, 2, m.Limit)
}

// Invite is one of the member's own invites.
type Invite struct {
	InviteID  [idSize]byte
	Token     []byte // none, or MinToken..MaxToken bytes: a bearer secret
	Permanent bool
	Revoked   bool
	Label     string
	CreatedMS uint64
	ExpiresMS uint64 // 0: never
	Uses      uint32
	MaxUses   uint32 // 0: any number
}

// String leaves the token out: it is a secret.
func (m Invite) String() string { return "wire.Invite " + m.Label }

// GoString is String.
func (m Invite) GoString() string { return m.String() }

func (m *Invite) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			m.InviteID = f.id()
		case 2:
			m.Token = f.slice(MinToken, MaxToken)
		case 3:
			m.Permanent = f.bool()
		case 4:
			m.Revoked = f.bool()
		case 5:
			m.Label = f.text(MaxLabel)
		case 6:
			m.CreatedMS = f.uint(MaxNumber)
		case 7:
			m.ExpiresMS = f.uint(MaxNumber)
		case 8:
			m.Uses = f.uint32(maxUint32)
		case 9:
			m.MaxUses = f.uint32(MaxUses)
		default:
			f.skip()
		}
	}
	f.require(1<<1 | 1<<6)
}

func (m *Invite) append(b []byte) []byte {
	b, at := begin(b, 1)
	b = appendID(b, 1, m.InviteID)
	b = appendBytes(b, 2, m.Token)
	b = appendBool(b, 3, m.Permanent)
	b = appendBool(b, 4, m.Revoked)
	b = appendBytes(b, 5, m.Label)
	b = appendUint(b, 6, m.CreatedMS)
	b = appendUint(b, 7, m.ExpiresMS)
	b = appendUint(b, 8, m.Uses)
	b = appendUint(b, 9, m.MaxUses)
	return end(b, at)
}

// Invites answers CreateInvite, SetInvite and ListInvites.
type Invites struct {
	Invites []Invite // at most MaxPage
	Next    []byte   // none on the last page
}

func (m *Invites) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			if f.more(len(m.Invites), MaxPage) {
				m.Invites = append(m.Invites, Invite{})
				sub := f.repeated()
				m.Invites[len(m.Invites)-1].decode(&sub)
				f.join(&sub)
			}
		case 2:
			m.Next = f.slice(1, MaxCursor)
		default:
			f.skip()
		}
	}
}

func (m *Invites) append(b []byte) []byte {
	for i := range m.Invites {
		b = m.Invites[i].append(b)
	}
	return appendBytes(b, 2, m.Next)
}
