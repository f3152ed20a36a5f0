package shortmac_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/sottochat/sotto/messaging/client/internal/shortmac"
)

func TestAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{1})
	for n := range shortmac.MaxMessage + 1 {
		var key [shortmac.KeySize]byte
		message := make([]byte, n)
		random.Read(key[:])
		random.Read(message)
		h := hmac.New(sha256.New, key[:])
		h.Write(message)
		if got := shortmac.Sum(&key, message); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%d bytes: received %x", n, got)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	var key [shortmac.KeySize]byte
	message := make([]byte, 40)
	if n := testing.AllocsPerRun(100, func() { key = shortmac.Sum(&key, message) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestRefusesLongMessages(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Fatal("a message that does not fit was cut off")
		}
	}()
	shortmac.Sum(new([shortmac.KeySize]byte), make([]byte, shortmac.MaxMessage+1))
}
