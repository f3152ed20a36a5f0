package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func TestFrameSize(t *testing.T) {
	t.Parallel()
	b := AppendClient(nil, 0, sampleSend(MaxBody))
	if len(b) > MaxFrame {
		t.Fatalf("a full set of full bodies takes %d bytes, more than MaxFrame", len(b))
	}
	if _, _, err := ParseClient(b); err != nil {
		t.Errorf("refused: %v", reason(err))
	}
	// A later field fills the frame up to its ceiling, and one byte over it.
	room := MaxFrame - len(b) - len(tag(100, protowire.BytesType)) - 2
	at := appendElement(bytes.Clone(b), 100, make([]byte, room))
	if len(at) != MaxFrame {
		t.Fatalf("frame of %d bytes", len(at))
	}
	if _, _, err := ParseClient(at); err != nil {
		t.Errorf("frame of MaxFrame refused: %v", reason(err))
	}
	over := appendElement(bytes.Clone(b), 100, make([]byte, room+1))
	refusedBytes(t, "frame above MaxFrame", "ClientFrame", over, ErrSize)
	refusedBytes(t, "frame above MaxFrame", "ServerFrame", over, ErrSize)
}

func TestFrameOuterLayer(t *testing.T) {
	t.Parallel()
	ping := AppendClient(nil, 5, &Ping{})
	for _, c := range []struct {
		what string
		b    []byte
		want error
	}{
		{"empty", nil, ErrMissing},
		{"request alone", appendUint(nil, 1, uint8(5)), ErrMissing},
		{"later number alone", appendUint(nil, 100, uint8(5)), ErrMissing},
		{"two bodies", append(bytes.Clone(ping), appendElement(nil, protowire.Number(KindCountKeys), "")...), ErrDuplicate},
		{"the same body twice", append(bytes.Clone(ping), ping[2:]...), ErrDuplicate},
		{"bytes after the body", append(bytes.Clone(ping), 0x80), ErrTruncated},
		{"zero after the body", append(bytes.Clone(ping), 0, 0), ErrField},
		{"request after the body", append(bytes.Clone(ping[2:]), ping[:2]...), ErrOrder},
		{"text", []byte("GET / HTTP/1.1\r\n\r\n"), nil},
	} {
		var want []error
		if c.want != nil {
			want = append(want, c.want)
		}
		refusedBytes(t, c.what, "ClientFrame", c.b, want...)
	}
}

// TestRequestNumbers gives each frame the number it must not have, and takes
// away the one it must.
func TestRequestNumbers(t *testing.T) {
	t.Parallel()
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		for seed := range uint64(6) {
			frame := newMaker(t, seed, random).frame(body)
			number := field(frame, "request")
			if frame.Has(number) {
				frame.Clear(number)
			} else {
				frame.Set(number, protoreflect.ValueOfUint64(1))
			}
			refused(t, fmt.Sprintf("seed %d", seed), frame, ErrRequest)
		}
	})
}

// TestUnknownKinds is what keeps a client of yesterday on a server of tomorrow:
// not refused, named, and with its request number to answer to.
func TestUnknownKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []protowire.Number{protowire.Number(lastClientKind) + 1, 1000, protowire.MaxValidNumber} {
		for _, request := range []uint64{0, 77} {
			b := appendElement(appendUint(nil, 1, request), kind, "anything at all")
			r, m, err := ParseClient(b)
			if err != ErrUnknownKind || errors.Is(err, messaging.ErrInvalid) || r != request || m != nil {
				t.Errorf("client kind %d: request %d, %v, %v", kind, r, m, err)
			}
			r, n, err := ParseServer(b)
			if err != ErrUnknownKind || r != request || n != nil {
				t.Errorf("server kind %d: request %d, %v, %v", kind, r, n, err)
			}
			f, err := SplitClient(b)
			if err != nil || f.Kind.Known() || f.Kind != ClientKind(kind) || string(f.Body) != "anything at all" {
				t.Errorf("client kind %d: split into %+v, %v", kind, f, err)
			}
		}
	}
}

// TestRules breaks what sotto.proto says in words, one rule at a time.
func TestRules(t *testing.T) {
	t.Parallel()
	type directed struct {
		frame string
		bytes []byte
	}
	client := func(request uint64, m ClientMessage) directed {
		return directed{"ClientFrame", AppendClient(nil, request, m)}
	}
	server := func(request uint64, m ServerMessage) directed {
		return directed{"ServerFrame", AppendServer(nil, request, m)}
	}
	send := func(change func(*Send)) directed {
		m := sampleSend(600)
		change(m)
		return client(0, m)
	}
	open := func(change func(*OpenChat)) directed {
		m := &OpenChat{Token: make([]byte, MinToken), Purpose: PurposeOpen, IdempotencyKey: [16]byte{1}, Quote: []byte{1}}
		change(m)
		return client(1, m)
	}
	notice := func(change func(*Notice)) directed {
		m := &Notice{Position: 3, Kind: NoticeNewLogin, MustShow: true, TimeMS: 1}
		change(m)
		return server(0, m)
	}
	welcome := func(change func(*Welcome)) directed {
		m := &Welcome{Version: 1, ServerTimeMS: 1, TenantID: messaging.TenantID{1}, AccountID: messaging.AccountID{1}, Device: 1,
			Limits: Limits{1, 1, 1, 1, 1}, Keys: KeyCounts{SignedPrekeyID: 1, LastResortID: 1}}
		change(m)
		return server(0, m)
	}
	for _, c := range []struct {
		what string
		b    directed
		want error // nil: accepted
	}{
		{"send as it should be", send(func(*Send) {}), nil},
		{"send in a chat without the peer's head", send(func(m *Send) { m.PeerHead = LogHead{} }), ErrRule},
		{"send without a chat with a peer's head", send(func(m *Send) { m.ChatID = messaging.ChatID{}; m.Envelopes = m.Envelopes[8:] }), ErrRule},
		{"send without a chat to a peer's device", send(func(m *Send) { m.ChatID, m.PeerHead = messaging.ChatID{}, LogHead{} }), ErrRule},
		{"send without a chat to own devices", send(func(m *Send) {
			m.ChatID, m.PeerHead, m.Envelopes = messaging.ChatID{}, LogHead{}, m.Envelopes[8:]
		}), nil},
		{"typing with expiry", send(func(m *Send) { m.Urgency, m.ExpirySeconds = UrgencyEphemeral, 1 }), ErrRule},
		{"plaintext to a whole set", send(func(m *Send) { m.Envelopes[2].Type, m.Envelopes[2].Body = TypePlaintext, []byte{1} }), ErrRule},
		{"plaintext above its ceiling", send(func(m *Send) {
			m.Partial, m.Envelopes[2].Type, m.Envelopes[2].Body = true, TypePlaintext, make([]byte, MaxPlaintextBody+1)
		}), ErrLength},
		{"plaintext at its ceiling", send(func(m *Send) {
			m.Partial, m.Envelopes[2].Type, m.Envelopes[2].Body = true, TypePlaintext, make([]byte, MaxPlaintextBody)
		}), nil},
		{"device twice", send(func(m *Send) { m.Envelopes[2].Device = m.Envelopes[1].Device }), ErrSorted},
		{"devices not in order", send(func(m *Send) { m.Envelopes[1], m.Envelopes[2] = m.Envelopes[2], m.Envelopes[1] }), ErrSorted},
		{"own before peer", send(func(m *Send) { m.Envelopes[0].Side = SideOwn }), ErrSorted},
		{"device 0", send(func(m *Send) { m.Envelopes[0].Device = 0 }), ErrMissing},
		{"upload of nothing", client(1, &UploadKeys{}), ErrRule},
		{"one-time key as last resort", client(1, &UploadKeys{LastResort: sampleKEM(1, false)}), ErrRule},
		{"last resort as one-time key", client(1, &UploadKeys{OneTimeKEM: []KEMPreKey{sampleKEM(1, true)}}), ErrRule},
		{"added device with a one-time key as last resort", client(1, &AppendLog{Entry: []byte{1},
			Registration: Registration{RegistrationID: 1, SignedPrekey: sampleSigned(1), LastResort: sampleKEM(1, false)}}), ErrRule},
		{"opening without a key", open(func(m *OpenChat) { m.IdempotencyKey = [16]byte{} }), ErrRule},
		{"looking with a key", open(func(m *OpenChat) { m.Purpose, m.Quote = PurposeLook, nil }), ErrRule},
		{"looking with a quote", open(func(m *OpenChat) { m.Purpose, m.IdempotencyKey = PurposeLook, [16]byte{} }), ErrRule},
		{"looking", open(func(m *OpenChat) { m.Purpose, m.IdempotencyKey, m.Quote = PurposeLook, [16]byte{}, nil }), nil},
		{"opened without a state", server(1, &Opened{ChatID: messaging.ChatID{1}, AccountID: messaging.AccountID{1}, FoundingEntry: []byte{1}}), ErrRule},
		{"opened without a chat", server(1, &Opened{State: StateOpen, AccountID: messaging.AccountID{1}, FoundingEntry: []byte{1}}), ErrRule},
		{"device without keys", welcome(func(m *Welcome) { m.Keys = KeyCounts{} }), ErrRule},
		{"keys without a device", welcome(func(m *Welcome) { m.Device = 0 }), ErrRule},
		{"neither", welcome(func(m *Welcome) { m.Device, m.Keys = 0, KeyCounts{} }), nil},
		{"must show without a position", notice(func(m *Notice) { m.Position = 0 }), ErrRule},
		{"keys low without counts", notice(func(m *Notice) { m.Kind = NoticeKeysLow }), ErrMissing},
		{"log grew without a head", notice(func(m *Notice) { m.Kind, m.AccountID = NoticeLogGrew, messaging.AccountID{1} }), ErrMissing},
		{"link without a slot", notice(func(m *Notice) { m.Kind = NoticeLinkRequested }), ErrMissing},
		{"chat changed without a state", notice(func(m *Notice) { m.Kind, m.ChatID = NoticeChatChanged, messaging.ChatID{1} }), ErrMissing},
		{"media changed without a state", notice(func(m *Notice) { m.Kind, m.BlobID = NoticeMediaChanged, messaging.BlobID{1} }), ErrMissing},
		{"expired without a message", notice(func(m *Notice) { m.Kind = NoticeSendExpired }), ErrMissing},
		{"notice of a later version", notice(func(m *Notice) { m.Kind = 4711 }), nil},
		{"positions fall", server(0, &Deliver{Envelopes: []Delivered{sampleDeliver(2, 1).Envelopes[1], sampleDeliver(1, 1).Envelopes[0]}}), ErrSorted},
		{"envelope of a later type", server(0, &Deliver{Envelopes: []Delivered{{SenderAccount: messaging.AccountID{1}, SenderDevice: 1,
			MessageID: messaging.MessageID{1}, ServerTime: 1, Type: 7, Body: []byte{1}}}}), nil},
	} {
		if c.want != nil {
			refusedBytes(t, c.what, c.b.frame, c.b.bytes, c.want)
		} else if _, err := parse(c.b.frame, c.b.bytes); err != nil {
			t.Errorf("%s: refused for %v", c.what, reason(err))
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text         string
		label, build bool // accepted as
	}{
		{"Flyer, summer", true, true},
		{"Straße 7 – مرحبا", true, false},
		{strings.Repeat("x", MaxLabel), true, true},
		{"two\nlines", false, false},
		{"esc\x1b[2J", false, false},
		{"csi\u009b2J", false, false},
		{"del\x7f", false, false},
		{"nul\x00", false, false},
		{"\xff\xfe", false, false},
		{"\xed\xa0\x80", false, false}, // half of a surrogate pair
	} {
		_, _, err := ParseClient(AppendClient(nil, 1, &CreateInvite{IdempotencyKey: [16]byte{1}, Label: c.text}))
		if (err == nil) != c.label || err != nil && reason(err) != ErrText {
			t.Errorf("label %q: %v", c.text, err)
		}
		_, _, err = ParseClient(AppendClient(nil, 0, &Hello{Versions: []uint8{1}, Build: c.text}))
		if (err == nil) != c.build || err != nil && reason(err) != ErrText {
			t.Errorf("build %q: %v", c.text, err)
		}
	}
}

func TestChooseVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offered        []uint8
		oldest, newest uint8
		want           uint8
		ok             bool
	}{
		{[]uint8{1}, 1, 1, 1, true},
		{[]uint8{1, 2}, 1, 1, 1, true}, // newer client, older server
		{[]uint8{1}, 1, 2, 1, true},    // older client, newer server
		{[]uint8{1, 2, 3}, 1, 2, 2, true},
		{[]uint8{1}, 2, 3, 0, false},
		{[]uint8{4}, 2, 3, 0, false},
	} {
		m := Hello{Versions: c.offered}
		if v, ok := m.Choose(c.oldest, c.newest); v != c.want || ok != c.ok {
			t.Errorf("%v against %d..%d: %d, %v", c.offered, c.oldest, c.newest, v, ok)
		}
	}
}

// TestSecretsAreNotPrinted looks for the bearer secrets of each type that has one.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef")
	for _, m := range []any{
		Hello{Build: "b", Ticket: secret}, &Hello{Build: "b", Ticket: secret},
		OpenChat{Token: secret}, &OpenChat{Token: secret},
		Invite{Token: secret}, &Invite{Token: secret},
		Invites{Invites: []Invite{{Token: secret}}}, &Invites{Invites: []Invite{{Token: secret}}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			text := fmt.Sprintf(verb, m)
			for _, form := range []string{"%s", "%v", "%x", "%#v"} {
				shown := strings.Trim(fmt.Sprintf(form, secret), "[]")
				if strings.Contains(text, shown) {
					t.Errorf("%T printed with %s shows its secret: %s", m, verb, text)
				}
			}
		}
	}
}

// TestBodiesPointIntoTheFrame is the ownership that the package comment states:
// nothing is copied, and no append to a body writes into its neighbour.
func TestBodiesPointIntoTheFrame(t *testing.T) {
	t.Parallel()
	b := AppendClient(nil, 0, sampleSend(32))
	before := bytes.Clone(b)
	f, err := SplitClient(b)
	if err != nil {
		t.Fatal(err)
	}
	var m Send
	if err := m.Parse(f.Body); err != nil {
		t.Fatal(err)
	}
	for i := range m.Envelopes {
		_ = append(m.Envelopes[i].Body, 0xEE)
	}
	if !bytes.Equal(b, before) {
		t.Fatal("an append to a body wrote into the frame")
	}
	copy(b, bytes.Repeat([]byte{0x55}, len(b)))
	if m.Envelopes[0].Body[0] != 0x55 {
		t.Error("body was copied")
	}
}

// TestReuse parses a small frame into a value that held a large one.
func TestReuse(t *testing.T) {
	t.Parallel()
	body := func(m message) []byte { return m.append(nil) }
	send := *sampleSend(10)
	small := &Send{MessageID: messaging.MessageID{9}, OwnHead: sampleHead(1), Envelopes: sampleSend(1).Envelopes[15:]}
	if err := send.Parse(body(small)); err != nil || !bytes.Equal(body(&send), body(small)) {
		t.Errorf("send: %v\n%+v", err, send)
	}
	ack := *sampleAck(100)
	if err := ack.Parse(body(sampleAck(2))); err != nil || !bytes.Equal(body(&ack), body(sampleAck(2))) {
		t.Errorf("ack: %v %v", err, ack)
	}
	deliver := *sampleDeliver(100, 3)
	if err := deliver.Parse(body(sampleDeliver(2, 5))); err != nil || !bytes.Equal(body(&deliver), body(sampleDeliver(2, 5))) {
		t.Errorf("deliver: %v %v", err, deliver)
	}
}

// TestDeliveredOverhead holds the two constants that a sender counts with, at
// the highest value of every field.
func TestDeliveredOverhead(t *testing.T) {
	t.Parallel()
	for _, body := range bodies(t, "ServerFrame") {
		if body.Name() != "deliver" {
			continue
		}
		frame := newMaker(t, 1, full).frame(body)
		list := frame.Mutable(body).Message().Mutable(body.Message().Fields().ByName("envelopes")).List()
		for i := range list.Len() {
			e := list.Get(i).Message()
			all := proto.Size(e.Interface()) + 1 + 3 // tag, and the longest length that fits a frame
			if over := all - len(e.Get(field(e, "body")).Bytes()); over > DeliveredOverhead {
				t.Errorf("an envelope takes %d bytes beside its body", over)
			}
		}
		list.Truncate(1)
		e := list.Get(0).Message()
		if over := len(print(t, frame)) - len(e.Get(field(e, "body")).Bytes()) - DeliveredOverhead; over > FrameOverhead {
			t.Errorf("the frame takes %d bytes more", over)
		}
	}
}
