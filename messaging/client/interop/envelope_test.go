//go:build !js

package interop_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/sottochat/sotto/messaging/client/handshake"
	"github.com/sottochat/sotto/messaging/client/ratchet"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// envelope is what a message shows to everybody.
type envelope struct {
	base    key.BasePublic // of the handshake, zero without one
	ratchet key.RatchetPublic
	counter uint32
	// epoch and index are of the SPQR header (docs/protocol.md section 11); both
	// 0 without one. Index 0 mixes no key in.
	epoch, index uint64
	addresses    int // bytes
}

func open(t testing.TB, m session.Message) (e envelope) {
	t.Helper()
	body := m.Body
	if m.Kind == session.KindPreKey {
		outer, err := handshake.Parse(m.Body)
		if err != nil {
			t.Fatalf("not a prekey message: %x", m.Body)
		}
		e.base, body = outer.Base, outer.Message
	}
	inner, err := ratchet.Parse(body)
	if err != nil {
		t.Fatalf("not a message: %x", body)
	}
	e.ratchet, e.counter, e.addresses = inner.RatchetKey, inner.Counter, len(inner.Addresses)
	if len(inner.PQ) > 0 {
		e.epoch, e.index = pqHeader(t, inner.PQ)
	}
	return e
}

// pqHeader reads a version byte and two varints.
func pqHeader(t testing.TB, b []byte) (epoch, index uint64) {
	t.Helper()
	epoch, n := binary.Uvarint(b[1:])
	if b[0] != 1 || n <= 0 || epoch == 0 {
		t.Fatalf("not an SPQR header of version 1: %x", b)
	}
	index, n = binary.Uvarint(b[1+n:])
	if n <= 0 {
		t.Fatalf("not an SPQR header: %x", b)
	}
	return epoch, index
}

func describe(m session.Message) string {
	return fmt.Sprintf("a message of kind %d and %d bytes", m.Kind, len(m.Body))
}
