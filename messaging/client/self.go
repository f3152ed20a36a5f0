package client

import (
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
)

// stage is how far this device has come.
type stage uint8

const (
	stageNew     stage = iota // no keys
	stageJoining              // keys made and saved; not in the log yet
	stageReady                // in the log
	stageRemoved              // was in the log
)

// self is who this device is: KindIdentity "self".
type self struct {
	stage        stage
	tenant       messaging.TenantID
	account      messaging.AccountID
	device       messaging.DeviceID // 0 before stageReady
	registration uint32
	identity     *key.IdentityPrivate
	log          *key.LogPrivate
	signed, last key.PreKeyID // in use
	rotated      int64        // when those were made, Unix ms
}

func (s *self) address() messaging.Address {
	return messaging.Address{Account: s.account, Device: s.device}
}

func (s *self) signer() devicelog.Signer { return devicelog.Signer{Device: s.device, Key: s.log} }

func (s *self) newcomer() devicelog.Newcomer {
	return devicelog.Newcomer{RegistrationID: s.registration, Identity: s.identity.Public(), LogKey: s.log.Public()}
}

func (s *self) pack() []byte {
	p := newPacker()
	p.uint(uint64(s.stage))
	p.raw(s.tenant[:])
	p.raw(s.account[:])
	p.uint(uint64(s.device))
	p.uint(uint64(s.registration))
	p.bytes(s.identity.Bytes())
	p.bytes(s.log.Seed())
	p.uint(uint64(s.signed))
	p.uint(uint64(s.last))
	p.uint(uint64(s.rotated))
	return p
}

func unpackSelf(b []byte) (self, error) {
	u := unpack(b)
	s := self{stage: stage(u.uint()), tenant: u.id(), account: u.id()}
	s.device, s.registration = messaging.DeviceID(u.uint()), uint32(u.uint())
	identity, seed := u.bytes(), u.bytes()
	s.signed, s.last, s.rotated = key.PreKeyID(u.uint()), key.PreKeyID(u.uint()), int64(u.uint())
	if err := u.done(); err != nil {
		return self{}, err
	}
	var err error
	if s.identity, err = key.NewPrivate[key.RoleIdentity](identity); err != nil {
		return self{}, errRecord
	}
	if s.log, err = key.NewLog(seed); err != nil {
		return self{}, errRecord
	}
	return s, nil
}

// loadSelf leaves the zero self when the vault is empty.
func (d *device) loadSelf(r vault.Reader) error {
	b, err := r.Get(vault.KindIdentity, []byte(selfRecord))
	if errors.Is(err, vault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.self, err = unpackSelf(b)
	d.setParty()
	return err
}

func (t *txn) putSelf() error {
	return t.Put(vault.KindIdentity, []byte(selfRecord), t.d.self.pack())
}

// makeSelf draws the keys of a new device, with the prekeys that its
// registration needs.
func (t *txn) makeSelf(tenant messaging.TenantID, account messaging.AccountID) (err error) {
	s := self{stage: stageJoining, tenant: tenant, account: account}
	if s.identity, err = key.Generate[key.RoleIdentity](t.d.rand); err != nil {
		return err
	}
	if s.log, err = key.GenerateLog(t.d.rand); err != nil {
		return err
	}
	n, err := t.d.number(key.MaxRegistrationID)
	if err != nil {
		return err
	}
	s.registration = n
	t.d.self = s
	if err := t.rotate(); err != nil {
		return err
	}
	t.d.setParty()
	return nil
}
