package spqr

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// doubleRatchet is the sending half of one party's Double Ratchet, just enough
// to check the MACs of what it sent (docs/protocol.md section 10).
type doubleRatchet struct {
	root, chain hexBytes
	private     hexBytes
	theirs      map[string]bool
	counter     uint32
}

func expand(t testing.TB, salt, ikm []byte, info string, n int) []byte {
	t.Helper()
	okm, err := hkdf.Key(sha256.New, ikm, salt, info, n)
	if err != nil {
		t.Fatal(err)
	}
	return okm
}

func sumOf(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(bytes.Join(parts, nil))
	return h.Sum(nil)
}

func agree(t testing.TB, private, public []byte) []byte {
	t.Helper()
	priv, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ecdh.X25519().NewPublicKey(public[1:])
	if err != nil {
		t.Fatal(err)
	}
	shared, err := priv.ECDH(pub)
	if err != nil {
		t.Fatal(err)
	}
	return shared
}

func (d *doubleRatchet) stepTo(t testing.TB, theirs []byte) {
	t.Helper()
	okm := expand(t, d.root, agree(t, d.private, theirs), "WhisperRatchet", 64)
	d.root, d.chain, d.counter = okm[:32], okm[32:], 0
}

// received turns the ratchet when the message brings a new key; drawn is our
// next private key.
func (d *doubleRatchet) received(t testing.TB, theirs []byte, drawn []hexBytes) {
	t.Helper()
	if d.theirs[string(theirs)] {
		return
	}
	d.theirs[string(theirs)] = true
	d.stepTo(t, theirs)
	d.private = drawn[0]
	d.stepTo(t, theirs)
}

// macKey returns the next message's MAC key for an SPQR key.
func (d *doubleRatchet) macKey(t testing.TB, salt []byte) []byte {
	t.Helper()
	seed := sumOf(d.chain, []byte{1})
	d.chain = sumOf(d.chain, []byte{2})
	d.counter++
	return expand(t, salt, seed, "WhisperMessageKeys", 80)[32:64]
}

// field returns a length-delimited field of a message.
func field(t testing.TB, b []byte, want protowire.Number) []byte {
	t.Helper()
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal("malformed message")
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			t.Fatal("malformed message")
		}
		if num == want {
			value, _ := protowire.ConsumeBytes(b[n:])
			return value
		}
		b = b[n+size:]
	}
	t.Fatalf("no field %d", want)
	return nil
}

// TestTranscriptKeys proves the keys themselves: the MAC of every message that
// Signal's library wrote is right under the salt that our state gives for it.
func TestTranscriptKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"spqr-onetime-a103-b103.json", "spqr-epochs-a103-b103.json", "spqr-noonetime-a090-b103.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkKeys(t, readTranscript(t, name), Config{AllowFallback: name == "spqr-noonetime-a090-b103.json"})
		})
	}
}

func checkKeys(t *testing.T, tr *transcript, aliceConfig Config) {
	okm := tr.handshake(t)
	first, peers := tr.Steps[0], map[string]string{"alice": "bob", "bob": "alice"}
	bundle := tr.Bundles[first.Bundle]
	ratchets := map[string]*doubleRatchet{
		"alice": {root: okm[:32], private: first.Named.RatchetKeyPrivate, theirs: map[string]bool{string(bundle.SignedPreKey.Public): true}},
		"bob":   {root: okm[:32], private: bundle.SignedPreKey.Private, theirs: map[string]bool{}},
	}
	ratchets["alice"].stepTo(t, bundle.SignedPreKey.Public)
	states := map[string]*State{}
	states["alice"], states["bob"] = newPairOf(t, (*[32]byte)(okm[64:]), aliceConfig)
	headers, keys := map[string][]byte{}, map[string]hexBytes{}
	checked := 0
	for i := range tr.Steps {
		step := &tr.Steps[i]
		switch {
		case step.Op == "encrypt":
			out := commitSend(t, states[step.By], step.recorded())
			headers[step.Msg], keys[step.Msg] = out.header, step.RatchetKey
			var salt []byte
			if out.keyed {
				salt = out.key[:]
			}
			message := step.Ciphertext
			if step.Type == 3 {
				message = field(t, message[1:], 4)
			}
			body, mac := message[:len(message)-8], message[len(message)-8:]
			sum := sumOf(ratchets[step.By].macKey(t, salt),
				tr.Parties[step.By].IdentityPublic, tr.Parties[peers[step.By]].IdentityPublic, body)
			if !bytes.Equal(sum[:8], mac) {
				t.Fatalf("step %d: the MAC of %q is not made with our key", i, step.Msg)
			}
			checked++
		case step.Op == "decrypt" && step.Expect == "ok":
			commitReceive(t, states[step.By], headers[step.Msg])
			ratchets[step.By].received(t, keys[step.Msg], step.Rng)
		}
	}
	if checked < 50 {
		t.Fatalf("only %d messages checked", checked)
	}
	t.Logf("%d message MACs right", checked)
}
