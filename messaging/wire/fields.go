package wire

import (
	"io"
	"unicode/utf8"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// fields walks the fields of one message and keeps the canonical form of
// sotto.proto: shortest varints, ascending numbers, nothing twice, no default
// written out. The first fault stays in err and stops the walk, so that a
// decoder checks once, at the end. It lives on the stack of its decoder.
type fields struct {
	rest    []byte
	num     protowire.Number
	typ     protowire.Type
	again   bool   // num is that of the field before
	number  uint64 // value of a varint field
	bytes   []byte // value of a length-delimited field
	seen    uint64 // bit n: field n occurred, for n < 64
	unknown int    // skipped in this message
	lossy   bool   // something was skipped in it or below it
	err     error
}

// fail keeps the first fault.
func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// next moves to the next field and reads its value without copying it.
func (f *fields) next() bool {
	if f.err != nil || len(f.rest) == 0 {
		return false
	}
	tag := f.varint()
	num := protowire.Number(tag >> 3)
	if f.err == nil && (tag>>3 < uint64(protowire.MinValidNumber) || tag>>3 > uint64(protowire.MaxValidNumber)) {
		f.fail(ErrField)
	}
	if num < f.num {
		f.fail(ErrOrder)
	}
	f.again, f.num, f.typ = num == f.num, num, protowire.Type(tag&7)
	if f.err == nil {
		f.value()
	}
	if f.err != nil {
		return false
	}
	if num < 64 {
		f.seen |= 1 << num
	}
	return true
}

func (f *fields) value() {
	switch f.typ {
	case protowire.VarintType:
		f.number = f.varint()
	case protowire.BytesType:
		f.bytes = f.take(f.varint())
	case protowire.Fixed32Type:
		f.take(4)
	case protowire.Fixed64Type:
		f.take(8)
	case protowire.StartGroupType, protowire.EndGroupType:
		f.fail(ErrGroup)
	default:
		f.fail(ErrWireType)
	}
}

// varint reads a number in its shortest form.
func (f *fields) varint() uint64 {
	if len(f.rest) > 0 && f.rest[0] < 0x80 {
		v := f.rest[0]
		f.rest = f.rest[1:]
		return uint64(v)
	}
	v, n := protowire.ConsumeVarint(f.rest)
	switch {
	case n < 0 && protowire.ParseError(n) == io.ErrUnexpectedEOF:
		f.fail(ErrTruncated)
	case n < 0 || n != protowire.SizeVarint(v):
		f.fail(ErrVarint)
	default:
		f.rest = f.rest[n:]
		return v
	}
	return 0
}

// take cuts n bytes off; the capacity ends with them, so that an append to a
// value cannot write into what follows.
func (f *fields) take(n uint64) []byte {
	if f.err != nil {
		return nil
	}
	if n > uint64(len(f.rest)) {
		f.fail(ErrTruncated)
		return nil
	}
	v := f.rest[:n:n]
	f.rest = f.rest[n:]
	return v
}

// is reports whether the field has the wire type of its definition.
func (f *fields) is(typ protowire.Type) bool {
	if f.typ != typ {
		f.fail(ErrWireType)
	}
	return f.err == nil
}

// once refuses a second occurrence.
func (f *fields) once() bool {
	if f.again {
		f.fail(ErrDuplicate)
	}
	return f.err == nil
}

// skip passes over a field of a later version.
func (f *fields) skip() {
	f.lossy = true
	if f.unknown++; f.unknown > MaxUnknown {
		f.fail(ErrUnknown)
	}
}

// uint reads a number of 1..most.
func (f *fields) uint(most uint64) uint64 {
	if !f.is(protowire.VarintType) || !f.once() {
		return 0
	}
	switch {
	case f.number == 0:
		f.fail(ErrDefault)
	case f.number > most:
		f.fail(ErrRange)
	default:
		return f.number
	}
	return 0
}

func (f *fields) uint32(most uint32) uint32 { return uint32(f.uint(uint64(most))) }

// bool reads a flag, which is only ever written when it is set.
func (f *fields) bool() bool { return f.uint(1) == 1 }

// device reads a device number.
func (f *fields) device() messaging.DeviceID {
	return messaging.DeviceID(f.uint(uint64(messaging.MaxDeviceID)))
}

// enum reads a value of an enum whose later values are kept.
func (f *fields) enum() uint16 { return uint16(f.uint(MaxOpenEnum)) }

// slice reads least..most bytes, with least > 0.
func (f *fields) slice(least, most int) []byte {
	if !f.is(protowire.BytesType) || !f.once() {
		return nil
	}
	return f.element(least, most)
}

// element reads least..most bytes of a field that may occur again.
func (f *fields) element(least, most int) []byte {
	switch {
	case !f.is(protowire.BytesType):
	case len(f.bytes) < least || len(f.bytes) > most:
		f.fail(ErrLength)
	default:
		return f.bytes
	}
	return nil
}

// id reads 16 bytes that are not all zero.
func (f *fields) id() (id [idSize]byte) {
	if v := f.slice(idSize, idSize); v != nil {
		copy(id[:], v)
		if id == [idSize]byte{} {
			f.fail(ErrDefault)
		}
	}
	return id
}

// hash reads 32 bytes that are not all zero.
func (f *fields) hash() (h [HashSize]byte) {
	if v := f.slice(HashSize, HashSize); v != nil {
		copy(h[:], v)
		if h == [HashSize]byte{} {
			f.fail(ErrDefault)
		}
	}
	return h
}

// text reads 1..most bytes of UTF-8 without control characters: texts end on
// terminals and in logs.
func (f *fields) text(most int) string {
	v := f.slice(1, most)
	if !utf8.Valid(v) {
		f.fail(ErrText)
		return ""
	}
	s := string(v)
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			f.fail(ErrText)
			return ""
		}
	}
	return s
}

// packed counts the numbers of a packed field before anything is allocated.
func (f *fields) packed(most int) (list fields, n int) {
	if !f.is(protowire.BytesType) || !f.once() {
		return list, 0
	}
	for _, b := range f.bytes {
		if b < 0x80 {
			n++
		}
	}
	switch {
	case len(f.bytes) == 0:
		f.fail(ErrDefault)
	case n > most:
		f.fail(ErrCount)
	default:
		return fields{rest: f.bytes}, n
	}
	return list, 0
}

// more reports whether a repeated field that holds n elements may take one more.
func (f *fields) more(n, most int) bool {
	if n >= most {
		f.fail(ErrCount)
	}
	return f.err == nil
}

// sub enters a message that occurs once; join returns from it.
func (f *fields) sub() fields {
	f.once()
	return f.repeated()
}

// repeated enters a message that may occur again.
func (f *fields) repeated() fields {
	f.is(protowire.BytesType)
	return fields{rest: f.bytes, err: f.err}
}

func (f *fields) join(sub *fields) {
	f.lossy = f.lossy || sub.lossy
	f.fail(sub.err)
}

// require refuses a message without one of the fields of the mask.
func (f *fields) require(mask uint64) {
	if f.seen&mask != mask {
		f.fail(ErrMissing)
	}
}

// rule refuses fields that do not go together.
func (f *fields) rule(ok bool) {
	if !ok {
		f.fail(ErrRule)
	}
}

// has reports whether field n occurred.
func (f *fields) has(n uint) bool { return f.seen&(1<<n) != 0 }

// done returns what the outside may see.
func (f *fields) done() error { return messaging.Invalid(f.err) }
