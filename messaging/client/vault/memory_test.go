package vault_test

import (
	"context"
	"testing"

	"github.com/sottochat/sotto/messaging/client/vault"
	"github.com/sottochat/sotto/messaging/client/vault/vaulttest"
)

type memoryStore struct{ memory *vault.Memory }

func (s memoryStore) Open(context.Context) (vault.Vault, error) { return s.memory.Open(), nil }

func TestMemory(t *testing.T) {
	t.Parallel()
	vaulttest.Run(t, func(t *testing.T) vaulttest.Store { return memoryStore{new(vault.Memory)} })
}
