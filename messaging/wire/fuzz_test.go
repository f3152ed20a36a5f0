package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// seedFrames adds sparse and random frames of each kind, and a damaged one.
func seedFrames(f *testing.F, frame string) {
	f.Helper()
	for i, body := range bodies(f, frame) {
		f.Add(print(f, newMaker(f, uint64(i), sparse).frame(body)))
		if b := print(f, newMaker(f, uint64(i), random).frame(body)); len(b) < 1<<10 { // larger ones only slow the fuzzer
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(appendUint(b, 1000, uint8(7)))
		}
	}
	f.Add(appendElement(appendUint(nil, 1, uint8(7)), 500, "a later kind"))
}

// fuzzFrame states what holds for any bytes: one error class; what is accepted
// has one form; the contract's own decoder reads every accepted frame too.
func fuzzFrame(t *testing.T, frame string, b []byte) {
	before := bytes.Clone(b)
	p, err := parse(frame, b)
	if !bytes.Equal(b, before) {
		t.Fatal("the parser wrote into its input")
	}
	if err != nil {
		if !errors.Is(err, messaging.ErrInvalid) && err != ErrUnknownKind {
			t.Fatalf("error of another class: %v", err)
		}
		return
	}
	if !p.lossy && !bytes.Equal(p.again, b) {
		t.Fatalf("printed\n%x\nparsed from\n%x", p.again, b)
	}
	q, err := parse(frame, p.again)
	if err != nil || q.lossy || q.request != p.request || !reflect.DeepEqual(q.body, p.body) {
		t.Fatalf("printed and parsed again: %+v (%v), first %+v", q, err, p)
	}
	m := dynamicpb.NewMessage(messageType(t, frame))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("the contract's decoder refuses what we accept: %v", err)
	}
}

func FuzzParseClient(f *testing.F) {
	seedFrames(f, "ClientFrame")
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFrame(t, "ClientFrame", b) })
}

func FuzzParseServer(f *testing.F) {
	seedFrames(f, "ServerFrame")
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFrame(t, "ServerFrame", b) })
}

func FuzzParseBundle(f *testing.F) {
	for seed := range uint64(4) {
		for _, fill := range []fill{sparse, random, full} {
			f.Add(print(f, newMaker(f, seed, fill).message(messageType(f, "Bundle")).Interface()))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bundle, lossy, err := parseBundle(b)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Fatalf("error of another class: %v", err)
			}
			return
		}
		again := AppendBundle(nil, &bundle)
		if !lossy && !bytes.Equal(again, b) {
			t.Fatalf("printed\n%x\nparsed from\n%x", again, b)
		}
		if back, err := ParseBundle(again); err != nil || !reflect.DeepEqual(back, bundle) {
			t.Fatalf("printed and parsed again: %+v (%v), first %+v", back, err, bundle)
		}
	})
}
