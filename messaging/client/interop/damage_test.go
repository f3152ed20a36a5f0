//go:build !js

package interop_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sottochat/sotto/messaging/client/session"
)

// damage: an end refuses every damaged form of a good message, and then reads
// the good one, which shows that none of them changed anything.
func (p *play) damage() {
	for _, from := range []end{p.us, p.them} {
		p.start(from, offer{oneTime: true})
		p.damaged(from, "a handshake")
		p.damaged(from, "in a session that began")
		p.tell(p.other(from), "answer")
		p.damaged(from, "a message")
		p.tell(p.other(from), "turn")
		p.damaged(from, "a message on a new chain")
	}
}

func (p *play) damaged(from end, text string) {
	p.Helper()
	to := p.other(from)
	good := p.send(from, text)
	exported := p.them.export()
	for name, m := range p.mutants(good) {
		p.refuse(to, m, "a damaged message, "+name)
	}
	if exported != nil && !bytes.Equal(exported, p.them.export()) {
		p.Errorf("a damaged message changed the peer's session")
	}
	p.read(to, good, text)
	p.refuse(to, good, "a message that was damaged before, again")
}

// everyByte is the longest message of which each byte is changed in turn; of a
// longer one, a handshake, as many at random.
const everyByte = 256

// mutants yields damaged forms of a message. Of a handshake only what is inside
// is damaged where the wrapper is not authenticated (docs/protocol.md section 9.4).
func (p *play) mutants(good session.Message) func(yield func(string, session.Message) bool) {
	inner, wrap := good.Body, func(b []byte) []byte { return b }
	if good.Kind == session.KindPreKey {
		inner, wrap = p.unwrap(good.Body)
	}
	return func(yield func(string, session.Message) bool) {
		with := func(body []byte, format string, args ...any) bool {
			return yield(fmt.Sprintf(format, args...), session.Message{Kind: good.Kind, Body: body})
		}
		positions := p.rng.Perm(len(inner))
		for _, i := range positions[:min(len(positions), everyByte)] {
			b := bytes.Clone(inner)
			b[i] ^= 1 << p.rng.IntN(8)
			if !with(wrap(b), "byte %d of %d changed", i, len(b)) {
				return
			}
		}
		for range 40 {
			n := p.rng.IntN(len(good.Body))
			if !with(good.Body[:n], "cut to %d of %d bytes", n, len(good.Body)) {
				return
			}
		}
		forms := map[string][]byte{
			"empty":                  {},
			"with a byte behind it":  wrap(append(bytes.Clone(inner), 0)),
			"with bytes of the MAC":  wrap(append(bytes.Clone(inner), inner[len(inner)-8:]...)),
			"of version 3":           append([]byte{0x34}, good.Body[1:]...),
			"of version 5":           append([]byte{0x54}, good.Body[1:]...),
			"of version 2":           append([]byte{0x24}, good.Body[1:]...),
			"of version 3 inside":    wrap(append([]byte{0x34}, inner[1:]...)),
			"with other low nibble":  wrap(append([]byte{inner[0] ^ 1}, inner[1:]...)),
			"with a second counter":  wrap(insert(inner, protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 7))),
			"with an unknown field":  wrap(insert(inner, protowire.AppendVarint(protowire.AppendTag(nil, 15, protowire.VarintType), 7))),
			"with a field of groups": wrap(insert(inner, []byte{15<<3 | 3})),
			"with a broken length":   wrap(insert(inner, []byte{15<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f})),
		}
		for _, name := range sorted(forms) {
			if !with(forms[name], "%s", name) {
				return
			}
		}
		other := session.Message{Kind: session.KindSignal + session.KindPreKey - good.Kind, Body: good.Body}
		yield("under the other kind", other)
	}
}

// insert puts a field at the end of a SignalMessage, before its MAC.
func insert(message, field []byte) []byte {
	end := len(message) - 8
	out := append(bytes.Clone(message[:end]), field...)
	return append(out, message[end:]...)
}

// unwrap returns the SignalMessage inside a handshake and what puts another one
// in its place.
func (p *play) unwrap(body []byte) (inner []byte, wrap func([]byte) []byte) {
	p.Helper()
	const fieldMessage = 4
	for at := 1; at < len(body); {
		number, kind, n := protowire.ConsumeTag(body[at:])
		size := protowire.ConsumeFieldValue(number, kind, body[at+max(n, 0):])
		if n < 0 || size < 0 {
			break
		}
		if number == fieldMessage {
			before, after := body[:at+n], body[at+n+size:]
			inner, _ = protowire.ConsumeBytes(body[at+n:])
			return inner, func(b []byte) []byte {
				return append(protowire.AppendBytes(bytes.Clone(before), b), after...)
			}
		}
		at += n + size
	}
	p.Fatalf("no message in the handshake %x", body)
	return nil, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
