package wire

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A node is one field of a printed frame, taken apart so that a test can put it
// together wrongly while the lengths around it stay right.
type node struct {
	fd    protoreflect.FieldDescriptor
	tag   []byte
	size  []byte // nil: computed; else written as it is
	value []byte // varint with its bytes, or content of a length-delimited field
	under []*node
}

func takeApart(t testing.TB, b []byte, md protoreflect.MessageDescriptor) (out []*node) {
	t.Helper()
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		fd := md.Fields().ByNumber(num)
		if n < 0 || fd == nil {
			t.Fatalf("cannot take %s apart", md.FullName())
		}
		x := &node{fd: fd, tag: b[:n]}
		b = b[n:]
		if typ == protowire.VarintType {
			_, n = protowire.ConsumeVarint(b)
			x.value = b[:n]
		} else {
			x.value, n = protowire.ConsumeBytes(b)
			if fd.Kind() == protoreflect.MessageKind {
				x.under = takeApart(t, x.value, fd.Message())
			}
		}
		b = b[n:]
		out = append(out, x)
	}
	return out
}

func (x *node) isVarint() bool { return x.tag[0]&7 == byte(protowire.VarintType) }

func (x *node) isMessage() bool { return x.fd.Kind() == protoreflect.MessageKind }

func putTogether(nodes []*node) (b []byte) {
	for _, x := range nodes {
		b = append(b, x.tag...)
		value := x.value
		if x.isMessage() && x.under != nil {
			value = putTogether(x.under)
		}
		if x.size != nil {
			b = append(b, x.size...)
		} else if !x.isVarint() {
			b = protowire.AppendVarint(b, uint64(len(value)))
		}
		b = append(b, value...)
	}
	return b
}

// lengthen writes a varint one byte longer than needed.
func lengthen(varint []byte) []byte {
	out := slices.Clone(varint)
	out[len(out)-1] |= 0x80
	return append(out, 0)
}

func tag(num protowire.Number, typ protowire.Type) []byte { return protowire.AppendTag(nil, num, typ) }

// TestMalformations damages the form, not the values: each kind of damage at
// each field of frames of each kind.
func TestMalformations(t *testing.T) {
	t.Parallel()
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		for seed := range uint64(12) {
			frame := newMaker(t, seed, random).frame(body)
			name := string(frame.Descriptor().Name())
			nodes := takeApart(t, print(t, frame), frame.Descriptor())
			d := &damage{t: t, frame: name, whole: nodes, done: map[string]bool{}}
			d.level(&nodes, func(n []*node) { d.whole = n })
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	})
}

// damage knows the frame that it damages, and what it has done to which field.
type damage struct {
	t     *testing.T
	frame string
	whole []*node
	done  map[string]bool
}

// level damages each field of one message, then goes below; set replaces the
// message's fields in the whole.
func (d *damage) level(nodes *[]*node, set func([]*node)) {
	all := *nodes
	for i, x := range all {
		d.inPlace(x)
		with := func(what string, want error, changed ...*node) {
			d.t.Helper()
			set(slices.Concat(all[:i], changed, all[i+1:]))
			d.expect(x, what, want)
			set(all)
		}
		if !x.fd.IsList() || x.fd.IsPacked() {
			with("twice", ErrDuplicate, x, x)
		}
		if i+1 < len(all) && all[i+1].fd != x.fd {
			set(slices.Concat(all[:i], []*node{all[i+1], x}, all[i+2:]))
			d.expect(x, "after its successor", ErrOrder)
			set(all)
		}
		if x.isMessage() && x.under != nil {
			d.level(&x.under, func(n []*node) { x.under = n })
		}
	}
}

// inPlace damages one field, and repairs it.
func (d *damage) inPlace(x *node) {
	saved := *x
	try := func(what string, want error, change func()) {
		d.t.Helper()
		change()
		d.expect(&saved, what, want)
		*x = saved
	}
	num := protowire.Number(x.fd.Number())
	try("tag not shortest", ErrVarint, func() { x.tag = lengthen(x.tag) })
	try("group", ErrGroup, func() { x.tag, x.under = tag(num, protowire.StartGroupType), nil })
	try("end of group", ErrGroup, func() { x.tag, x.under = tag(num, protowire.EndGroupType), nil })
	try("wire type 6", ErrWireType, func() { x.tag, x.under = tag(num, 6), nil })
	try("fixed32", ErrWireType, func() {
		x.tag, x.value, x.size, x.under = tag(num, protowire.Fixed32Type), []byte{1, 0, 0}, []byte{0}, nil
	})
	try("field 0", ErrField, func() { x.tag = []byte{byte(saved.tag[0] & 7)} })
	try("field 2^29", ErrField, func() { x.tag = protowire.AppendVarint(nil, 1<<32|uint64(saved.tag[0]&7)) })
	if x.isVarint() {
		try("number not shortest", ErrVarint, func() { x.value = lengthen(x.value) })
		try("number of 70 bits", ErrVarint, func() { x.value = []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 127} })
		try("number of 11 bytes", ErrVarint, func() { x.value = []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1} })
		try("default", ErrDefault, func() { x.value = []byte{0} })
		try("as bytes", ErrWireType, func() { x.tag, x.value = tag(num, protowire.BytesType), []byte{1} })
		return
	}
	content := x.value
	if x.under != nil {
		content = putTogether(x.under)
	}
	size := protowire.AppendVarint(nil, uint64(len(content)))
	try("length not shortest", ErrVarint, func() { x.size = lengthen(size) })
	try("length of 2^63", ErrTruncated, func() { x.size = protowire.AppendVarint(nil, 1<<63) })
	try("as a number", ErrWireType, func() { x.tag, x.value, x.size, x.under = tag(num, protowire.VarintType), []byte{1}, []byte{}, nil })
	if !x.isMessage() {
		empty := ErrLength
		if x.fd.IsPacked() {
			empty = ErrDefault
		}
		try("empty", empty, func() { x.value = nil })
	}
}

// expect refuses the damaged frame, once for each field and damage. A length
// that swallows what follows may show as another fault, so a nil want takes any.
func (d *damage) expect(x *node, what string, want error) {
	d.t.Helper()
	label := fmt.Sprintf("%s: %s", x.fd.FullName(), what)
	if d.done[label] {
		return
	}
	d.done[label] = true
	refusedBytes(d.t, label, d.frame, putTogether(d.whole), want)
}

// TestTruncations cuts each frame at each byte.
func TestTruncations(t *testing.T) {
	t.Parallel()
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		frame := newMaker(t, 1, sparse).frame(body)
		b := print(t, frame)
		for n := range b {
			refusedBytes(t, fmt.Sprintf("%d of %d bytes", n, len(b)), string(frame.Descriptor().Name()), b[:n])
		}
	})
}

// TestLaterFields adds fields of a later version to every message of a frame:
// they are skipped, and the rest means what it meant.
func TestLaterFields(t *testing.T) {
	t.Parallel()
	var later []byte
	for i := range 8 {
		later = protowire.AppendTag(later, protowire.Number(1000+i), protowire.VarintType)
		later = protowire.AppendVarint(later, uint64(i))
	}
	later = protowire.AppendFixed32(protowire.AppendTag(later, 2000, protowire.Fixed32Type), 7)
	later = protowire.AppendFixed64(protowire.AppendTag(later, 2001, protowire.Fixed64Type), 7)
	later = protowire.AppendBytes(protowire.AppendTag(later, 2002, protowire.BytesType), []byte("later"))
	later = protowire.AppendBytes(protowire.AppendTag(later, 2002, protowire.BytesType), nil)

	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		frame := newMaker(t, 3, random).frame(body)
		name := string(frame.Descriptor().Name())
		b := print(t, frame)
		want, err := parse(name, b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(name, append(grow(takeApart(t, b, frame.Descriptor()), later), later...))
		if err != nil {
			t.Fatalf("refused: %v", reason(err))
		}
		if !got.lossy || !reflect.DeepEqual(got.body, want.body) || got.request != want.request {
			t.Errorf("with later fields\n%+v\nwithout\n%+v", got, want)
		}
		again, err := parse(name, got.again)
		if err != nil || !reflect.DeepEqual(again.body, want.body) || again.lossy {
			t.Errorf("printed again it means %+v (%v)", again, err)
		}
	})
}

// grow appends later to every message.
func grow(nodes []*node, later []byte) (b []byte) {
	for _, x := range nodes {
		b = append(b, x.tag...)
		value := x.value
		if x.isMessage() {
			value = append(grow(x.under, later), later...)
		}
		if !x.isVarint() {
			b = protowire.AppendVarint(b, uint64(len(value)))
		}
		b = append(b, value...)
	}
	return b
}

func TestLaterFieldsAreBounded(t *testing.T) {
	t.Parallel()
	later := func(n int) (b []byte) {
		for i := range n {
			b = appendUint(b, protowire.Number(100+i), uint8(1))
		}
		return b
	}
	frame := func(inside, outside int) []byte {
		b, at := begin(appendUint(nil, 1, uint8(9)), protowire.Number(KindPing))
		return append(end(append(b, later(inside)...), at), later(outside)...)
	}
	if _, err := parse("ClientFrame", frame(MaxUnknown, MaxUnknown)); err != nil {
		t.Errorf("%d unknown fields refused: %v", MaxUnknown, reason(err))
	}
	refusedBytes(t, "one too many in the body", "ClientFrame", frame(MaxUnknown+1, 0), ErrUnknown)
	refusedBytes(t, "one too many in the frame", "ClientFrame", frame(0, MaxUnknown+1), ErrUnknown)
	bad := append(frame(0, 0), appendElement(nil, 100, "x")...)
	refusedBytes(t, "later field cut off", "ClientFrame", bad[:len(bad)-1], ErrTruncated)
	refusedBytes(t, "later fields not in order", "ClientFrame",
		appendUint(appendUint(frame(0, 0), 101, uint8(1)), 100, uint8(1)), ErrOrder)
	refusedBytes(t, "later group", "ClientFrame", append(frame(0, 0), tag(100, protowire.StartGroupType)...), ErrGroup)
}

// TestLaterFieldsBelowAreNoticed puts one later field into a nested message
// only: the frame must not pass for one that prints the same again.
func TestLaterFieldsBelowAreNoticed(t *testing.T) {
	t.Parallel()
	b, at := begin(nil, protowire.Number(KindAppendLog))
	b = appendBytes(b, 1, "entry")
	b, head := begin(b, 2)
	b = appendHash(b, 2, sampleHead(1).Hash)
	b = end(end(appendUint(b, 1000, uint8(1)), head), at)
	p, err := parse("ClientFrame", append(appendUint(nil, 1, uint8(1)), b...))
	if err != nil || !p.lossy {
		t.Errorf("lossy %v, %v", p.lossy, reason(err))
	}
}
