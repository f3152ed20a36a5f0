package client

import (
	"encoding/binary"
	"errors"
)

// recordVersion is the first byte of every record that this package keeps in
// the vault (docs/protocol.md section 14).
const recordVersion = 1

// errRecord reports a record of our own that cannot be read: a vault of a later
// version, or a fault of ours. The vault itself has authenticated it.
var errRecord = errors.New("client: record in the vault cannot be read")

// A packer writes a record: numbers as varints, byte strings behind their length.
type packer []byte

func newPacker() packer { return packer{recordVersion} }

func (p *packer) uint(v uint64)  { *p = binary.AppendUvarint(*p, v) }
func (p *packer) raw(b []byte)   { *p = append(*p, b...) }
func (p *packer) bytes(b []byte) { p.uint(uint64(len(b))); p.raw(b) }

func (p *packer) bool(v bool) {
	if v {
		p.uint(1)
		return
	}
	p.uint(0)
}

// An unpacker reads what a packer wrote. After the first misfit it returns
// zeros, and done reports it.
type unpacker struct {
	rest []byte
	bad  bool
}

func unpack(b []byte) *unpacker {
	u := &unpacker{rest: b}
	if v := u.raw(1); u.bad || v[0] != recordVersion {
		u.bad = true
	}
	return u
}

func (u *unpacker) uint() uint64 {
	v, n := binary.Uvarint(u.rest)
	if u.bad || n <= 0 {
		u.bad = true
		return 0
	}
	u.rest = u.rest[n:]
	return v
}

func (u *unpacker) bool() bool { return u.uint() != 0 }

// raw returns the next n bytes, or nil.
func (u *unpacker) raw(n int) []byte {
	if u.bad || n < 0 || n > len(u.rest) {
		u.bad = true
		return nil
	}
	b := u.rest[:n:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) bytes() []byte {
	n := u.uint()
	if n > uint64(len(u.rest)) {
		u.bad = true
		return nil
	}
	return u.raw(int(n))
}

func (u *unpacker) id() (id [16]byte) {
	copy(id[:], u.raw(len(id)))
	return id
}

func (u *unpacker) hash() (h [32]byte) {
	copy(h[:], u.raw(len(h)))
	return h
}

func (u *unpacker) done() error {
	if u.bad || len(u.rest) > 0 {
		return errRecord
	}
	return nil
}
