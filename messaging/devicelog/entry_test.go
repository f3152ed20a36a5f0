package devicelog

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// contract compiles entry.proto, so that the tests hold the codec to what is
// published and not to itself.
func contract(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(context.Background(), "entry.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Entry")
}

// everyKind returns an entry of each kind that the table of entry.proto has.
func everyKind(t testing.TB) map[string][]byte {
	t.Helper()
	a := found(t, 30)
	kinds := map[string][]byte{"found": a.entries[0]}
	code := a.recovery(1)
	kinds["recovery"] = a.entries[1]
	a.add(1)
	kinds["add"] = a.entries[2]
	a.addUntil(2, start.Add(time.Hour))
	kinds["add with expiry"] = a.entries[3]
	kinds["remove"] = a.remove(2, 1)
	n := newDevice(t, a.rand)
	kinds["add by code"] = a.take(a.log.Recover(code, n.new, n.log, a.now, time.Time{}))
	for range 5 {
		a.add(1)
	}
	kinds["remove by code"] = a.take(a.log.RecoverRemove(code, 3, a.now))
	return kinds
}

func TestEntriesFollowTheContract(t *testing.T) {
	t.Parallel()
	descriptor := contract(t)
	for name, raw := range everyKind(t) {
		m := dynamicpb.NewMessage(descriptor)
		if err := proto.Unmarshal(raw, m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(m.GetUnknown()) != 0 {
			t.Errorf("%s: has fields that the contract lacks", name)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%s: the canonical form of the contract is another", name)
		}
		compare(t, name, parsed(t, raw), m)
		if len(raw) > 330 {
			t.Errorf("%s: %d bytes, above what MaxEntry says", name, len(raw))
		}
	}
}

// compare holds each parsed field to what the contract reads.
func compare(t *testing.T, name string, e Entry, m protoreflect.Message) {
	t.Helper()
	field := func(n protoreflect.Name) protoreflect.Value { return m.Get(m.Descriptor().Fields().ByName(n)) }
	number := func(n protoreflect.Name, got uint64) {
		t.Helper()
		var want uint64
		if v := field(n).Interface(); n == "action" {
			want = uint64(v.(protoreflect.EnumNumber))
		} else {
			want = field(n).Uint()
		}
		if got != want {
			t.Errorf("%s: %s is %d, the contract reads %d", name, n, got, want)
		}
	}
	octets := func(n protoreflect.Name, got []byte) {
		t.Helper()
		if want := field(n).Bytes(); len(want) != 0 && !bytes.Equal(got, want) {
			t.Errorf("%s: %s differs", name, n)
		}
	}
	if field("tag").String() != tag || field("version").Uint() != version {
		t.Errorf("%s: tag or version differs", name)
	}
	number("sequence", e.Sequence)
	number("action", uint64(e.Action))
	number("device", uint64(e.Device))
	number("registration_id", uint64(e.RegistrationID))
	number("signer", uint64(e.Signer))
	number("time_ms", e.TimeMS)
	number("expiry_ms", e.ExpiryMS)
	octets("tenant", e.Tenant[:])
	octets("account", e.Account[:])
	octets("previous", e.Previous[:])
	octets("identity_key", e.Identity.Bytes())
	octets("log_key", e.LogKey[:])
	octets("recovery_key", e.RecoveryKey[:])
	octets("signature", e.signature[:])
	octets("reverse_signature", e.reverse[:])
}

// The numbers of the codec are those of the contract, and all of them.
func TestFieldNumbers(t *testing.T) {
	t.Parallel()
	fields := contract(t).Fields()
	for name, number := range map[protoreflect.Name]protowire.Number{
		"tag": fieldTag, "version": fieldVersion, "tenant": fieldTenant, "account": fieldAccount,
		"sequence": fieldSequence, "previous": fieldPrevious, "action": fieldAction, "device": fieldDevice,
		"registration_id": fieldRegistrationID, "identity_key": fieldIdentityKey, "log_key": fieldLogKey,
		"recovery_key": fieldRecoveryKey, "signer": fieldSigner, "time_ms": fieldTime, "expiry_ms": fieldExpiry,
		"signature": fieldSignature, "reverse_signature": fieldReverse,
	} {
		if d := fields.ByName(name); d == nil || d.Number() != number {
			t.Errorf("%s: number %d is not the contract's", name, number)
		}
	}
	if fields.Len() != 17 {
		t.Errorf("the contract has %d fields", fields.Len())
	}
}

// Every other encoding of the same values is refused, in each kind of entry.
func TestOnlyTheCanonicalForm(t *testing.T) {
	t.Parallel()
	for name, raw := range everyKind(t) {
		spans := split(t, raw)
		changed := map[string][]byte{
			"nothing":             nil,
			"trailing zero":       append(bytes.Clone(raw), 0),
			"unknown number":      protowire.AppendVarint(protowire.AppendTag(bytes.Clone(raw), 18, protowire.VarintType), 1),
			"unknown bytes":       protowire.AppendBytes(protowire.AppendTag(bytes.Clone(raw), 18, protowire.BytesType), nil),
			"group":               protowire.AppendTag(bytes.Clone(raw), 18, protowire.StartGroupType),
			"fixed64":             append(protowire.AppendTag(bytes.Clone(raw), 18, protowire.Fixed64Type), make([]byte, 8)...),
			"zero written":        insert(raw, spans, fieldExpiry, protowire.AppendVarint(protowire.AppendTag(nil, fieldExpiry, protowire.VarintType), 0)),
			"two entries":         append(bytes.Clone(raw), raw...),
			"doubled in length":   bytes.Repeat(raw, 3),
			"rotated field order": append(bytes.Clone(raw[spans[0].end:]), raw[:spans[0].end]...),
		}
		for i, s := range spans {
			label := string(rune('a' + i))
			// Without these two it is another entry, which its signature refuses.
			if s.number != fieldSigner && s.number != fieldExpiry {
				changed["without "+label] = append(bytes.Clone(raw[:s.start]), raw[s.end:]...)
			}
			changed["twice "+label] = append(bytes.Clone(raw[:s.end]), raw[s.start:]...)
			if i > 0 {
				before := spans[i-1]
				swapped := append(bytes.Clone(raw[:before.start]), raw[s.start:s.end]...)
				swapped = append(swapped, raw[before.start:before.end]...)
				changed["swapped "+label] = append(swapped, raw[s.end:]...)
			}
			changed["long tag "+label] = append(append(bytes.Clone(raw[:s.start]), lengthen(raw[s.start:s.value])...), raw[s.value:]...)
			_, n := protowire.ConsumeVarint(raw[s.value:])
			long := append(bytes.Clone(raw[:s.value]), lengthen(raw[s.value:s.value+n])...)
			changed["long number "+label] = append(long, raw[s.value+n:]...)
		}
		for i := range raw {
			changed["cut at "+time.Duration(i).String()] = raw[:i]
		}
		for change, bad := range changed {
			if _, err := Parse(bad); err == nil {
				t.Errorf("%s, %s: accepted", name, change)
			}
		}
	}
}

type span struct {
	number            protowire.Number
	start, value, end int
}

func split(t *testing.T, raw []byte) (spans []span) {
	t.Helper()
	for at := 0; at < len(raw); {
		number, typ, n := protowire.ConsumeTag(raw[at:])
		m := protowire.ConsumeFieldValue(number, typ, raw[at+n:])
		if n < 0 || m < 0 {
			t.Fatal("not protobuf")
		}
		spans = append(spans, span{number, at, at + n, at + n + m})
		at += n + m
	}
	return spans
}

// insert puts a field where its number belongs.
func insert(raw []byte, spans []span, number protowire.Number, field []byte) []byte {
	for _, s := range spans {
		if s.number >= number {
			return append(append(bytes.Clone(raw[:s.start]), field...), raw[s.start:]...)
		}
	}
	return append(bytes.Clone(raw), field...)
}

// lengthen writes a varint with one byte more than it needs.
func lengthen(varint []byte) []byte {
	out := bytes.Clone(varint)
	out[len(out)-1] |= 0x80
	return append(out, 0)
}

// PRO-06: one flipped bit anywhere, and the log takes nothing.
func TestEveryFlippedByteIsRefused(t *testing.T) {
	t.Parallel()
	a := found(t, 31)
	n := newDevice(t, a.rand)
	good := a.entryAdding(n, 1, a.now.Add(time.Hour))
	before := snapshot(a.log)
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if l, err := a.log.Extend(bad); l != nil || err == nil {
				t.Fatalf("byte %d, bit %d: accepted", i, bit)
			}
		}
	}
	if snapshot(a.log) != before {
		t.Error("the log changed")
	}
	if _, err := a.log.Extend(good); err != nil {
		t.Errorf("untouched: %v", reason(err))
	}
}
