package wire

import (
	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// message is what every frame's body has.
type message interface {
	decode(*fields)
	append([]byte) []byte
}

// request says how a kind of frame uses the request number.
type request uint8

const (
	numberless request = iota // never has one
	numbered                  // always has one
	either                    // its body decides
)

// frame is the outer layer in both directions.
type frame struct {
	kind    protowire.Number
	request uint64
	body    []byte
	lossy   bool // something of a later version was skipped
}

// split reads the outer layer: the request number, then one body. kinds is the
// number of the last body that this version knows; the first is 2. A frame
// without one of these is of a later version when it has another
// length-delimited field, of which the first counts as its body.
func split(b []byte, kinds protowire.Number) (out frame, err error) {
	if len(b) > MaxFrame {
		return frame{}, messaging.Invalid(ErrSize)
	}
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.num == 1:
			out.request = f.uint(MaxNumber)
		case f.num <= kinds:
			if out.kind != 0 {
				f.fail(ErrDuplicate)
			}
			out.kind, out.body = f.num, f.element(0, MaxFrame)
		default:
			f.skip()
			if out.kind == 0 && f.typ == protowire.BytesType {
				out.kind, out.body = f.num, f.bytes
			}
		}
	}
	if out.kind == 0 {
		f.fail(ErrMissing)
	}
	if f.err != nil {
		return frame{}, f.done()
	}
	out.lossy = f.lossy
	return out, nil
}

// checkRequest holds the rule of a kind over the request number.
func (out *frame) checkRequest(rule request) error {
	if rule != either && (out.request != 0) != (rule == numbered) {
		return messaging.Invalid(ErrRequest)
	}
	return nil
}

// parse reads the body into m.
func (out *frame) parse(m message) error {
	f := fields{rest: out.body}
	m.decode(&f)
	out.lossy = out.lossy || f.lossy
	return f.done()
}

func appendFrame(b []byte, kind protowire.Number, request uint64, m message) []byte {
	b = appendUint(b, 1, request)
	b, at := begin(b, kind)
	return end(m.append(b), at)
}
