// Package field walks the fields of a protobuf message by the rules of Signal's
// decoders (docs/protocol.md section 10.2): any order, unknown fields ignored,
// the last of several values counts. It allocates nothing. It is not for our own
// formats, which have one canonical encoding (docs/protocol.md section 13).
package field

import "google.golang.org/protobuf/encoding/protowire"

// Field is one field of a message.
type Field struct {
	Number protowire.Number
	kind   protowire.Type
	value  []byte // without its tag
}

// Next splits the first field off b; ok is false when b starts with none. Groups,
// which nobody sends and which nest, are refused.
func Next(b []byte) (f Field, rest []byte, ok bool) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 || kind == protowire.StartGroupType || kind == protowire.EndGroupType {
		return Field{}, nil, false
	}
	n := protowire.ConsumeFieldValue(number, kind, b[tag:])
	if n < 0 {
		return Field{}, nil, false
	}
	return Field{number, kind, b[tag : tag+n]}, b[tag+n:], true
}

// Uint32 reads a varint of a uint32 field into dst. As protobuf demands, of a
// longer value the low 32 bits count.
func (f Field) Uint32(dst *uint32) bool {
	if f.kind != protowire.VarintType {
		return false
	}
	v, _ := protowire.ConsumeVarint(f.value)
	*dst = uint32(v)
	return true
}

// Bytes points dst to the contents of a bytes field; they are never nil.
func (f Field) Bytes(dst *[]byte) bool {
	if f.kind != protowire.BytesType {
		return false
	}
	v, _ := protowire.ConsumeBytes(f.value)
	*dst = v[:len(v):len(v)]
	return true
}
