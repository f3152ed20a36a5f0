package content

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields walks the fields of one message. The first error stays and ends the
// walk. Nothing is allocated but copies of what is there, so the length of the
// input bounds the work.
type fields struct {
	rest   []byte
	open   bool // keeps unknown fields; a closed message refuses them
	number protowire.Number
	extra  []byte
	err    error

	kind  protowire.Type
	whole []byte // the current field
	value []byte // the same without its tag
}

func (f *fields) next() bool {
	if f.err != nil || len(f.rest) == 0 {
		return false
	}
	number, kind, tag := protowire.ConsumeTag(f.rest)
	if tag < 0 || kind == protowire.StartGroupType || kind == protowire.EndGroupType {
		f.fail(ErrMalformed)
		return false
	}
	n := protowire.ConsumeFieldValue(number, kind, f.rest[tag:])
	if n < 0 {
		f.fail(ErrMalformed)
		return false
	}
	f.number, f.kind = number, kind
	f.whole, f.value, f.rest = f.rest[:tag+n], f.rest[tag:tag+n], f.rest[tag+n:]
	return true
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// keep holds on to a field that this version does not know.
func (f *fields) keep() {
	if !f.open {
		f.fail(ErrClosed)
		return
	}
	f.extra = append(f.extra, f.whole...)
}

func (f *fields) integer() uint64 {
	if f.kind != protowire.VarintType {
		f.fail(ErrMalformed)
		return 0
	}
	v, _ := protowire.ConsumeVarint(f.value)
	if v > maxInteger {
		f.fail(ErrRange)
		return 0
	}
	return v
}

func (f *fields) uint32() uint32 {
	v := f.integer()
	if v > 1<<32-1 {
		f.fail(ErrRange)
		return 0
	}
	return uint32(v)
}

func (f *fields) bool() bool {
	v := f.integer()
	if v > 1 {
		f.fail(ErrRange)
	}
	return v == 1
}

// bytes returns the value of a length-delimited field; it aliases the input.
func (f *fields) bytes() []byte {
	if f.kind != protowire.BytesType {
		f.fail(ErrMalformed)
		return nil
	}
	v, _ := protowire.ConsumeBytes(f.value)
	return v
}

func (f *fields) text() string {
	v := f.bytes()
	if !utf8.Valid(v) {
		f.fail(ErrUTF8)
		return ""
	}
	return string(v)
}

func (f *fields) array16() (a [16]byte) {
	if v := f.bytes(); len(v) == len(a) {
		return [16]byte(v)
	}
	f.fail(ErrMalformed)
	return a
}

func (f *fields) array32() (a [32]byte) {
	if v := f.bytes(); len(v) == len(a) {
		return [32]byte(v)
	}
	f.fail(ErrMalformed)
	return a
}

// closed returns the walk of a closed message inside.
func (f *fields) closed() fields { return fields{rest: f.bytes(), err: f.err} }

// head reads a Head.
func (f *fields) head() (h Head) {
	in := f.closed()
	for in.next() {
		switch in.number {
		case 1:
			h.Sequence = in.integer()
		case 2:
			h.Hash = in.array32()
		default:
			in.keep()
		}
	}
	f.fail(in.err)
	return h
}
