package spqr

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/cloudflare/circl/kem/kyber/kyber1024"
)

// hexBytes is a byte string as the transcripts write it.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	*h = make([]byte, hex.DecodedLen(len(text)))
	_, err := hex.Decode(*h, text)
	return err
}

// transcript is the part of schema signal-1to1-transcript/1 that concerns SPQR;
// ../../../testdata/signal/README.md describes it.
type transcript struct {
	Parties map[string]struct {
		IdentityPrivate hexBytes
		IdentityPublic  hexBytes
	}
	Bundles map[string]struct {
		IdentityKey               hexBytes
		PreKey                    *struct{ Public hexBytes }
		SignedPreKey, KyberPreKey struct {
			Public, Private hexBytes
		}
	}
	Steps []transcriptStep
}

type transcriptStep struct {
	Op, By, Msg, Bundle, Expect string
	Count, Type                 int
	PqRatchet, Ciphertext       hexBytes
	RatchetKey                  hexBytes
	Rng                         []hexBytes
	Named                       struct{ BaseKeyPrivate, KyberCoins, RatchetKeyPrivate hexBytes }
}

func readTranscript(t testing.TB, name string) *transcript {
	t.Helper()
	data, err := os.ReadFile("../../../testdata/signal/" + name)
	if err != nil {
		t.Fatal(err)
	}
	tr := new(transcript)
	if err := json.Unmarshal(data, tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// handshake is PQXDH's output, 96 bytes: root key, chain key and authentication
// key (docs/protocol.md section 9).
func (tr *transcript) handshake(t testing.TB) []byte {
	t.Helper()
	first := tr.Steps[0]
	bundle := tr.Bundles[first.Bundle]
	identity, base := tr.Parties[first.By].IdentityPrivate, first.Named.BaseKeyPrivate
	ikm := bytes.Repeat([]byte{0xFF}, 32)
	ikm = append(ikm, agree(t, identity, bundle.SignedPreKey.Public)...)
	ikm = append(ikm, agree(t, base, bundle.IdentityKey)...)
	ikm = append(ikm, agree(t, base, bundle.SignedPreKey.Public)...)
	if bundle.PreKey != nil {
		ikm = append(ikm, agree(t, base, bundle.PreKey.Public)...)
	}
	var pk kyber1024.PublicKey
	pk.Unpack(bundle.KyberPreKey.Public[1:])
	var ct [kyber1024.CiphertextSize]byte
	var shared [kyber1024.SharedKeySize]byte
	pk.EncapsulateTo(ct[:], shared[:], first.Named.KyberCoins)
	ikm = append(ikm, shared[:]...)
	return expand(t, nil, ikm, "WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024", 96)
}

func (tr *transcript) authKey(t testing.TB) *[32]byte {
	t.Helper()
	return (*[32]byte)(tr.handshake(t)[64:])
}

// recorded is the randomness of one encryption: an error when too little was
// recorded, and a test failure when not all of it was drawn.
func (s *transcriptStep) recorded() *bytes.Reader {
	var all []byte
	for _, draw := range s.Rng {
		all = append(all, draw...)
	}
	return bytes.NewReader(all)
}

// replay plays a transcript of Signal's library: our states must make its
// headers byte for byte, accept what it accepted, and agree on every key. The
// states also go through their stored form before each step.
func replay(t *testing.T, name string, aliceConfig Config) {
	tr := readTranscript(t, name)
	alice, bob := newPairOf(t, tr.authKey(t), aliceConfig)
	states := map[string]*State{"alice": alice, "bob": bob}
	headers, keys := map[string][]byte{}, map[string][32]byte{}
	var sent, received, salted int
	for i := range tr.Steps {
		step := &tr.Steps[i]
		state := reload(t, states[step.By])
		states[step.By] = state
		switch {
		case step.Op == "encrypt":
			rng := step.recorded()
			out, err := state.Send(rng)
			if err != nil {
				t.Fatalf("step %d: send: %v", i, err)
			}
			if !bytes.Equal(out.Header(), step.PqRatchet) || rng.Len() != 0 {
				t.Fatalf("step %d: header %x, recorded %x; %d bytes not drawn", i, out.Header(), step.PqRatchet, rng.Len())
			}
			out.Commit()
			headers[step.Msg] = out.Header()
			keys[step.Msg], _ = out.Key()
			sent++
		case step.Op == "decrypt" && step.Expect == "ok":
			in, err := state.Receive(headers[step.Msg])
			if err != nil {
				t.Fatalf("step %d: receive %q: %v", i, step.Msg, err)
			}
			got, ok := in.Key()
			if got != keys[step.Msg] {
				t.Fatalf("step %d: keys of %q differ", i, step.Msg)
			}
			in.Commit()
			received++
			if ok {
				salted++
			}
		case step.Op == "advance":
			advance(t, state, step.Count)
		}
	}
	if sent == 0 || received == 0 || salted == 0 {
		t.Fatalf("%d sent, %d received, %d with a key: the transcript is empty", sent, received, salted)
	}
	t.Logf("%s: %d headers equal, %d received (%d with a key), epochs %d and %d",
		name, sent, received, salted, states["alice"].Epoch(), states["bob"].Epoch())
}

func TestTranscripts(t *testing.T) {
	for name, config := range map[string]Config{
		"spqr-onetime-a103-b103.json":   {},
		"spqr-epochs-a103-b103.json":    {},
		"spqr-limits-a103-b103.json":    {},
		"spqr-noonetime-a090-b103.json": {AllowFallback: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replay(t, name, config)
		})
	}
}

// TestFallbackTranscript: libsignal 0.90 starts with SPQR, the peer answers
// without, and from then on neither has it.
func TestFallbackTranscript(t *testing.T) {
	t.Parallel()
	tr := readTranscript(t, "nospqr-onetime-a090-b079.json")
	alice, err := New(tr.authKey(t), Initiator, Config{AllowFallback: true})
	if err != nil {
		t.Fatal(err)
	}
	headers := 0
	for i := range tr.Steps {
		step := &tr.Steps[i]
		if step.By != "alice" || step.Op != "encrypt" && step.Expect != "ok" {
			continue
		}
		if step.Op == "decrypt" {
			commitReceive(t, alice, nil)
			continue
		}
		rng := step.recorded()
		out, err := alice.Send(rng)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := out.Key(); ok || !bytes.Equal(out.Header(), step.PqRatchet) {
			t.Fatalf("step %d: header %x, key %v; recorded %x", i, out.Header(), ok, step.PqRatchet)
		}
		if len(out.Header()) > 0 {
			headers++
		}
		out.Commit()
	}
	if headers == 0 || alice.Active() {
		t.Fatalf("%d headers, active %v: the fallback was not exercised", headers, alice.Active())
	}
}
