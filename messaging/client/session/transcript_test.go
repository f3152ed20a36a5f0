package session_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/key/kyber1024"
)

// hexBytes is a byte string as the transcripts write it.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// transcript is a conversation of two builds of Signal's library, with the
// random bytes that each step drew (testdata/signal/README.md).
type transcript struct {
	Schema  string
	Parties map[string]recordedParty
	Bundles map[string]recordedBundle
	Steps   []recordedStep
}

type recordedParty struct {
	Name            string
	DeviceID        messaging.DeviceID
	RegistrationID  uint32
	IdentityPrivate hexBytes
	Libsignal       string
	UsePqRatchet    any
}

type recordedBundle struct {
	Owner          string
	RegistrationID uint32
	DeviceID       messaging.DeviceID
	IdentityKey    hexBytes
	PreKey         *recordedKey
	SignedPreKey   recordedKey
	KyberPreKey    recordedKey
}

type recordedKey struct {
	ID                                     key.PreKeyID
	LastResort                             bool
	Public, Private, Signature, KeygenSeed hexBytes
}

type recordedStep struct {
	Op, By, Bundle, Msg, Expect string
	Type                        session.Kind
	Count                       int
	Plaintext, Ciphertext       hexBytes
	Rng                         []hexBytes
}

func loadTranscript(t *testing.T, name string) transcript {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "signal", name))
	if err != nil {
		t.Fatal(err)
	}
	var tr transcript
	if err := json.Unmarshal(raw, &tr); err != nil {
		t.Fatal(err)
	}
	if tr.Schema != "signal-1to1-transcript/1" || len(tr.Steps) == 0 {
		t.Fatalf("%s: not a transcript", name)
	}
	return tr
}

var signalKEMs = key.AcceptKEMs(kyber1024.Scheme{})

// replay plays one party of a transcript.
type replay struct {
	party session.Party
	peer  session.Peer
	rec   *session.Record
	keys  *prekeys
	old   bool // draws the ratchet key before the encapsulation's coins
}

func newReplay(t *testing.T, tr transcript, name, peer string) *replay {
	t.Helper()
	own, other := tr.Parties[name], tr.Parties[peer]
	r := &replay{
		party: session.Party{
			Address: own.address(t), RegistrationID: own.RegistrationID,
			Identity: own.identity(t), Config: own.config(t),
		},
		peer: session.Peer{Address: other.address(t), Identity: other.identity(t).Public()},
		keys: newPreKeys(),
		old:  own.minor(t) < 75,
	}
	for _, b := range tr.Bundles {
		if b.Owner == name {
			r.keys.addRecorded(t, b)
		}
	}
	return r
}

func (p recordedParty) address(t *testing.T) messaging.Address {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(p.Name, "-", ""))
	if err != nil || len(raw) != 16 {
		t.Fatalf("party name %q is no UUID", p.Name)
	}
	return messaging.Address{Account: messaging.AccountID(raw), Device: p.DeviceID}
}

func (p recordedParty) identity(t *testing.T) *key.IdentityPrivate {
	t.Helper()
	return must(key.NewPrivate[key.RoleIdentity](p.IdentityPrivate))(t)
}

func (p recordedParty) minor(t *testing.T) int {
	t.Helper()
	return must(strconv.Atoi(strings.Split(p.Libsignal, ".")[1]))(t)
}

// config is how the build that a party ran behaves.
func (p recordedParty) config(t *testing.T) (c session.Config) {
	t.Helper()
	minor := p.minor(t)
	switch {
	case minor < 74 || p.UsePqRatchet == false:
		c.SPQR = session.Off
	case minor < 92:
		c.SPQR = session.Optional
	}
	c.Addresses = session.Off
	if minor >= 91 {
		c.Addresses = session.Optional
	}
	return c
}

func (b recordedBundle) verified(t *testing.T) *key.Verified {
	t.Helper()
	out := key.Bundle{
		RegistrationID: b.RegistrationID,
		Device:         b.DeviceID,
		Identity:       must(key.ParsePublic[key.RoleIdentity](b.IdentityKey))(t),
		Signed: key.SignedPreKey{
			ID:        b.SignedPreKey.ID,
			Public:    must(key.ParsePublic[key.RoleSignedPreKey](b.SignedPreKey.Public))(t),
			Signature: must(key.ParseSignature(b.SignedPreKey.Signature))(t),
		},
		KEM: key.KEMPreKey{
			ID:        b.KyberPreKey.ID,
			Public:    must(signalKEMs.ParsePublic(b.KyberPreKey.Public))(t),
			Signature: must(key.ParseSignature(b.KyberPreKey.Signature))(t),
		},
	}
	if b.PreKey != nil {
		public := must(key.ParsePublic[key.RoleOneTimePreKey](b.PreKey.Public))(t)
		out.OneTime = &key.OneTimePreKey{ID: b.PreKey.ID, Public: public}
	}
	return must(out.Verify(out.Device, out.Identity))(t)
}

func (k *prekeys) addRecorded(t *testing.T, b recordedBundle) {
	t.Helper()
	k.signed[b.SignedPreKey.ID] = must(key.NewPrivate[key.RoleSignedPreKey](b.SignedPreKey.Private))(t)
	seed := append([]byte{kyber1024.Scheme{}.Type()}, b.KyberPreKey.KeygenSeed...)
	k.kem[b.KyberPreKey.ID] = must(signalKEMs.ParsePrivate(seed))(t)
	k.lastResort[b.KyberPreKey.ID] = b.KyberPreKey.LastResort
	if b.PreKey != nil {
		k.oneTime[b.PreKey.ID] = must(key.NewPrivate[key.RoleOneTimePreKey](b.PreKey.Private))(t)
	}
}

// recordedRandom gives out what a step drew, and no more.
type recordedRandom struct{ draws []hexBytes }

func (r *recordedRandom) Read(p []byte) (int, error) {
	if len(r.draws) == 0 || len(r.draws[0]) != len(p) {
		return 0, fmt.Errorf("drew %d bytes, recorded are %d more draws", len(p), len(r.draws))
	}
	n := copy(p, r.draws[0])
	r.draws = r.draws[1:]
	return n, nil
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "signal", "*spqr-*.json"))
	if err != nil || len(files) != 10 {
		t.Fatalf("found %d transcripts (%v), expected 10", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			t.Parallel()
			tr := loadTranscript(t, name)
			alice, bob := newReplay(t, tr, "alice", "bob"), newReplay(t, tr, "bob", "alice")
			bodies := map[string]session.Message{}
			texts := map[string][]byte{}
			for i, s := range tr.Steps {
				actor := alice
				if s.By == "bob" {
					actor = bob
				}
				if s.Op == "encrypt" {
					bodies[s.Msg], texts[s.Msg] = session.Message{Kind: s.Type, Body: s.Ciphertext}, s.Plaintext
				}
				if err := actor.step(t, tr, s, bodies, texts); err != nil {
					t.Fatalf("step %d, %s %s by %s: %v", i, s.Op, s.Msg, s.By, err)
				}
			}
		})
	}
}

// transcriptTime is when all transcripts were made.
var transcriptTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (r *replay) step(t *testing.T, tr transcript, s recordedStep, bodies map[string]session.Message, texts map[string][]byte) (err error) {
	t.Helper()
	random := &recordedRandom{s.Rng}
	switch s.Op {
	case "processBundle":
		if r.old {
			random.draws = []hexBytes{s.Rng[0], s.Rng[2], s.Rng[1]}
		}
		r.rec, err = r.party.Start(random, r.rec, r.peer, tr.Bundles[s.Bundle].verified(t), transcriptTime)
	case "encrypt":
		err = r.encrypt(random, s)
	case "decrypt":
		m := bodies[s.Msg]
		if s.Ciphertext != nil {
			m = session.Message{Kind: s.Type, Body: s.Ciphertext}
		}
		// Signal's library draws a ratchet key for every session that it tries,
		// before it knows whether the session is the right one; ours draws for
		// the right one, which is the last.
		random.draws = s.Rng[max(0, len(s.Rng)-1):]
		err = r.decrypt(t, random, m, s.Expect, texts[s.Msg])
	case "archive":
		r.rec = r.rec.Archive()
	case "advance":
		for range s.Count {
			if _, r.rec, err = r.party.Encrypt(random, r.rec, r.peer, []byte("x"), transcriptTime); err != nil {
				return err
			}
		}
	default:
		err = fmt.Errorf("unknown operation")
	}
	if err == nil && len(random.draws) != 0 && !(s.Op == "decrypt" && len(s.Rng) > 1) {
		err = fmt.Errorf("%d recorded draws were not made", len(random.draws))
	}
	return err
}

func (r *replay) encrypt(random *recordedRandom, s recordedStep) error {
	m, rec, err := r.party.Encrypt(random, r.rec, r.peer, s.Plaintext, transcriptTime)
	if err != nil {
		return err
	}
	if m.Kind != s.Type || !bytes.Equal(m.Body, s.Ciphertext) {
		return fmt.Errorf("received kind %d and\n%x, expected kind %d and\n%x", m.Kind, m.Body, s.Type, s.Ciphertext)
	}
	r.rec = rec
	return nil
}

func (r *replay) decrypt(t *testing.T, random *recordedRandom, m session.Message, expect string, text []byte) error {
	t.Helper()
	before := encode(t, r.rec)
	got, err := r.party.Decrypt(random, r.rec, r.peer, m, r.keys)
	if after := encode(t, r.rec); !bytes.Equal(before, after) {
		return fmt.Errorf("the record that was passed in changed\n%x\n%x", before, after)
	}
	if expect != "ok" {
		return r.refused(got, err, expect)
	}
	if err != nil {
		return fmt.Errorf("%w (%w)", err, errors.Unwrap(err))
	}
	if !bytes.Equal(got.Plaintext, text) {
		return fmt.Errorf("received %x, expected %x", got.Plaintext, text)
	}
	r.keys.apply(got)
	// What is saved is what goes on.
	r.rec, err = session.ParseRecord(encode(t, got.Record))
	return err
}

func (r *replay) refused(got session.Received, err error, expect string) error {
	if !errors.Is(err, messaging.ErrInvalid) || got.Record != nil || got.Plaintext != nil {
		return fmt.Errorf("received %v, expected %s", err, expect)
	}
	if errors.Is(err, session.ErrDuplicate) != (expect == "duplicate") {
		return fmt.Errorf("received %v, expected %s", errors.Unwrap(err), expect)
	}
	return nil
}
