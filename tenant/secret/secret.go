// Package secret keeps a tenant's secrets (an identity provider's client
// secret, a webhook's key, the key that turns subjects into accounts) sealed in
// PostgreSQL. Each tenant has data keys of its own; the platform's master key,
// which only the environment holds, wraps them. Who has the database alone can
// read none of it, and who has one tenant's data key can read no other's.
//
// Sealing is AES-256-GCM with random 96-bit nonces; a data key seals well under
// 2^32 times (NIST SP 800-38D section 8.3), for settings change by hand.
package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sottochat/sotto/tenant"
)

const (
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
	// maxSecret is the longest secret in bytes: a PEM private key with room to spare.
	maxSecret = 16384 - nonceSize - tagSize
	// maxName is the longest name of a secret in bytes (migration 0001).
	maxName = 64
)

// What a caller can meet.
var (
	ErrUnknown = errors.New("secret: this tenant has no secret of that name")
	ErrSealed  = errors.New("secret: what is stored does not open with the configured master keys")
	ErrTooLong = errors.New("secret: name or value is too long")
)

// Store reads and writes the secrets of tenants.
type Store struct{ masters Keyring }

// New makes a store under the platform's master keys.
func New(masters Keyring) *Store { return &Store{masters} }

// Put seals a secret under the tenant's newest data key, making the tenant's
// first one when there is none.
func (s *Store) Put(ctx context.Context, tx tenant.Tx, name string, value []byte) error {
	if len(name) > maxName || len(value) > maxSecret {
		return fmt.Errorf("%w: expected at most %d and %d bytes, received %d and %d", ErrTooLong, maxName, maxSecret, len(name), len(value))
	}
	version, key, err := s.dataKey(ctx, tx)
	if err != nil {
		return fmt.Errorf("put secret: %w", err)
	}
	return putSealed(ctx, tx, name, version, seal(key, secretData(tx.Tenant(), name), value))
}

// Get opens a secret, or says ErrUnknown.
func (s *Store) Get(ctx context.Context, tx tenant.Tx, name string) ([]byte, error) {
	sealed, row, err := selectSealed(ctx, tx, name)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("get secret: %w", err)
	}
	key, err := s.unwrap(tx.Tenant(), row)
	if err != nil {
		return nil, err
	}
	return open(key, secretData(tx.Tenant(), name), sealed)
}

// Ensure returns a secret and makes a random one of size bytes when there is
// none. Of several callers at once, all get the same.
func (s *Store) Ensure(ctx context.Context, tx tenant.Tx, name string, size int) ([]byte, error) {
	value, err := s.Get(ctx, tx, name)
	if !errors.Is(err, ErrUnknown) {
		return value, err
	}
	version, key, err := s.dataKey(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("ensure secret: %w", err)
	}
	fresh := make([]byte, size)
	rand.Read(fresh)
	if err := insertSealed(ctx, tx, name, version, seal(key, secretData(tx.Tenant(), name), fresh)); err != nil {
		return nil, fmt.Errorf("ensure secret: %w", err)
	}
	return s.Get(ctx, tx, name)
}

// Delete removes a secret; removing one that is not there is no error.
func (s *Store) Delete(ctx context.Context, tx tenant.Tx, name string) error {
	return deleteSealed(ctx, tx, name)
}

// Rewrap wraps the tenant's data keys under the newest master key and reports
// how many it changed. Once it has run for every tenant the older master keys
// can be taken from the configuration.
func (s *Store) Rewrap(ctx context.Context, tx tenant.Tx) (changed int, err error) {
	rows, err := selectKeys(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("rewrap data keys: %w", err)
	}
	for _, row := range rows {
		if row.master == s.masters.newest().ID {
			continue
		}
		key, err := s.unwrap(tx.Tenant(), row)
		if err != nil {
			return changed, err
		}
		if err := updateKey(ctx, tx, s.wrap(tx.Tenant(), row.version, key)); err != nil {
			return changed, fmt.Errorf("rewrap data keys: %w", err)
		}
		changed++
	}
	return changed, nil
}

// dataKey returns the tenant's newest data key, after making the first one.
func (s *Store) dataKey(ctx context.Context, tx tenant.Tx) (version int, key []byte, err error) {
	row, err := newestKey(ctx, tx)
	if errors.Is(err, tenant.ErrNotFound) {
		fresh := make([]byte, keySize)
		rand.Read(fresh)
		if err := insertKey(ctx, tx, s.wrap(tx.Tenant(), 1, fresh)); err != nil {
			return 0, nil, err
		}
		row, err = newestKey(ctx, tx) // another transaction may have been first
	}
	if err != nil {
		return 0, nil, err
	}
	key, err = s.unwrap(tx.Tenant(), row)
	return row.version, key, err
}

// keyRow is a row of tenant_key.
type keyRow struct {
	version int
	master  string
	wrapped []byte
}

func (s *Store) wrap(id tenant.ID, version int, key []byte) keyRow {
	master := s.masters.newest()
	return keyRow{version, master.ID, seal(master.key[:], keyData(id, version), key)}
}

func (s *Store) unwrap(id tenant.ID, row keyRow) ([]byte, error) {
	master, ok := s.masters.find(row.master)
	if !ok {
		return nil, fmt.Errorf("%w: expected a master key named %q among those configured", ErrSealed, row.master)
	}
	return open(master.key[:], keyData(id, row.version), row.wrapped)
}

// keyData and secretData bind a ciphertext to its place: one that is moved to
// another tenant, version or name does not open.
func keyData(id tenant.ID, version int) []byte {
	return fmt.Appendf(nil, "sotto/tenant-key/v1\x00%s\x00%d", id, version)
}

func secretData(id tenant.ID, name string) []byte {
	return fmt.Appendf(nil, "sotto/tenant-secret/v1\x00%s\x00%s", id, name)
}

// seal returns nonce, ciphertext and tag.
func seal(key, data, plaintext []byte) []byte {
	nonce := make([]byte, nonceSize, nonceSize+len(plaintext)+tagSize)
	rand.Read(nonce)
	return gcm(key).Seal(nonce, nonce, plaintext, data)
}

func open(key, data, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize {
		return nil, ErrSealed
	}
	plaintext, err := gcm(key).Open(nil, sealed[:nonceSize], sealed[nonceSize:], data)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("secret: a data key has 32 bytes")
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("secret: AES-GCM is not available")
	}
	return aead
}
