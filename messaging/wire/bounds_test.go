package wire

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestOutsideTheBounds breaks, in a valid frame, the rule of one field at a
// time, for each field of the contract in each place where it occurs, and
// expects the refusal that belongs to it.
func TestOutsideTheBounds(t *testing.T) {
	t.Parallel()
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		broken := map[protoreflect.FullName]bool{}
		for seed := range uint64(40) {
			k := newMaker(t, seed, random)
			frame := k.frame(body)
			breakFields(k, frame, frame.Get(body).Message(), body, broken)
		}
		checkAllBroken(t, body.Message(), broken)
	})
}

// breakFields walks the messages below m, which is part of frame.
func breakFields(k *maker, frame *dynamicpb.Message, m protoreflect.Message, body protoreflect.FieldDescriptor, broken map[protoreflect.FullName]bool) {
	for _, fd := range fieldsOf(m.Descriptor()) {
		if !m.Has(fd) {
			continue
		}
		if !broken[fd.FullName()] {
			broken[fd.FullName()] = true
			breakField(k, frame, m, fd)
		}
		switch {
		case fd.Kind() != protoreflect.MessageKind:
		case fd.IsList():
			for i := range m.Get(fd).List().Len() {
				breakFields(k, frame, m.Mutable(fd).List().Get(i).Message(), body, broken)
			}
		default:
			breakFields(k, frame, m.Mutable(fd).Message(), body, broken)
		}
	}
}

func checkAllBroken(t *testing.T, md protoreflect.MessageDescriptor, broken map[protoreflect.FullName]bool) {
	t.Helper()
	for _, fd := range fieldsOf(md) {
		if !broken[fd.FullName()] {
			t.Errorf("%s never occurred in the random frames", fd.FullName())
		}
		if fd.Kind() == protoreflect.MessageKind {
			checkAllBroken(t, fd.Message(), broken)
		}
	}
}

// breakField sets one field of m to each thing its rule forbids, and back.
func breakField(k *maker, frame *dynamicpb.Message, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	r := mustRule(k.t, fd)
	saved := proto.Clone(m.Interface()).ProtoReflect()
	restore := func() {
		m.Clear(fd)
		if saved.Has(fd) {
			m.Set(fd, proto.Clone(saved.Interface()).ProtoReflect().Get(fd))
		}
	}
	expect := func(what string, want ...error) {
		k.t.Helper()
		refused(k.t, fmt.Sprintf("%s: %s", fd.FullName(), what), frame, want...)
		restore()
	}
	if r.required {
		m.Clear(fd)
		expect("missing", ErrMissing)
	}
	if fd.IsList() {
		breakList(k, m, fd, r, expect)
		return
	}
	for _, bad := range forbidden(k, fd, r) {
		m.Set(fd, bad.value)
		expect(bad.what, bad.want)
	}
}

func breakList(k *maker, m protoreflect.Message, fd protoreflect.FieldDescriptor, r rule, expect func(string, ...error)) {
	small := &maker{t: k.t, r: k.r, fill: sparse}
	small.list(m, fd, r, r.count+1)
	expect("one element too many", ErrCount)
	if r.ascending {
		for _, order := range [][2]uint64{{2, 2}, {2, 1}} {
			small.list(m, fd, r, 2)
			for i, n := range order {
				m.Mutable(fd).List().Set(i, small.grow(fd, r, small.value(fd, r), n, 2))
			}
			expect(fmt.Sprintf("ids %v", order), ErrSorted)
		}
	}
	for _, bad := range forbidden(k, fd, r) {
		small.list(m, fd, r, 1)
		m.Mutable(fd).List().Set(0, bad.value)
		expect("element "+bad.what, bad.want)
	}
}

type bad struct {
	what  string
	value protoreflect.Value
	want  error
}

// forbidden lists single values that the rule of a field excludes.
func forbidden(k *maker, fd protoreflect.FieldDescriptor, r rule) (out []bad) {
	if r.hasLen {
		out = append(out, bad{"too long", lengthOf(k, fd, r.longest+1), ErrLength})
		if r.shortest > 1 {
			out = append(out, bad{"too short", lengthOf(k, fd, r.shortest-1), ErrLength})
		}
	}
	if r.nonZero {
		out = append(out, bad{"zeros", protoreflect.ValueOfBytes(make([]byte, r.longest)), ErrDefault})
	}
	if r.hasRg && (fd.Kind() == protoreflect.Uint64Kind || r.most < maxUint32) {
		out = append(out, bad{"above its range", unsigned(fd, r.most+1), ErrRange})
	}
	if r.open {
		out = append(out, bad{"above 65535", unsigned(fd, MaxOpenEnum+1), ErrRange})
	}
	if r.closed {
		for n := protoreflect.EnumNumber(1); n < 12; n++ {
			if fd.Enum().Values().ByNumber(n) == nil {
				out = append(out, bad{fmt.Sprintf("unknown value %d", n), protoreflect.ValueOfEnum(n), ErrEnum})
			}
		}
	}
	return out
}

func lengthOf(k *maker, fd protoreflect.FieldDescriptor, n int) protoreflect.Value {
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(string(k.bytes(n, 'a', 26)))
	}
	return protoreflect.ValueOfBytes(k.bytes(n, 1, 255))
}

// refused expects each of want inside the one error class for the outside.
func refused(t testing.TB, what string, frame *dynamicpb.Message, want ...error) {
	t.Helper()
	refusedBytes(t, what, string(frame.Descriptor().Name()), print(t, frame), want...)
}

func refusedBytes(t testing.TB, what, frame string, b []byte, want ...error) {
	t.Helper()
	_, err := parse(frame, b)
	if err == nil {
		t.Errorf("%s: accepted", what)
		return
	}
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("%s: %v is not the undistinguished error", what, err)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: refused for %q, expected %q", what, reason(err), w)
		}
	}
}
