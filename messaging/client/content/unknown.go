package content

import "bytes"

// Unknown is a kind that this version cannot read. It is kept whole, so that a
// later version of the client can show it, and shown as "needs a newer version".
type Unknown struct {
	Number Kind
	Raw    []byte // the message of that kind
}

// Kind returns u.Number.
func (u Unknown) Kind() Kind { return u.Number }

func (u Unknown) appendFields(dst []byte) []byte { return append(dst, u.Raw...) }

func (u Unknown) check() error {
	if u.Number < minKind || u.Number > maxKind || u.Number.Known() {
		return ErrRange
	}
	return nil
}

// decodeUnknown keeps the bytes as they are: they need not even be fields.
func decodeUnknown(kind Kind, f *fields) Body {
	return Unknown{Number: kind, Raw: bytes.Clone(f.rest)}
}
