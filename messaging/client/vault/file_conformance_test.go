//go:build !js

package vault_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/client/vault/vaulttest"
)

type fileStore struct{ path string }

func (s fileStore) open(ctx context.Context, key byte) (vault.Vault, error) {
	sealer := vault.RawKey([32]byte{key})
	v, err := vault.Open(ctx, s.path, sealer)
	if errors.Is(err, fs.ErrNotExist) {
		v, err = vault.Create(ctx, s.path, sealer)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (s fileStore) Open(ctx context.Context) (vault.Vault, error)      { return s.open(ctx, 1) }
func (s fileStore) OpenWrong(ctx context.Context) (vault.Vault, error) { return s.open(ctx, 2) }
func (s fileStore) Load() ([]byte, error)                              { return os.ReadFile(s.path) }
func (s fileStore) Save(b []byte) error                                { return os.WriteFile(s.path, b, 0o600) }

func TestFile(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(t *testing.T) vaulttest.Store {
		return fileStore{filepath.Join(t.TempDir(), "vault")}
	})
}
