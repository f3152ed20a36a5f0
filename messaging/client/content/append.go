package content

import "google.golang.org/protobuf/encoding/protowire"

func appendInteger(dst []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), v)
}

func appendBool(dst []byte, number protowire.Number, v bool) []byte {
	if !v {
		return dst
	}
	return appendInteger(dst, number, 1)
}

func appendBytes(dst []byte, number protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), v)
}

func appendText(dst []byte, number protowire.Number, v string) []byte {
	if v == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, number, protowire.BytesType), v)
}

// appendID appends an identifier, or nothing for the zero one.
func appendID(dst []byte, number protowire.Number, id [16]byte) []byte {
	if id == ([16]byte{}) {
		return dst
	}
	return appendBytes(dst, number, id[:])
}

// appendHash appends a hash, or nothing for the zero one.
func appendHash(dst []byte, number protowire.Number, hash [32]byte) []byte {
	if hash == ([32]byte{}) {
		return dst
	}
	return appendBytes(dst, number, hash[:])
}

// appendMessage appends what body appends as a message, even when that is
// nothing. It leaves room for the longest length that MaxContent allows and
// closes the gap afterwards, so that nothing is built twice.
func appendMessage(dst []byte, number protowire.Number, body func([]byte) []byte) []byte {
	const room = 3 // a varint of up to 2^21-1
	dst = protowire.AppendTag(dst, number, protowire.BytesType)
	at := len(dst)
	dst = body(append(dst, make([]byte, room)...))
	length := len(dst) - at - room
	if length >= 1<<(7*room) {
		// Beyond MaxContent, so that the caller refuses it; what is printed does not matter.
		return dst
	}
	n := len(protowire.AppendVarint(dst[:at], uint64(length))) - at
	copy(dst[at+n:], dst[at+room:])
	return dst[:len(dst)-room+n]
}

func appendHead(dst []byte, number protowire.Number, h Head) []byte {
	if h.IsZero() {
		return dst
	}
	return appendMessage(dst, number, func(dst []byte) []byte {
		return appendHash(appendInteger(dst, 1, h.Sequence), 2, h.Hash)
	})
}

// withExtra appends fields and, among them by number, the kept ones.
func withExtra(dst []byte, fields func([]byte) []byte, extra []byte) []byte {
	start := len(dst)
	dst = fields(dst)
	if len(extra) == 0 {
		return dst
	}
	return append(dst[:start], merge(dst[start:], extra)...)
}

// merge returns the fields of both, in the order of their numbers. Both are
// made of whole fields.
func merge(known, extra []byte) []byte {
	merged := make([]byte, 0, len(known)+len(extra))
	for len(known) > 0 && len(extra) > 0 {
		a, aLen := leading(known)
		b, bLen := leading(extra)
		if a <= b {
			merged, known = append(merged, known[:aLen]...), known[aLen:]
		} else {
			merged, extra = append(merged, extra[:bLen]...), extra[bLen:]
		}
	}
	return append(append(merged, known...), extra...)
}

// leading returns the number and the length of the first field of b.
func leading(b []byte) (protowire.Number, int) {
	number, _, n := protowire.ConsumeField(b)
	return number, n
}
