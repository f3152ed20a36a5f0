package content

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// contract compiles content.proto and returns the descriptor of a message.
func contract(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(t.Context(), "content.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

func dynamic(t testing.TB, file protoreflect.FileDescriptor, b []byte) *dynamicpb.Message {
	t.Helper()
	m := dynamicpb.NewMessage(file.Messages().ByName("Content"))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestContractBytes holds the codecs against the published contract: another
// implementation of protobuf reads each kind without a field left over, and
// prints the same bytes.
func TestContractBytes(t *testing.T) {
	t.Parallel()
	file := contract(t)
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		m := dynamic(t, file, b)
		if s.content.Kind().Known() {
			noUnknown(t, s.name, m)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: dynamic codec prints\n%x, ours\n%x (%v)", s.name, again, b, err)
		}
		if _, err := Parse(again); err != nil {
			t.Errorf("%s: what the dynamic codec prints is refused: %v", s.name, err)
		}
	}
}

func noUnknown(t *testing.T, name string, m protoreflect.Message) {
	t.Helper()
	if len(m.GetUnknown()) > 0 {
		t.Errorf("%s: %s has fields outside the contract", name, m.Descriptor().Name())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() == nil {
			return true
		}
		if f.IsList() {
			for i := range v.List().Len() {
				noUnknown(t, name, v.List().Get(i).Message())
			}
			return true
		}
		noUnknown(t, name, v.Message())
		return true
	})
}

// TestContractNames holds every field's name and value against the published
// vectors, whose names were checked by eye, so that two fields of one type
// cannot be taken for each other.
func TestContractNames(t *testing.T) {
	t.Parallel()
	file := contract(t)
	for i, v := range vectors(t) {
		b, err := hex.DecodeString(v.Content)
		if err != nil {
			t.Fatal(err)
		}
		if got := named(t, file, b); !sameJSON(t, got, v.Fields) {
			t.Errorf("%s: read by the contract as\n%s\nwant\n%s", samples(t)[i].name, got, v.Fields)
		}
	}
}

// named returns a content as protobuf JSON with the contract's names.
func named(t testing.TB, file protoreflect.FileDescriptor, b []byte) []byte {
	t.Helper()
	got, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(dynamic(t, file, b))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// TestContractKinds holds the numbers, and the open range of kinds.
func TestContractKinds(t *testing.T) {
	t.Parallel()
	body := contract(t).Messages().ByName("Content").Oneofs().ByName("body").Fields()
	for i := range body.Len() {
		if k := Kind(body.Get(i).Number()); !k.Known() {
			t.Errorf("%s: kind %d of the contract is not known", body.Get(i).Name(), k)
		}
	}
	known := 0
	for k := minKind; k <= maxKind; k++ {
		if k.Known() {
			known++
		}
	}
	if known != body.Len() {
		t.Errorf("%d kinds known, the contract has %d", known, body.Len())
	}
}
