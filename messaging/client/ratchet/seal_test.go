package ratchet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// Wycheproof's vectors go through our own padding and unpadding: what is valid
// there is valid here, and every bad padding is the one error.
func TestWycheproofPadding(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/aes_cbc_pkcs5.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			TCID                              int
			Comment, Key, IV, Msg, CT, Result string
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	verdicts := map[string]int{}
	for _, v := range file.Tests {
		verdicts[v.Result]++
		var k messageKeys
		copy(k.cipher[:], unhex(v.Key))
		copy(k.iv[:], unhex(v.IV))
		got, err := k.decrypt(unhex(v.CT))
		switch v.Result {
		case "valid":
			if err != nil || !bytes.Equal(got, unhex(v.Msg)) || !bytes.Equal(k.encrypt(unhex(v.Msg)), unhex(v.CT)) {
				t.Errorf("%d (%s): %v", v.TCID, v.Comment, err)
			}
		default:
			if !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, ErrMAC) || got != nil {
				t.Errorf("%d (%s): received %x, %v", v.TCID, v.Comment, got, err)
			}
		}
	}
	if verdicts["valid"] == 0 || verdicts["invalid"] == 0 {
		t.Errorf("verdicts: %v", verdicts)
	}
}
