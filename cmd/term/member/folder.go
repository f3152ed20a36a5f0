package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sottochat/sotto/messaging/client/native"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// Unlock gives the Sealer of a vault: of one that is being made, or of one that
// is there.
type Unlock func(fresh bool) (vault.Sealer, error)

const (
	vaultFile   = "vault"
	loginRecord = "term.login" // KindSetting: login
)

// login is the session with the server: origin and bearer secret. It is kept in
// the vault and nowhere else.
type login struct {
	Origin string `json:"origin"`
	Token  string `json:"token"`
}

// openVault opens the vault of a folder, or makes both. Only the owner of the
// folder can enter it.
func openVault(ctx context.Context, dir string, unlock Unlock) (*vault.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	path := filepath.Join(dir, vaultFile)
	_, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return nil, fmt.Errorf("look for the vault: %w", err)
	}
	sealer, err := unlock(fresh)
	if err != nil {
		return nil, err
	}
	if fresh {
		return vault.Create(ctx, path, sealer)
	}
	return vault.Open(ctx, path, sealer)
}

// readLogin returns the zero login where there is none.
func readLogin(ctx context.Context, v vault.Vault) (l login, err error) {
	err = v.View(ctx, func(r vault.Reader) error {
		b, err := r.Get(vault.KindSetting, []byte(loginRecord))
		if errors.Is(err, vault.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &l)
	})
	return l, err
}

func writeLogin(ctx context.Context, v vault.Vault, l login) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return vault.Update(ctx, v, func(tx *vault.Tx) error {
		return tx.Put(vault.KindSetting, []byte(loginRecord), b)
	})
}

func (l login) site() *native.Site { return native.NewSite(l.Origin, native.NewToken(l.Token)) }
