package client

import (
	"cmp"
	"slices"

	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/wire"
)

// replenish keeps the server's stock of this device's keys: what is saved and
// not confirmed goes up again as it is, then what is missing is made.
func (d *device) replenish() error {
	if !d.bound() || d.link.uploading {
		return nil
	}
	frame, waiting, err := d.upload()
	if err != nil {
		return err
	}
	if !waiting {
		if frame, err = d.restock(); err != nil || frame == nil {
			return err
		}
	}
	d.link.uploading = true
	d.ask(frame, d.uploaded)
	return nil
}

// upload returns the saved upload that waits for its answer, if any.
func (d *device) upload() (m *wire.UploadKeys, waiting bool, err error) {
	if d.now().UnixMilli()-d.self.rotated >= rotateAfter.Milliseconds() {
		if err := d.update(func(t *txn) error { return t.renew() }); err != nil {
			return nil, false, err
		}
	}
	err = d.view(func(r vault.Reader) error {
		b, ok, err := lookup(r, vault.KindPrekey, []byte{prekeyUpload})
		if !ok {
			return err
		}
		_, parsed, err := wire.ParseClient(b)
		if err != nil {
			return err
		}
		m, waiting = parsed.(*wire.UploadKeys), true
		return nil
	})
	return m, waiting, err
}

func (d *device) uploaded(answer wire.ServerMessage) error {
	d.link.uploading = false
	switch m := answer.(type) {
	case *wire.KeyCounts:
		d.link.keys = *m
	case *wire.Refused:
		if m.RetryAfterMS != 0 {
			d.link.uploading = true // until the next connection
			return nil
		}
		// The server cannot take these keys: it has others under their ids, or no
		// room. New ones get new ids.
		d.link.uploading = m.Code == wire.CodeFull
	default:
		return nil
	}
	return d.update(func(t *txn) error { return t.Delete(vault.KindPrekey, []byte{prekeyUpload}) })
}

// restock makes one-time keys when the server has few, and gives it the signed
// and last-resort keys in use when it has others: a server put back to an older
// state.
func (d *device) restock() (*wire.UploadKeys, error) {
	has := d.link.keys
	low := min(prekeyLow, (d.stock+3)/4)
	curve, kem := 0, 0
	if int(has.OneTimeEC) < low {
		curve = d.stock - int(has.OneTimeEC)
	}
	if int(has.OneTimeKEM) < low {
		kem = d.stock - int(has.OneTimeKEM)
	}
	stale := has.SignedPrekeyID != uint32(d.self.signed) || has.LastResortID != uint32(d.self.last)
	if has == (wire.KeyCounts{}) {
		stale = false // nothing is known: this device has just joined
	}
	if curve == 0 && kem == 0 && !stale {
		return nil, nil
	}
	if d.now().Before(d.link.restocked.Add(restockPause)) {
		return nil, nil
	}
	d.link.restocked = d.now()
	m := &wire.UploadKeys{}
	return m, d.update(func(t *txn) error { return t.stock(m, curve, kem, stale) })
}

func (t *txn) stock(m *wire.UploadKeys, curve, kem int, current bool) error {
	for range curve {
		k, err := t.makeCurve()
		if err != nil {
			return err
		}
		m.OneTimeEC = append(m.OneTimeEC, k)
	}
	for range kem {
		k, err := t.makeKEM(prekeyKEM)
		if err != nil {
			return err
		}
		m.OneTimeKEM = append(m.OneTimeKEM, k)
	}
	slices.SortFunc(m.OneTimeEC, func(a, b wire.ECPreKey) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(m.OneTimeKEM, func(a, b wire.KEMPreKey) int { return cmp.Compare(a.ID, b.ID) })
	if current {
		if err := t.current(m); err != nil {
			return err
		}
	}
	return t.putUpload(m)
}

func (t *txn) current(m *wire.UploadKeys) error {
	signed, err := readPrekey(t, prekeySigned, t.d.self.signed)
	if err != nil {
		return err
	}
	last, err := readPrekey(t, prekeyLast, t.d.self.last)
	m.SignedPrekey, m.LastResort = signed.signed(t.d.self.signed), last.kem(t.d.self.last, true)
	return err
}

func (t *txn) putUpload(m *wire.UploadKeys) error {
	return t.Put(vault.KindPrekey, []byte{prekeyUpload}, wire.AppendClient(nil, 1, m))
}

// rotate makes the signed and the last-resort prekey anew and dates the old ones.
func (t *txn) rotate() error {
	d := t.d
	if err := t.retire(prekeySigned, d.self.signed); err != nil {
		return err
	}
	if err := t.retire(prekeyLast, d.self.last); err != nil {
		return err
	}
	signed, err := t.makeSigned()
	if err != nil {
		return err
	}
	last, err := t.makeKEM(prekeyLast)
	if err != nil {
		return err
	}
	d.self.signed, d.self.last = key.PreKeyID(signed.ID), key.PreKeyID(last.ID)
	d.self.rotated = d.now().UnixMilli()
	return t.putSelf()
}

func (t *txn) retire(prefix byte, id key.PreKeyID) error {
	if id == 0 {
		return nil
	}
	p, err := readPrekey(t, prefix, id)
	if err != nil {
		return err
	}
	p.replaced = t.d.ms()
	return t.putPrekey(prefix, id, p)
}

// renew rotates, and puts the new keys into the upload that waits, or a new one.
func (t *txn) renew() error {
	if err := t.rotate(); err != nil {
		return err
	}
	m := &wire.UploadKeys{}
	b, ok, err := lookup(t, vault.KindPrekey, []byte{prekeyUpload})
	if err != nil {
		return err
	}
	if ok {
		_, parsed, err := wire.ParseClient(b)
		if err != nil {
			return err
		}
		m = parsed.(*wire.UploadKeys)
	}
	if err := t.current(m); err != nil {
		return err
	}
	return t.putUpload(m)
}

// forget deletes signed and last-resort prekeys that were replaced long enough
// ago, with the memory of the handshakes that used them.
func (t *txn) forget() error {
	for _, prefix := range []byte{prekeySigned, prekeyLast} {
		for rec, err := range t.Scan(vault.KindPrekey, under([]byte{prefix})) {
			if err != nil {
				return err
			}
			p, err := unpackPrekey(rec.Value)
			if err != nil {
				return err
			}
			if p.replaced == 0 || t.d.ms() < p.replaced+uint64(keepReplaced.Milliseconds()) {
				continue
			}
			if err := t.Delete(vault.KindPrekey, rec.Key); err != nil {
				return err
			}
			if err := t.forgetUses(prefix, rec.Key[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetUses drops the memory of handshakes with a last-resort key that is gone:
// they can no longer be repeated.
func (t *txn) forgetUses(prefix byte, id []byte) error {
	if prefix != prekeyLast {
		return nil
	}
	within := under(keyOf(prekeySeen, id))
	within.KeysOnly = true
	for rec, err := range t.Scan(vault.KindPrekey, within) {
		if err != nil {
			return err
		}
		if err := t.Delete(vault.KindPrekey, rec.Key); err != nil {
			return err
		}
	}
	return nil
}
