//go:build !js

package interop_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/key/kyber1024"
)

// signalKEMs is the mechanism of Signal's builds.
var signalKEMs = key.AcceptKEMs(kyber1024.Scheme{})

// ours is a device of ours. Its record goes through its stored form after every
// message, as through a vault.
type ours struct {
	session.Party
	t    *testing.T
	rand io.Reader
	keys *prekeys
	next key.PreKeyID
	rec  *session.Record
	peer session.Peer
	now  time.Time
}

func newOurs(t *testing.T, rand io.Reader, address messaging.Address, registration uint32, config session.Config) *ours {
	t.Helper()
	identity, err := key.Generate[key.RoleIdentity](rand)
	if err != nil {
		t.Fatal(err)
	}
	return &ours{
		Party: session.Party{Address: address, RegistrationID: registration, Identity: identity, Config: config},
		t:     t, rand: rand, keys: newPreKeys(), now: noon,
	}
}

func (o *ours) String() string             { return "our side" }
func (o *ours) address() messaging.Address { return o.Address }
func (o *ours) archive()                   { o.rec = o.rec.Archive() }
func (o *ours) forget()                    { o.rec = nil }
func (o *ours) wait(d time.Duration)       { o.now = o.now.Add(d) }

func (o *ours) bundle(of offer) bundle {
	o.t.Helper()
	o.next++
	signed, signedPublic, err := key.NewSignedPreKey(o.rand, o.next, o.Identity)
	if err != nil {
		o.t.Fatal(err)
	}
	kem, kemPublic, err := signalKEMs.NewPreKey(o.rand, o.next, o.Identity)
	if err != nil {
		o.t.Fatal(err)
	}
	o.keys.signed[o.next], o.keys.kem[o.next], o.keys.lastResort[o.next] = signed, kem, of.lastResort
	b := bundle{
		RegistrationID: o.RegistrationID, DeviceID: o.Address.Device, IdentityKey: o.Identity.Public().Bytes(),
		SignedPreKeyID: uint32(o.next), SignedPreKeyPublic: signedPublic.Public.Bytes(), SignedPreKeySignature: signedPublic.Signature[:],
		KyberPreKeyID: uint32(o.next), KyberPreKeyPublic: kemPublic.Public.Bytes(), KyberPreKeySignature: kemPublic.Signature[:],
	}
	if of.oneTime {
		private, public, err := key.NewOneTimePreKey(o.rand, o.next)
		if err != nil {
			o.t.Fatal(err)
		}
		id := uint32(public.ID)
		o.keys.oneTime[public.ID], b.PreKeyID, b.PreKeyPublic = private, &id, public.Public.Bytes()
	}
	return b
}

func (o *ours) start(b bundle) error {
	verified, err := o.verify(b, signalKEMs)
	if err != nil {
		return err
	}
	rec, err := o.Start(o.rand, o.rec, o.peer, verified, o.now)
	if err == nil {
		o.rec = rec
	}
	return err
}

// verify reads a bundle as the mechanisms allow and checks it.
func (o *ours) verify(b bundle, kems key.KEMs) (*key.Verified, error) {
	out := key.Bundle{RegistrationID: b.RegistrationID, Device: b.DeviceID}
	out.Signed.ID, out.KEM.ID = key.PreKeyID(b.SignedPreKeyID), key.PreKeyID(b.KyberPreKeyID)
	var errs [6]error
	out.Identity, errs[0] = key.ParsePublic[key.RoleIdentity](b.IdentityKey)
	out.Signed.Public, errs[1] = key.ParsePublic[key.RoleSignedPreKey](b.SignedPreKeyPublic)
	out.Signed.Signature, errs[2] = key.ParseSignature(b.SignedPreKeySignature)
	out.KEM.Public, errs[3] = kems.ParsePublic(b.KyberPreKeyPublic)
	out.KEM.Signature, errs[4] = key.ParseSignature(b.KyberPreKeySignature)
	if b.PreKeyID != nil {
		one := key.OneTimePreKey{ID: key.PreKeyID(*b.PreKeyID)}
		one.Public, errs[5] = key.ParsePublic[key.RoleOneTimePreKey](b.PreKeyPublic)
		out.OneTime = &one
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out.Verify(o.peer.Address.Device, o.peer.Identity)
}

func (o *ours) encrypt(plaintext []byte) (session.Message, error) {
	o.t.Helper()
	m, rec, err := o.Encrypt(o.rand, o.rec, o.peer, plaintext, o.now)
	if err != nil && !errors.Is(err, session.ErrNoSession) {
		o.t.Fatalf("encrypt: %v", err)
	}
	if err == nil {
		o.rec = rec
	}
	return m, err
}

func (o *ours) decrypt(m session.Message) ([]byte, error) { return o.decryptFrom(o.peer, m) }

// decryptFrom decrypts a message that is said to come from a peer.
func (o *ours) decryptFrom(peer session.Peer, m session.Message) ([]byte, error) {
	o.t.Helper()
	before := o.encode(o.rec)
	got, err := o.Decrypt(o.rand, o.rec, peer, m, o.keys)
	if !bytes.Equal(before, o.encode(o.rec)) {
		o.t.Fatal("a decrypt changed the record that it was given")
	}
	if err != nil {
		if !errors.Is(err, messaging.ErrInvalid) || got.Record != nil || got.Plaintext != nil || got.OneTime != nil || got.KEM != nil {
			o.t.Fatalf("decrypt: %v, and something is left to save", err)
		}
		return nil, err
	}
	o.keys.apply(got)
	if o.rec, err = session.ParseRecord(o.encode(got.Record)); err != nil {
		o.t.Fatal(err)
	}
	return got.Plaintext, nil
}

func (o *ours) encode(r *session.Record) []byte {
	o.t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

// prekeys are the prekeys of a vault, in memory.
type prekeys struct {
	signed     map[key.PreKeyID]*key.SignedPreKeyPrivate
	oneTime    map[key.PreKeyID]*key.OneTimePreKeyPrivate
	kem        map[key.PreKeyID]*key.KEMPrivate
	lastResort map[key.PreKeyID]bool
	seen       map[session.LastResortUse]bool
}

func newPreKeys() *prekeys {
	return &prekeys{
		signed:     map[key.PreKeyID]*key.SignedPreKeyPrivate{},
		oneTime:    map[key.PreKeyID]*key.OneTimePreKeyPrivate{},
		kem:        map[key.PreKeyID]*key.KEMPrivate{},
		lastResort: map[key.PreKeyID]bool{},
		seen:       map[session.LastResortUse]bool{},
	}
}

func held[K any](m map[key.PreKeyID]*K, id key.PreKeyID) (*K, error) {
	if k := m[id]; k != nil {
		return k, nil
	}
	return nil, session.ErrNoPreKey
}

func (k *prekeys) SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error) {
	return held(k.signed, id)
}

func (k *prekeys) OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error) {
	return held(k.oneTime, id)
}

func (k *prekeys) KEMPreKey(id key.PreKeyID) (*key.KEMPrivate, bool, error) {
	private, err := held(k.kem, id)
	return private, k.lastResort[id], err
}

func (k *prekeys) Seen(use session.LastResortUse) (bool, error) { return k.seen[use], nil }

// apply does what is to be done with a decrypt's result.
func (k *prekeys) apply(got session.Received) {
	if got.OneTime != nil {
		delete(k.oneTime, *got.OneTime)
	}
	if got.KEM != nil {
		delete(k.kem, *got.KEM)
	}
	if got.LastResort != nil {
		k.seen[*got.LastResort] = true
	}
}
