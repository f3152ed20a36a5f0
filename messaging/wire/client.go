package wire

import "google.golang.org/protobuf/encoding/protowire"

// ClientKind is the kind of a frame that a client sends: its field number in
// sotto.proto's ClientFrame. Values above the last constant are of a later version.
type ClientKind uint32

const (
	KindHello        ClientKind = 2
	KindSend         ClientKind = 3
	KindAck          ClientKind = 4
	KindPing         ClientKind = 5
	KindFetchBundles ClientKind = 6
	KindFetchLog     ClientKind = 7
	KindAppendLog    ClientKind = 8
	KindUploadKeys   ClientKind = 9
	KindCountKeys    ClientKind = 10
	KindOpenChat     ClientKind = 11
	KindSetChat      ClientKind = 12
	KindListChats    ClientKind = 13
	KindPutSlot      ClientKind = 14
	KindGetSlot      ClientKind = 15
	KindCreateInvite ClientKind = 16
	KindSetInvite    ClientKind = 17
	KindListInvites  ClientKind = 18

	lastClientKind = KindListInvites
)

// Known reports whether this version knows the kind.
func (k ClientKind) Known() bool { return k >= KindHello && k <= lastClientKind }

// request says whether frames of the kind carry a request number.
func (k ClientKind) request() request {
	switch {
	case k == KindHello || k == KindSend || k == KindAck:
		return numberless
	case k.Known():
		return numbered
	default:
		return either
	}
}

// ClientMessage is the body of a frame that a client sends: a pointer to one of
// Hello, Send, Ack, Ping, FetchBundles, FetchLog, AppendLog, UploadKeys,
// CountKeys, OpenChat, SetChat, ListChats, PutSlot, GetSlot, CreateInvite,
// SetInvite, ListInvites.
type ClientMessage interface {
	message
	// ClientKind returns the kind of frame that carries the message.
	ClientKind() ClientKind
}

func (*Hello) ClientKind() ClientKind        { return KindHello }
func (*Send) ClientKind() ClientKind         { return KindSend }
func (*Ack) ClientKind() ClientKind          { return KindAck }
func (*Ping) ClientKind() ClientKind         { return KindPing }
func (*FetchBundles) ClientKind() ClientKind { return KindFetchBundles }
func (*FetchLog) ClientKind() ClientKind     { return KindFetchLog }
func (*AppendLog) ClientKind() ClientKind    { return KindAppendLog }
func (*UploadKeys) ClientKind() ClientKind   { return KindUploadKeys }
func (*CountKeys) ClientKind() ClientKind    { return KindCountKeys }
func (*OpenChat) ClientKind() ClientKind     { return KindOpenChat }
func (*SetChat) ClientKind() ClientKind      { return KindSetChat }
func (*ListChats) ClientKind() ClientKind    { return KindListChats }
func (*PutSlot) ClientKind() ClientKind      { return KindPutSlot }
func (*GetSlot) ClientKind() ClientKind      { return KindGetSlot }
func (*CreateInvite) ClientKind() ClientKind { return KindCreateInvite }
func (*SetInvite) ClientKind() ClientKind    { return KindSetInvite }
func (*ListInvites) ClientKind() ClientKind  { return KindListInvites }

// message returns an empty body of the kind, or nil.
func (k ClientKind) message() ClientMessage {
	switch k {
	case KindHello:
		return &Hello{}
	case KindSend:
		return &Send{}
	case KindAck:
		return &Ack{}
	case KindPing:
		return &Ping{}
	case KindFetchBundles:
		return &FetchBundles{}
	case KindFetchLog:
		return &FetchLog{}
	case KindAppendLog:
		return &AppendLog{}
	case KindUploadKeys:
		return &UploadKeys{}
	case KindCountKeys:
		return &CountKeys{}
	case KindOpenChat:
		return &OpenChat{}
	case KindSetChat:
		return &SetChat{}
	case KindListChats:
		return &ListChats{}
	case KindPutSlot:
		return &PutSlot{}
	case KindGetSlot:
		return &GetSlot{}
	case KindCreateInvite:
		return &CreateInvite{}
	case KindSetInvite:
		return &SetInvite{}
	case KindListInvites:
		return &ListInvites{}
	default:
		return nil
	}
}

// ClientFrame is a frame from a client whose body has not been read yet.
type ClientFrame struct {
	Kind    ClientKind
	Request uint64 // 0: none
	Body    []byte // points into the parsed bytes
	lossy   bool
}

// SplitClient reads the outer layer of a frame and allocates nothing. A frame
// of an unknown kind is no error here: see ClientKind.Known.
func SplitClient(b []byte) (ClientFrame, error) {
	f, err := split(b, protowire.Number(lastClientKind))
	if err == nil {
		err = f.checkRequest(ClientKind(f.kind).request())
	}
	if err != nil {
		return ClientFrame{}, err
	}
	return ClientFrame{ClientKind(f.kind), f.request, f.body, f.lossy}, nil
}

// Message reads the body into a new value. For an unknown kind it returns
// ErrUnknownKind.
func (c *ClientFrame) Message() (ClientMessage, error) {
	m := c.Kind.message()
	if m == nil {
		return nil, ErrUnknownKind
	}
	f := frame{body: c.Body, lossy: c.lossy}
	if err := f.parse(m); err != nil {
		return nil, err
	}
	c.lossy = f.lossy
	return m, nil
}

// ParseClient reads a whole frame. It returns the request number, 0 for none,
// also with ErrUnknownKind, so that the sender can be told.
func ParseClient(b []byte) (request uint64, m ClientMessage, err error) {
	f, err := SplitClient(b)
	if err != nil {
		return 0, nil, err
	}
	m, err = f.Message()
	return f.Request, m, err
}

// AppendClient appends the frame of m to b. request is 0 for Hello, Send and
// Ack and the caller's number for all others.
func AppendClient(b []byte, request uint64, m ClientMessage) []byte {
	return appendFrame(b, protowire.Number(m.ClientKind()), request, m)
}
