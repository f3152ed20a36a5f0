package spqr

import (
	"encoding/binary"
	"math"
)

// version1 is the first byte of every header of this protocol; no header, or a
// first byte of zero, is version 0: a peer without it.
const version1 = 1

// maxHeader is the longest header written: version, epoch, index, type, chunk
// index, chunk.
const maxHeader = 1 + binary.MaxVarintLen64 + binary.MaxVarintLen32 + 1 + binary.MaxVarintLen16 + chunkSize

// messageType says what a header carries for the key exchange.
type messageType uint8

const (
	typeNone    messageType = iota // nothing; the ciphertext side waits
	typeHeader                     // a chunk of the key's header
	typeVector                     // a chunk of the key's vector
	typeVecAck                     // the same, and ct1 has arrived
	typeAck                        // ct1 has arrived
	typeCt1                        // a chunk of the first part of the ciphertext
	typeCt2                        // a chunk of the second part and its MAC
	typeUnknown                    // the first value that is none
)

func (t messageType) hasChunk() bool { return t != typeNone && t != typeAck }

// header is the SPQR part of one message.
type header struct {
	epoch uint64
	index uint32 // of the message key in key epoch epoch-1, from 1; 0: no key
	kind  messageType
	chunk chunk
}

// headerVersion tells the version of a peer's header without parsing it.
func headerVersion(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// append writes at most maxHeader bytes.
func (h *header) append(b []byte) []byte {
	b = append(b, version1)
	b = binary.AppendUvarint(b, h.epoch)
	b = binary.AppendUvarint(b, uint64(h.index))
	b = append(b, byte(h.kind))
	if h.kind.hasChunk() {
		b = binary.AppendUvarint(b, uint64(h.chunk.index))
		b = append(b, h.chunk.data[:]...)
	}
	return b
}

// parseHeader reads a header of version 1. What follows it is left for later
// versions and ignored; a peer may also write its numbers longer than needed.
func parseHeader(b []byte) (h header, err error) {
	if headerVersion(b) != version1 {
		return header{}, ErrHeader
	}
	in := input{rest: b[1:]}
	h.epoch = in.uvarint(math.MaxUint64)
	h.index = uint32(in.uvarint(math.MaxUint32))
	h.kind = messageType(in.byte())
	if in.failed || h.epoch == 0 || h.kind >= typeUnknown {
		return header{}, ErrHeader
	}
	if h.kind.hasChunk() {
		h.chunk.index = uint16(in.uvarint(math.MaxUint16))
		in.fill(h.chunk.data[:])
	}
	if in.failed {
		return header{}, ErrHeader
	}
	return h, nil
}

// input reads numbers and fields off the front of a byte slice. After the first
// failure everything reads as zero and failed stays set.
type input struct {
	rest   []byte
	strict bool // numbers must be written in the fewest bytes
	failed bool
}

func (in *input) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(in.rest)
	long := n > 1 && in.rest[n-1] == 0
	if n <= 0 || v > most || in.strict && long {
		in.fail()
		return 0
	}
	in.rest = in.rest[n:]
	return v
}

func (in *input) byte() byte {
	var b [1]byte
	in.fill(b[:])
	return b[0]
}

// fill copies the next len(dst) bytes.
func (in *input) fill(dst []byte) {
	if len(in.rest) < len(dst) {
		in.fail()
		return
	}
	in.rest = in.rest[copy(dst, in.rest):]
}

// bytes returns a copy of the next n bytes; nothing is allocated unless they
// are there.
func (in *input) bytes(n int) []byte {
	if len(in.rest) < n {
		in.fail()
		return nil
	}
	b := make([]byte, n)
	in.fill(b)
	return b
}

func (in *input) fail() { in.rest, in.failed = nil, true }
