package client

import (
	"bytes"
	"errors"

	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// prekey is one prekey as the vault keeps it: KindPrekey.
type prekey struct {
	private   []byte
	public    []byte
	signature []byte // none for one-time curve keys
	replaced  uint64 // when another took its place, Unix ms; 0: in use, or one-time
}

func (p *prekey) pack() []byte {
	b := newPacker()
	b.bytes(p.private)
	b.bytes(p.public)
	b.bytes(p.signature)
	b.uint(p.replaced)
	return b
}

func unpackPrekey(b []byte) (p prekey, err error) {
	u := unpack(b)
	p = prekey{private: u.bytes(), public: u.bytes(), signature: u.bytes(), replaced: u.uint()}
	return p, u.done()
}

func readPrekey(r vault.Reader, prefix byte, id key.PreKeyID) (prekey, error) {
	b, err := r.Get(vault.KindPrekey, prekeyKey(prefix, id))
	if errors.Is(err, vault.ErrNotFound) {
		return prekey{}, session.ErrNoPreKey
	}
	if err != nil {
		return prekey{}, err
	}
	return unpackPrekey(b)
}

// prekeys is the vault as session.Decrypt asks it, within the commit that will
// save the result.
type prekeys struct{ vault.Reader }

func (k prekeys) SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error) {
	p, err := readPrekey(k, prekeySigned, id)
	if err != nil {
		return nil, err
	}
	return key.NewPrivate[key.RoleSignedPreKey](p.private)
}

func (k prekeys) OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error) {
	p, err := readPrekey(k, prekeyCurve, id)
	if err != nil {
		return nil, err
	}
	return key.NewPrivate[key.RoleOneTimePreKey](p.private)
}

func (k prekeys) KEMPreKey(id key.PreKeyID) (private *key.KEMPrivate, lastResort bool, err error) {
	p, err := readPrekey(k, prekeyKEM, id)
	if errors.Is(err, session.ErrNoPreKey) {
		lastResort = true
		p, err = readPrekey(k, prekeyLast, id)
	}
	if err != nil {
		return nil, false, err
	}
	private, err = key.KEMs{}.ParsePrivate(p.private)
	return private, lastResort, err
}

func (k prekeys) Seen(use session.LastResortUse) (bool, error) {
	return has(k, vault.KindPrekey, seenKey(use))
}

func seenKey(use session.LastResortUse) []byte {
	return keyOf(prekeySeen, be32(uint32(use.KEM)), be32(uint32(use.Signed)), use.Base.Bytes())
}

// usePrekeys removes what a handshake used up.
func (t *txn) usePrekeys(got *session.Received) error {
	if got.OneTime != nil {
		if err := t.Delete(vault.KindPrekey, prekeyKey(prekeyCurve, *got.OneTime)); err != nil {
			return err
		}
	}
	if got.KEM != nil {
		if err := t.Delete(vault.KindPrekey, prekeyKey(prekeyKEM, *got.KEM)); err != nil {
			return err
		}
	}
	if got.LastResort == nil {
		return nil
	}
	return t.Put(vault.KindPrekey, seenKey(*got.LastResort), newPacker())
}

// prekeyID draws an id that is not in use under the prefix: random, so that it
// tells nobody how many keys were made, and 24 bits as in Signal's libraries.
func (t *txn) prekeyID(prefix byte) (key.PreKeyID, error) {
	for {
		n, err := t.d.number(1<<24 - 1)
		if err != nil {
			return 0, err
		}
		used, err := has(t, vault.KindPrekey, prekeyKey(prefix, key.PreKeyID(n)))
		if err != nil || !used {
			return key.PreKeyID(n), err
		}
	}
}

func (t *txn) putPrekey(prefix byte, id key.PreKeyID, p prekey) error {
	return t.Put(vault.KindPrekey, prekeyKey(prefix, id), p.pack())
}

func (t *txn) makeCurve() (wire.ECPreKey, error) {
	id, err := t.prekeyID(prekeyCurve)
	if err != nil {
		return wire.ECPreKey{}, err
	}
	private, public, err := key.NewOneTimePreKey(t.d.rand, id)
	if err != nil {
		return wire.ECPreKey{}, err
	}
	p := prekey{private: private.Bytes(), public: public.Public.Bytes()}
	return wire.ECPreKey{ID: uint32(id), PublicKey: p.public}, t.putPrekey(prekeyCurve, id, p)
}

func (t *txn) makeKEM(prefix byte) (wire.KEMPreKey, error) {
	id, err := t.prekeyID(prefix)
	if err != nil {
		return wire.KEMPreKey{}, err
	}
	private, public, err := key.KEMs{}.NewPreKey(t.d.rand, id, t.d.self.identity)
	if err != nil {
		return wire.KEMPreKey{}, err
	}
	p := prekey{private: private.Bytes(), public: public.Public.Bytes(), signature: public.Signature[:]}
	return p.kem(id, prefix == prekeyLast), t.putPrekey(prefix, id, p)
}

func (t *txn) makeSigned() (wire.SignedPreKey, error) {
	id, err := t.prekeyID(prekeySigned)
	if err != nil {
		return wire.SignedPreKey{}, err
	}
	private, public, err := key.NewSignedPreKey(t.d.rand, id, t.d.self.identity)
	if err != nil {
		return wire.SignedPreKey{}, err
	}
	p := prekey{private: private.Bytes(), public: public.Public.Bytes(), signature: public.Signature[:]}
	return p.signed(id), t.putPrekey(prekeySigned, id, p)
}

func (p *prekey) kem(id key.PreKeyID, last bool) wire.KEMPreKey {
	return wire.KEMPreKey{ID: uint32(id), PublicKey: p.public, Signature: p.signature, LastResort: last}
}

func (p *prekey) signed(id key.PreKeyID) wire.SignedPreKey {
	return wire.SignedPreKey{ID: uint32(id), PublicKey: p.public, Signature: p.signature}
}

// registration returns the public halves that go with this device's entry.
func (d *device) registration() (out wire.Registration, err error) {
	out.RegistrationID = uint16(d.self.registration)
	err = d.view(func(r vault.Reader) error {
		signed, err := readPrekey(r, prekeySigned, d.self.signed)
		if err != nil {
			return err
		}
		last, err := readPrekey(r, prekeyLast, d.self.last)
		out.SignedPrekey, out.LastResort = signed.signed(d.self.signed), last.kem(d.self.last, true)
		return err
	})
	return out, err
}

// fromBundle turns what the server handed out into what can be verified.
func fromBundle(b *wire.Bundle) (out key.Bundle, err error) {
	out = key.Bundle{RegistrationID: uint32(b.RegistrationID), Device: b.Device}
	if out.Identity, err = key.ParsePublic[key.RoleIdentity](b.IdentityKey); err != nil {
		return out, err
	}
	out.Signed.ID = key.PreKeyID(b.SignedPrekey.ID)
	if out.Signed.Public, err = key.ParsePublic[key.RoleSignedPreKey](b.SignedPrekey.PublicKey); err != nil {
		return out, err
	}
	if out.Signed.Signature, err = key.ParseSignature(b.SignedPrekey.Signature); err != nil {
		return out, err
	}
	if b.OneTimeEC.ID != 0 {
		out.OneTime = &key.OneTimePreKey{ID: key.PreKeyID(b.OneTimeEC.ID)}
		if out.OneTime.Public, err = key.ParsePublic[key.RoleOneTimePreKey](b.OneTimeEC.PublicKey); err != nil {
			return out, err
		}
	}
	out.KEM.ID = key.PreKeyID(b.KEMPrekey.ID)
	if out.KEM.Public, err = (key.KEMs{}).ParsePublic(bytes.Clone(b.KEMPrekey.PublicKey)); err != nil {
		return out, err
	}
	out.KEM.Signature, err = key.ParseSignature(b.KEMPrekey.Signature)
	return out, err
}
