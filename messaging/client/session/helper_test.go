package session_test

import (
	"testing"

	"github.com/sottochat/sotto/messaging/client/session"
	"github.com/sottochat/sotto/messaging/key"
)

// must returns a value that a test cannot do without.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func encode(t testing.TB, r *session.Record) []byte {
	t.Helper()
	return must(r.AppendBinary(nil))(t)
}

// prekeys is a vault's prekeys in memory.
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

func (k *prekeys) SignedPreKey(id key.PreKeyID) (*key.SignedPreKeyPrivate, error) {
	if p := k.signed[id]; p != nil {
		return p, nil
	}
	return nil, session.ErrNoPreKey
}

func (k *prekeys) OneTimePreKey(id key.PreKeyID) (*key.OneTimePreKeyPrivate, error) {
	if p := k.oneTime[id]; p != nil {
		return p, nil
	}
	return nil, session.ErrNoPreKey
}

func (k *prekeys) KEMPreKey(id key.PreKeyID) (*key.KEMPrivate, bool, error) {
	if p := k.kem[id]; p != nil {
		return p, k.lastResort[id], nil
	}
	return nil, false, session.ErrNoPreKey
}

func (k *prekeys) Seen(use session.LastResortUse) (bool, error) { return k.seen[use], nil }

// apply does to the prekeys what a caller does after a decrypt.
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
