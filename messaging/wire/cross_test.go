package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const messagingMaxDevice = messaging.MaxDeviceID

// print is the reference encoder. Deterministic gives ascending field numbers.
func print(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parsed is a frame of either direction after parsing.
type parsed struct {
	request uint64
	body    any
	lossy   bool
	again   []byte // printed by this package
}

// parse reads a frame of the direction that frame names.
func parse(frame string, b []byte) (p parsed, err error) {
	if frame == "ClientFrame" {
		f, err := SplitClient(b)
		if err != nil {
			return parsed{}, err
		}
		m, err := f.Message()
		if err != nil {
			return parsed{}, err
		}
		return parsed{f.Request, m, f.lossy, AppendClient(nil, f.Request, m)}, nil
	}
	f, err := SplitServer(b)
	if err != nil {
		return parsed{}, err
	}
	m, err := f.Message()
	if err != nil {
		return parsed{}, err
	}
	return parsed{f.Request, m, f.lossy, AppendServer(nil, f.Request, m)}, nil
}

// goName turns a name of the contract into that of this package's struct field.
func goName(name protoreflect.Name) string {
	var b strings.Builder
	for _, word := range strings.Split(string(name), "_") {
		switch word {
		case "id", "ms", "ec", "kem":
			b.WriteString(strings.ToUpper(word))
		case "ids":
			b.WriteString("IDs")
		default:
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// mirror builds the contract's message from a struct of this package, field by
// field under its name: what is set where is then judged by the contract.
func mirror(t testing.TB, v reflect.Value, md protoreflect.MessageDescriptor) protoreflect.Message {
	t.Helper()
	v = reflect.Indirect(v)
	m := dynamicpb.NewMessage(md)
	if v.NumField() != md.Fields().Len() {
		t.Fatalf("%s has %d fields, in sotto.proto %d", v.Type(), v.NumField(), md.Fields().Len())
	}
	for _, fd := range fieldsOf(md) {
		fv := v.FieldByName(goName(fd.Name()))
		if !fv.IsValid() {
			t.Fatalf("%s has no field %s for %s", v.Type(), goName(fd.Name()), fd.FullName())
		}
		mirrorField(t, m, fd, fv)
	}
	return m
}

func mirrorField(t testing.TB, m protoreflect.Message, fd protoreflect.FieldDescriptor, v reflect.Value) {
	t.Helper()
	if fd.IsList() {
		for i := range v.Len() {
			m.Mutable(fd).List().Append(mirrorValue(t, fd, v.Index(i)))
		}
		return
	}
	if !v.IsZero() && !(v.Kind() == reflect.Slice && v.Len() == 0) {
		m.Set(fd, mirrorValue(t, fd, v))
	}
}

func mirrorValue(t testing.TB, fd protoreflect.FieldDescriptor, v reflect.Value) protoreflect.Value {
	t.Helper()
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(mirror(t, v, fd.Message()))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(v.Bool())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(v.String())
	case protoreflect.BytesKind:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return protoreflect.ValueOfBytes(b)
	default:
		return unsigned(fd, v.Uint())
	}
}

// cross judges one frame of the contract in both directions: what the reference
// prints we read as the same values, and what we print the reference reads, and
// would print, as the same.
func cross(t testing.TB, frame *dynamicpb.Message, body protoreflect.FieldDescriptor) {
	t.Helper()
	b := print(t, frame)
	p, err := parse(string(frame.Descriptor().Name()), b)
	if err != nil {
		t.Fatalf("%s refused: %v (%v)\n%v", body.FullName(), err, reason(err), frame)
	}
	if !bytes.Equal(p.again, b) {
		t.Fatalf("%s: printed\n%x\nparsed from\n%x", body.FullName(), p.again, b)
	}
	mine := dynamicpb.NewMessage(frame.Descriptor())
	if p.request != 0 {
		mine.Set(field(mine, "request"), protoreflect.ValueOfUint64(p.request))
	}
	mine.Set(body, protoreflect.ValueOfMessage(mirror(t, reflect.ValueOf(p.body), body.Message())))
	if !proto.Equal(mine, frame) {
		t.Fatalf("%s: we read\n%v\nthe contract has\n%v", body.FullName(), mine, frame)
	}
	back := dynamicpb.NewMessage(frame.Descriptor())
	if err := proto.Unmarshal(p.again, back); err != nil || !proto.Equal(back, frame) {
		t.Fatalf("%s: the reference reads our bytes as %v (%v)", body.FullName(), back, err)
	}
	if p.lossy {
		t.Fatalf("%s: reported as having unknown fields", body.FullName())
	}
}

func everyBody(t *testing.T, do func(t *testing.T, body protoreflect.FieldDescriptor)) {
	for _, frame := range []string{"ClientFrame", "ServerFrame"} {
		for _, body := range bodies(t, frame) {
			t.Run(string(body.Message().Name()), func(t *testing.T) {
				t.Parallel()
				do(t, body)
			})
		}
	}
}

func TestCrossRandom(t *testing.T) {
	t.Parallel()
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		for seed := range uint64(rounds) {
			frame := newMaker(t, seed, random).frame(body)
			cross(t, frame, body)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	})
}

func TestCrossAtTheBounds(t *testing.T) {
	t.Parallel()
	everyBody(t, func(t *testing.T, body protoreflect.FieldDescriptor) {
		for seed := range uint64(8) { // enum values still differ
			for _, f := range []fill{sparse, full} {
				cross(t, newMaker(t, seed, f).frame(body), body)
			}
		}
	})
}
