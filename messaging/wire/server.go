package wire

import (
	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// ServerKind is the kind of a frame that the server sends: its field number in
// sotto.proto's ServerFrame. Values above the last constant are of a later version.
type ServerKind uint32

const (
	KindWelcome    ServerKind = 2
	KindDeliver    ServerKind = 3
	KindAccepted   ServerKind = 4
	KindRefused    ServerKind = 5
	KindDone       ServerKind = 6
	KindPong       ServerKind = 7
	KindQueueEmpty ServerKind = 8
	KindNotice     ServerKind = 9
	KindBundles    ServerKind = 10
	KindLog        ServerKind = 11
	KindKeyCounts  ServerKind = 12
	KindOpened     ServerKind = 13
	KindChats      ServerKind = 14
	KindSlot       ServerKind = 15
	KindInvites    ServerKind = 16
	KindDraining   ServerKind = 17

	lastServerKind = KindDraining
)

// Known reports whether this version knows the kind.
func (k ServerKind) Known() bool { return k >= KindWelcome && k <= lastServerKind }

// request says whether frames of the kind carry a request number.
func (k ServerKind) request() request {
	switch k {
	case KindWelcome, KindDeliver, KindAccepted, KindQueueEmpty, KindNotice, KindDraining:
		return numberless
	case KindRefused:
		return either
	}
	if k.Known() {
		return numbered
	}
	return either
}

// ServerMessage is the body of a frame that the server sends: a pointer to one
// of Welcome, Deliver, Accepted, Refused, Done, Pong, QueueEmpty, Notice,
// Bundles, Log, KeyCounts, Opened, Chats, Slot, Invites, Draining.
type ServerMessage interface {
	message
	// ServerKind returns the kind of frame that carries the message.
	ServerKind() ServerKind
}

func (*Welcome) ServerKind() ServerKind    { return KindWelcome }
func (*Deliver) ServerKind() ServerKind    { return KindDeliver }
func (*Accepted) ServerKind() ServerKind   { return KindAccepted }
func (*Refused) ServerKind() ServerKind    { return KindRefused }
func (*Done) ServerKind() ServerKind       { return KindDone }
func (*Pong) ServerKind() ServerKind       { return KindPong }
func (*QueueEmpty) ServerKind() ServerKind { return KindQueueEmpty }
func (*Notice) ServerKind() ServerKind     { return KindNotice }
func (*Bundles) ServerKind() ServerKind    { return KindBundles }
func (*Log) ServerKind() ServerKind        { return KindLog }
func (*KeyCounts) ServerKind() ServerKind  { return KindKeyCounts }
func (*Opened) ServerKind() ServerKind     { return KindOpened }
func (*Chats) ServerKind() ServerKind      { return KindChats }
func (*Slot) ServerKind() ServerKind       { return KindSlot }
func (*Invites) ServerKind() ServerKind    { return KindInvites }
func (*Draining) ServerKind() ServerKind   { return KindDraining }

// message returns an empty body of the kind, or nil.
func (k ServerKind) message() ServerMessage {
	switch k {
	case KindWelcome:
		return &Welcome{}
	case KindDeliver:
		return &Deliver{}
	case KindAccepted:
		return &Accepted{}
	case KindRefused:
		return &Refused{}
	case KindDone:
		return &Done{}
	case KindPong:
		return &Pong{}
	case KindQueueEmpty:
		return &QueueEmpty{}
	case KindNotice:
		return &Notice{}
	case KindBundles:
		return &Bundles{}
	case KindLog:
		return &Log{}
	case KindKeyCounts:
		return &KeyCounts{}
	case KindOpened:
		return &Opened{}
	case KindChats:
		return &Chats{}
	case KindSlot:
		return &Slot{}
	case KindInvites:
		return &Invites{}
	case KindDraining:
		return &Draining{}
	default:
		return nil
	}
}

// ServerFrame is a frame from the server whose body has not been read yet.
type ServerFrame struct {
	Kind    ServerKind
	Request uint64 // 0: none
	Body    []byte // points into the parsed bytes
	lossy   bool
}

// SplitServer reads the outer layer of a frame and allocates nothing. A frame
// of an unknown kind is no error here: see ServerKind.Known.
func SplitServer(b []byte) (ServerFrame, error) {
	f, err := split(b, protowire.Number(lastServerKind))
	if err == nil {
		err = f.checkRequest(ServerKind(f.kind).request())
	}
	if err != nil {
		return ServerFrame{}, err
	}
	return ServerFrame{ServerKind(f.kind), f.request, f.body, f.lossy}, nil
}

// Message reads the body into a new value. For an unknown kind it returns
// ErrUnknownKind.
func (s *ServerFrame) Message() (ServerMessage, error) {
	m := s.Kind.message()
	if m == nil {
		return nil, ErrUnknownKind
	}
	f := frame{body: s.Body, lossy: s.lossy}
	if err := f.parse(m); err != nil {
		return nil, err
	}
	if r, ok := m.(*Refused); ok && (r.MessageID == messaging.MessageID{}) == (s.Request == 0) {
		return nil, messaging.Invalid(ErrRequest)
	}
	s.lossy = f.lossy
	return m, nil
}

// ParseServer reads a whole frame. It returns the request number, 0 for none.
// A client ignores frames with ErrUnknownKind.
func ParseServer(b []byte) (request uint64, m ServerMessage, err error) {
	f, err := SplitServer(b)
	if err != nil {
		return 0, nil, err
	}
	m, err = f.Message()
	return f.Request, m, err
}

// AppendServer appends the frame of m to b. request is the number of the
// request that m answers, and 0 for Welcome, Deliver, Accepted, QueueEmpty,
// Notice, Draining, and a Refused that names a message.
func AppendServer(b []byte, request uint64, m ServerMessage) []byte {
	return appendFrame(b, protowire.Number(m.ServerKind()), request, m)
}
