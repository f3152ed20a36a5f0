package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// LowKeys is the count below which a device is asked for more
// (docs/protocol.md section 3.4).
const LowKeys = 25

// checkRegistration verifies the keys of a device that joins, so that no peer
// is handed a bundle that cannot work.
func checkRegistration(entry devicelog.Entry, r wire.Registration) error {
	if uint32(r.RegistrationID) != entry.RegistrationID {
		return fmt.Errorf("%w: expected the registration id of the entry", ErrKeys)
	}
	return checkSigned(entry.Identity, entry.Device, uint16(entry.RegistrationID), r.SignedPrekey, r.LastResort)
}

func checkSigned(identity key.IdentityPublic, device messaging.DeviceID, registration uint16, signed wire.SignedPreKey, kem wire.KEMPreKey) error {
	bundle, err := parseBundle(identity, device, registration, signed, kem)
	if err == nil {
		_, err = bundle.Verify(device, identity)
	}
	if err != nil {
		return errors.Join(ErrKeys, err)
	}
	return nil
}

func parseBundle(identity key.IdentityPublic, device messaging.DeviceID, registration uint16, signed wire.SignedPreKey, kem wire.KEMPreKey) (b key.Bundle, err error) {
	b = key.Bundle{RegistrationID: uint32(registration), Device: device, Identity: identity}
	b.Signed.ID, b.KEM.ID = key.PreKeyID(signed.ID), key.PreKeyID(kem.ID)
	if b.Signed.Public, err = key.ParsePublic[key.RoleSignedPreKey](signed.PublicKey); err != nil {
		return b, err
	}
	if b.Signed.Signature, err = key.ParseSignature(signed.Signature); err != nil {
		return b, err
	}
	if b.KEM.Public, err = (key.KEMs{}).ParsePublic(kem.PublicKey); err != nil {
		return b, err
	}
	b.KEM.Signature, err = key.ParseSignature(kem.Signature)
	return b, err
}

// UploadKeys stores published keys of the caller's device: all or none. A key
// that is there already, or was handed out already, changes nothing.
func (s *Service) UploadKeys(ctx context.Context, id tenant.ID, who Who, m *wire.UploadKeys) (counts wire.KeyCounts, err error) {
	address, err := who.Address()
	if err != nil {
		return counts, err
	}
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		device, err := lockDevice(ctx, tx, address, s.now())
		if err != nil {
			return err
		}
		if err := checkUpload(device, m); err != nil {
			return err
		}
		if err := s.storeKeys(ctx, tx, address, device, m); err != nil {
			return err
		}
		counts, err = s.countKeys(ctx, tx, address)
		return err
	})
	if err != nil {
		return counts, fmt.Errorf("upload keys: %w", err)
	}
	return counts, nil
}

// checkUpload verifies every signature under the device's identity key.
func checkUpload(d deviceRow, m *wire.UploadKeys) error {
	signed, last := d.signed, d.lastResort
	if m.SignedPrekey.ID != 0 {
		signed = m.SignedPrekey
	}
	if m.LastResort.ID != 0 {
		last = m.LastResort
	}
	for _, kem := range append([]wire.KEMPreKey{last}, m.OneTimeKEM...) {
		if err := checkSigned(d.identity, d.id, d.registration, signed, kem); err != nil {
			return err
		}
	}
	for _, ec := range m.OneTimeEC {
		if _, err := key.ParsePublic[key.RoleOneTimePreKey](ec.PublicKey); err != nil {
			return errors.Join(ErrKeys, err)
		}
	}
	return nil
}

func (s *Service) storeKeys(ctx context.Context, tx tenant.Tx, a messaging.Address, d deviceRow, m *wire.UploadKeys) error {
	if err := replaceSigned(ctx, tx, a, d, m); err != nil {
		return err
	}
	if err := insertOneTimeEC(ctx, tx, a, m.OneTimeEC); err != nil {
		return err
	}
	if err := insertOneTimeKEM(ctx, tx, a, m.OneTimeKEM); err != nil {
		return err
	}
	counts, err := s.countKeys(ctx, tx, a)
	if err == nil && (counts.OneTimeEC > maxPool || counts.OneTimeKEM > maxPool) {
		err = ErrKeysFull
	}
	return err
}

// maxPool bounds the one-time keys of a device: a pool of 100 that is refilled
// while some of it is left.
const maxPool = 2 * wire.MaxPreKeys

// CountKeys returns what the server holds for the caller's device.
func (s *Service) CountKeys(ctx context.Context, id tenant.ID, who Who) (counts wire.KeyCounts, err error) {
	address, err := who.Address()
	if err != nil {
		return counts, err
	}
	err = s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		counts, err = s.countKeys(ctx, tx, address)
		return err
	})
	return counts, err
}

func (s *Service) countKeys(ctx context.Context, tx tenant.Tx, a messaging.Address) (wire.KeyCounts, error) {
	counts, err := selectCounts(ctx, tx, a)
	if errors.Is(err, tenant.ErrNotFound) {
		return counts, ErrNotLinked
	}
	return counts, err
}

// TakeBundles hands out a bundle for each of an account's devices, or for those
// named; each one-time key leaves the database in the same transaction. low
// names devices that now have fewer keys than LowKeys. The caller has checked
// that it may ask.
func (s *Service) TakeBundles(ctx context.Context, tx tenant.Tx, account messaging.AccountID, devices []messaging.DeviceID) (out *wire.Bundles, low []messaging.DeviceID, err error) {
	rows, err := lockDevices(ctx, tx, account, devices, s.now())
	if err != nil {
		return nil, nil, fmt.Errorf("take bundles: %w", err)
	}
	out = &wire.Bundles{AccountID: account}
	for _, d := range rows {
		bundle, left, err := takeBundle(ctx, tx, messaging.Address{Account: account, Device: d.id}, d)
		if err != nil {
			return nil, nil, fmt.Errorf("take bundles: %w", err)
		}
		out.Bundles = append(out.Bundles, bundle)
		if left < LowKeys {
			low = append(low, d.id)
		}
	}
	return out, low, nil
}

func takeBundle(ctx context.Context, tx tenant.Tx, a messaging.Address, d deviceRow) (b wire.Bundle, left int, err error) {
	b = wire.Bundle{RegistrationID: d.registration, Device: d.id, IdentityKey: d.identity.Bytes(), SignedPrekey: d.signed, KEMPrekey: d.lastResort}
	b.KEMPrekey.LastResort = true
	ec, err := takeOneTimeEC(ctx, tx, a)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return b, 0, err
	}
	b.OneTimeEC = ec
	kem, err := takeOneTimeKEM(ctx, tx, a)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return b, 0, err
	}
	if err == nil {
		b.KEMPrekey = kem
	}
	counts, err := selectCounts(ctx, tx, a)
	return b, int(min(counts.OneTimeEC, counts.OneTimeKEM)), err
}
