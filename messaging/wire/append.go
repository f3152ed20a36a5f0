package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// appendUint appends a number, or nothing for zero.
func appendUint[T ~uint8 | ~uint16 | ~uint32 | ~uint64](b []byte, num protowire.Number, v T) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v))
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendUint(b, num, uint8(1))
}

// appendBytes appends bytes or text, or nothing for none.
func appendBytes[T []byte | string](b []byte, num protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return appendElement(b, num, v)
}

// appendElement appends bytes of a repeated field, empty or not.
func appendElement[T []byte | string](b []byte, num protowire.Number, v T) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// appendID appends an identifier, or nothing for the one of zeros.
func appendID(b []byte, num protowire.Number, id [idSize]byte) []byte {
	if id == [idSize]byte{} {
		return b
	}
	return appendElement(b, num, id[:])
}

// appendHash appends 32 bytes, or nothing for zeros.
func appendHash(b []byte, num protowire.Number, h [HashSize]byte) []byte {
	if h == [HashSize]byte{} {
		return b
	}
	return appendElement(b, num, h[:])
}

// lengthGuess is the room that begin leaves for a length: two bytes fit 128 to
// 16,383, where most nested messages lie.
const lengthGuess = 2

// begin starts a nested message, end closes it: end(b, at) writes the length
// of what was appended since in its shortest form, and moves the content when
// the guess of the room was wrong.
func begin(b []byte, num protowire.Number) (out []byte, at int) {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return append(b, 0, 0), len(b) + lengthGuess
}

func end(b []byte, at int) []byte {
	n := len(b) - at
	size := protowire.SizeVarint(uint64(n))
	start := at - lengthGuess
	if size > lengthGuess {
		b = append(b, make([]byte, size-lengthGuess)...)
	}
	if size != lengthGuess {
		copy(b[start+size:], b[at:at+n])
		b = b[:start+size+n]
	}
	protowire.AppendVarint(b[start:start:start+size], uint64(n))
	return b
}

// appendPacked appends the numbers of a packed field, or nothing for none.
func appendPacked[T ~uint8 | ~uint64](b []byte, num protowire.Number, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	b, at := begin(b, num)
	for _, v := range list {
		b = protowire.AppendVarint(b, uint64(v))
	}
	return end(b, at)
}

// ascending reads a packed list of numbers of 1..most, each above the one
// before, at most count of them, into list.
func ascending[T ~uint8 | ~uint64](f *fields, list []T, count int, most uint64) []T {
	p, n := f.packed(count)
	if n > cap(list) {
		list = make([]T, 0, n)
	}
	before := uint64(0)
	for len(p.rest) > 0 && f.err == nil {
		v := p.varint()
		switch {
		case p.err != nil:
			f.fail(p.err)
		case v == 0 || v > most:
			f.fail(ErrRange)
		case v <= before:
			f.fail(ErrSorted)
		}
		before, list = v, append(list, T(v))
	}
	return list
}

// LogHead names the newest entry of an account's device log
// (docs/protocol.md section 2). The zero value means that there is none.
type LogHead struct {
	Sequence uint64         // 0 is the founding entry
	Hash     [HashSize]byte // SHA-256 of the entry
}

// IsZero reports whether h names no entry.
func (h LogHead) IsZero() bool { return h == LogHead{} }

func (h *LogHead) decode(f *fields) {
	for f.next() {
		switch f.num {
		case 1:
			h.Sequence = f.uint(MaxNumber)
		case 2:
			h.Hash = f.hash()
		default:
			f.skip()
		}
	}
	f.require(1 << 2)
}

func appendHead(b []byte, num protowire.Number, h *LogHead) []byte {
	if h.IsZero() {
		return b
	}
	b, at := begin(b, num)
	b = appendUint(b, 1, h.Sequence)
	b = appendHash(b, 2, h.Hash)
	return end(b, at)
}

// head reads a LogHead that occurs once.
func (f *fields) head() (h LogHead) {
	sub := f.sub()
	h.decode(&sub)
	f.join(&sub)
	return h
}
