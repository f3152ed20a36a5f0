package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrKeyring reports master keys that do not parse.
var ErrKeyring = errors.New("master keys")

// Keyring is the platform's master keys, newest first. It prints nothing.
type Keyring struct{ keys []master }

type master struct {
	ID  string
	key [keySize]byte
}

// ParseKeyring reads "name:key" pairs separated by commas, newest first; a key
// is 32 bytes in base64 (standard or URL alphabet, with or without padding).
// Example: "2026-11:4CqY…=,2025-02:0dLk…=". Errors name the pair, never the key.
func ParseKeyring(text string) (Keyring, error) {
	var ring Keyring
	for i, pair := range strings.Split(text, ",") {
		name, encoded, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok || len(name) == 0 || len(name) > 32 {
			return Keyring{}, fmt.Errorf("%w: expected \"name:key\" with a name of 1 to 32 characters as pair %d", ErrKeyring, i+1)
		}
		raw, err := decodeKey(encoded)
		if err != nil || len(raw) != keySize {
			return Keyring{}, fmt.Errorf("%w: expected 32 bytes in base64 for %q, received %d characters that are not", ErrKeyring, name, len(encoded))
		}
		if _, twice := ring.find(name); twice {
			return Keyring{}, fmt.Errorf("%w: expected different names, received %q twice", ErrKeyring, name)
		}
		ring.keys = append(ring.keys, master{name, [keySize]byte(raw)})
	}
	return ring, nil
}

func decodeKey(text string) ([]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	return base64.RawStdEncoding.Strict().DecodeString(text)
}

func (r Keyring) newest() master { return r.keys[0] }

func (r Keyring) find(name string) (master, bool) {
	for _, m := range r.keys {
		if m.ID == name {
			return m, true
		}
	}
	return master{}, false
}

// Format prints how many keys there are and nothing of them.
func (r Keyring) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "(%d master keys)", len(r.keys)) }

// Format prints nothing of the keys.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, "(secret store)") }
