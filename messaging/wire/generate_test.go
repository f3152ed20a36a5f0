package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// fill says how much of a message a maker fills in.
type fill int

const (
	sparse fill = iota // what is required, at its lower bounds
	random
	full // everything, at its upper bounds
)

// maker makes valid messages from the contract alone, by its notation; fix adds
// the rules over several fields, which the notation leaves to words.
type maker struct {
	t    testing.TB
	r    *rand.Rand
	fill fill
}

func newMaker(t testing.TB, seed uint64, f fill) *maker {
	return &maker{t: t, r: rand.New(rand.NewPCG(seed, 0)), fill: f}
}

// frame makes a frame with the body of one oneof field.
func (k *maker) frame(body protoreflect.FieldDescriptor) *dynamicpb.Message {
	frame := dynamicpb.NewMessage(body.ContainingMessage())
	m := k.message(body.Message())
	frame.Set(body, protoreflect.ValueOfMessage(m))
	if requestExpected(body, m) {
		frame.Set(frame.Descriptor().Fields().ByName("request"), protoreflect.ValueOfUint64(k.number(MaxNumber)))
	}
	return frame
}

// requestExpected is the rule that sotto.proto states in words at the two frames.
func requestExpected(body protoreflect.FieldDescriptor, m protoreflect.Message) bool {
	switch body.Message().Name() {
	case "Hello", "Send", "Ack", "Welcome", "Deliver", "Accepted", "QueueEmpty", "Notice", "Draining":
		return false
	case "Refused":
		return !has(m, "message_id")
	}
	return true
}

func (k *maker) message(md protoreflect.MessageDescriptor) protoreflect.Message {
	m := dynamicpb.NewMessage(md)
	for _, fd := range fieldsOf(md) {
		r := mustRule(k.t, fd)
		if r.required || k.fill == full || k.fill == random && k.r.IntN(3) > 0 {
			k.field(m, fd, r)
		}
	}
	k.fix(m)
	return m
}

func mustRule(t testing.TB, fd protoreflect.FieldDescriptor) rule {
	t.Helper()
	r, err := ruleOf(fd)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (k *maker) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, r rule) {
	if !fd.IsList() {
		m.Set(fd, k.value(fd, r))
		return
	}
	k.list(m, fd, r, k.between(r.fewest, r.count))
}

// list fills a repeated field with n elements.
func (k *maker) list(m protoreflect.Message, fd protoreflect.FieldDescriptor, r rule, n int) {
	m.Clear(fd)
	list := m.Mutable(fd).List()
	for i := range n {
		v := k.value(fd, r)
		if r.ascending {
			v = k.grow(fd, r, v, uint64(i)+1, n)
		}
		list.Append(v)
	}
}

// grow makes v, or the id of v, the place-th of n growing numbers; in a full
// list the last one is the highest allowed.
func (k *maker) grow(fd protoreflect.FieldDescriptor, r rule, v protoreflect.Value, place uint64, n int) protoreflect.Value {
	if fd.Kind() == protoreflect.MessageKind {
		id := growing(fd.Message())
		id.value(v.Message(), k.place(mustRule(k.t, id.fd).most, place, n))
		return v
	}
	return unsigned(fd, k.place(r.most, place, n))
}

func (k *maker) place(most, place uint64, n int) uint64 {
	if k.fill == full {
		return most - uint64(n) + place
	}
	return place
}

type growingField struct{ fd protoreflect.FieldDescriptor }

func growing(md protoreflect.MessageDescriptor) growingField {
	if fd := md.Fields().ByName("id"); fd != nil {
		return growingField{fd}
	}
	return growingField{md.Fields().ByName("device")}
}

func (g growingField) value(m protoreflect.Message, n uint64) { m.Set(g.fd, unsigned(g.fd, n)) }

func unsigned(fd protoreflect.FieldDescriptor, n uint64) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	default:
		return protoreflect.ValueOfUint64(n)
	}
}

func (k *maker) between(least, most int) int {
	switch k.fill {
	case sparse:
		return least
	case full:
		return most
	}
	if k.r.IntN(8) > 0 { // mostly small, so that a round stays fast
		most = min(most, least+40)
	}
	return least + k.r.IntN(most-least+1)
}

func (k *maker) number(most uint64) uint64 {
	switch k.fill {
	case sparse:
		return 1
	case full:
		return most
	}
	return 1 + k.r.Uint64N(most)>>k.r.IntN(64)
}

func (k *maker) value(fd protoreflect.FieldDescriptor, r rule) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(k.message(fd.Message()))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(k.bytes(k.between(r.shortest, r.longest), 'a', 26)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(k.bytes(k.between(r.shortest, r.longest), 1, 255))
	case protoreflect.EnumKind:
		return k.enum(fd, r)
	default:
		return unsigned(fd, k.number(r.most))
	}
}

func (k *maker) bytes(n int, first byte, width int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(k.r.IntN(width))
	}
	return b
}

// enum picks a value of the contract, or, where the enum is open, any.
func (k *maker) enum(fd protoreflect.FieldDescriptor, r rule) protoreflect.Value {
	if r.open && k.fill != sparse {
		return unsigned(fd, k.number(MaxOpenEnum))
	}
	values := fd.Enum().Values()
	return protoreflect.ValueOfEnum(values.Get(1 + k.r.IntN(values.Len()-1)).Number())
}

func field(m protoreflect.Message, name string) protoreflect.FieldDescriptor {
	return m.Descriptor().Fields().ByName(protoreflect.Name(name))
}

func has(m protoreflect.Message, name string) bool { return m.Has(field(m, name)) }

func absent(m protoreflect.Message, names ...string) {
	for _, name := range names {
		m.Clear(field(m, name))
	}
}

// need fills a field in when it is absent.
func (k *maker) need(m protoreflect.Message, names ...string) {
	for _, name := range names {
		if fd := field(m, name); !m.Has(fd) {
			k.field(m, fd, mustRule(k.t, fd))
		}
	}
}

// together makes the presence of others that of name.
func (k *maker) together(m protoreflect.Message, name string, others ...string) {
	if has(m, name) {
		k.need(m, others...)
		return
	}
	absent(m, others...)
}

func (k *maker) fix(m protoreflect.Message) {
	switch m.Descriptor().Name() {
	case "Send":
		k.fixSend(m)
	case "UploadKeys":
		k.need(m, "signed_prekey")
		k.fixLastResort(m)
	case "Registration":
		k.fixLastResort(m)
	case "OpenChat":
		k.fixOpenChat(m)
	case "Opened":
		k.together(m, "chat_id", "state")
	case "Welcome":
		k.together(m, "device", "keys")
	case "Deliver":
		k.fixDeliver(m)
	case "Notice":
		k.fixNotice(m)
	}
}

func (k *maker) fixSend(m protoreflect.Message) {
	k.together(m, "chat_id", "peer_head")
	if m.Get(field(m, "urgency")).Enum() == protoreflect.EnumNumber(UrgencyEphemeral) {
		absent(m, "expiry_seconds")
	}
	list := m.Mutable(field(m, "envelopes")).List()
	peers := 0
	if has(m, "chat_id") {
		peers = k.r.IntN(list.Len() + 1)
	}
	for i := range list.Len() {
		side, device := SideOwn, int(messagingMaxDevice)-list.Len()+1+i
		if i < peers {
			side, device = SidePeer, i+1
		}
		k.fixEnvelope(list.Get(i).Message(), side, device, has(m, "partial"))
	}
}

func (k *maker) fixEnvelope(e protoreflect.Message, side Side, device int, partial bool) {
	e.Set(field(e, "side"), unsigned(field(e, "side"), uint64(side)))
	e.Set(field(e, "device"), unsigned(field(e, "device"), uint64(device)))
	kind, body := field(e, "type"), field(e, "body")
	if e.Get(kind).Enum() != protoreflect.EnumNumber(TypePlaintext) {
		return
	}
	if !partial {
		e.Set(kind, unsigned(kind, uint64(TypeSignal)))
	} else if b := e.Get(body).Bytes(); len(b) > MaxPlaintextBody {
		e.Set(body, protoreflect.ValueOfBytes(b[:MaxPlaintextBody]))
	}
}

func (k *maker) fixLastResort(m protoreflect.Message) {
	if has(m, "last_resort") {
		key := m.Mutable(field(m, "last_resort")).Message()
		key.Set(field(key, "last_resort"), protoreflect.ValueOfBool(true))
	}
	if field(m, "one_time_kem") == nil {
		return
	}
	list := m.Get(field(m, "one_time_kem")).List()
	for i := range list.Len() {
		absent(list.Get(i).Message(), "last_resort")
	}
}

func (k *maker) fixOpenChat(m protoreflect.Message) {
	if m.Get(field(m, "purpose")).Enum() == protoreflect.EnumNumber(PurposeOpen) {
		k.need(m, "idempotency_key")
		return
	}
	absent(m, "idempotency_key", "quote")
}

// fixDeliver numbers the positions, and keeps a full batch within MaxFrame: one
// body at the ceiling beside short ones.
func (k *maker) fixDeliver(m protoreflect.Message) {
	list := m.Mutable(field(m, "envelopes")).List()
	for i := range list.Len() {
		e := list.Get(i).Message()
		if has(e, "position") {
			e.Set(field(e, "position"), protoreflect.ValueOfUint64(k.place(MaxNumber, uint64(i)+1, list.Len())))
		}
		if body := field(e, "body"); i > 0 && k.fill != sparse {
			e.Set(body, protoreflect.ValueOfBytes(bytes.Clone(e.Get(body).Bytes()[:1])))
		}
	}
}

func (k *maker) fixNotice(m protoreflect.Message) {
	if has(m, "must_show") {
		k.need(m, "position")
	}
	switch NoticeKind(m.Get(field(m, "kind")).Enum()) {
	case NoticeKeysLow:
		k.need(m, "keys")
	case NoticeLogGrew:
		k.need(m, "account_id", "head")
	case NoticeLinkRequested:
		k.need(m, "slot")
	case NoticeChatChanged:
		k.need(m, "chat_id", "chat_state")
	case NoticeMediaChanged:
		k.need(m, "blob_id", "media_state")
	case NoticeSendExpired:
		k.need(m, "message_id")
	}
}
