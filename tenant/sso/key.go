package sso

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// minSecret is the shortest key of HS256, in bytes (RFC 7518 section 3.2).
	minSecret = 32
	maxSecret = 512
	// maxKeyText is the longest pasted key, in bytes: RSA of 8192 bits takes 1500.
	maxKeyText = 8192
	maxKID     = 255
	minRSABits = 2048
	maxRSABits = 8192
	// maxExponent keeps a verification cheap; crypto/rsa has the same bound.
	maxExponent = 1<<31 - 1
)

// Algorithm is a signature algorithm of RFC 7518 or RFC 8037.
type Algorithm string

// The algorithms, of which each key has exactly one.
const (
	EdDSA Algorithm = "EdDSA"
	ES256 Algorithm = "ES256"
	RS256 Algorithm = "RS256"
	HS256 Algorithm = "HS256"
)

// Key verifies the signatures of one algorithm, which the kind of key decides
// and no token can: a public key is never an HMAC secret (RFC 8725 section
// 2.1). It prints nothing.
type Key struct {
	kid       string
	algorithm Algorithm
	material  any // ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey or []byte
}

// ParseKey reads a public key as PEM ("PUBLIC KEY") or as JWK. kid is what
// tokens name it by; empty takes that of the JWK, or any.
func ParseKey(text, kid string) (Key, error) {
	if len(text) > maxKeyText || len(kid) > maxKID {
		return Key{}, fmt.Errorf("%w: expected at most %d bytes and a kid of at most %d", ErrKey, maxKeyText, maxKID)
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return parseJWK([]byte(text), kid)
	}
	return parsePEM([]byte(text), kid)
}

// SecretKey makes a key of HS256 from at least 32 random bytes.
func SecretKey(value []byte, kid string) (Key, error) {
	if len(value) < minSecret || len(value) > maxSecret || len(kid) > maxKID {
		return Key{}, fmt.Errorf("%w: expected a secret of %d to %d bytes, received %d", ErrKey, minSecret, maxSecret, len(value))
	}
	if looksPublic(value) {
		return Key{}, fmt.Errorf("%w: expected a random secret, received a public key", ErrKey)
	}
	return Key{kid, HS256, bytes.Clone(value)}, nil
}

// looksPublic catches the host that pastes its public key where the secret
// goes: whoever knows that key could then sign.
func looksPublic(value []byte) bool {
	var jwk map[string]json.RawMessage
	if bytes.Contains(value, []byte("-----BEGIN")) || json.Unmarshal(value, &jwk) == nil {
		return true
	}
	_, err := x509.ParsePKIXPublicKey(value)
	return err == nil
}

func parsePEM(text []byte, kid string) (Key, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return Key{}, fmt.Errorf("%w: expected one public key as PEM or JWK", ErrKey)
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return Key{}, fmt.Errorf("%w: expected the public key, received a private one, which is to be replaced now", ErrKey)
	}
	if block.Type != "PUBLIC KEY" {
		return Key{}, fmt.Errorf("%w: expected a PEM block named PUBLIC KEY", ErrKey)
	}
	return parseDER(block.Bytes, kid)
}

func parseDER(der []byte, kid string) (Key, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("%w: expected a public key of PKIX (RFC 5280 section 4.1)", ErrKey)
	}
	return newKey(public, kid)
}

func parseJWK(text []byte, kid string) (Key, error) {
	var jwk jose.JSONWebKey
	var more struct {
		Operations []string `json:"key_ops"`
	}
	if json.Unmarshal(text, &jwk) != nil || json.Unmarshal(text, &more) != nil {
		return Key{}, fmt.Errorf("%w: expected a public JWK of RFC 7517", ErrKey)
	}
	if more.Operations != nil && !slices.Contains(more.Operations, "verify") {
		return Key{}, fmt.Errorf("%w: expected verify among the JWK's key_ops", ErrKey)
	}
	if _, symmetric := jwk.Key.([]byte); !symmetric && !jwk.IsPublic() {
		return Key{}, fmt.Errorf("%w: expected the public key, received a private one, which is to be replaced now", ErrKey)
	}
	if kid == "" {
		kid = jwk.KeyID
	}
	key, err := newKey(jwk.Key, kid)
	if err != nil {
		return Key{}, err
	}
	if jwk.Algorithm != "" && jwk.Algorithm != string(key.algorithm) || jwk.Use != "" && jwk.Use != "sig" {
		return Key{}, fmt.Errorf("%w: expected use sig and the algorithm %s, which this kind of key has", ErrKey, key.algorithm)
	}
	return key, nil
}

// newKey pins the algorithm.
func newKey(public any, kid string) (Key, error) {
	if len(kid) > maxKID {
		return Key{}, fmt.Errorf("%w: expected a kid of at most %d bytes", ErrKey, maxKID)
	}
	switch k := public.(type) {
	case ed25519.PublicKey:
		return Key{kid, EdDSA, k}, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return Key{kid, ES256, k}, nil
		}
	case *rsa.PublicKey:
		if soundRSA(k) {
			return Key{kid, RS256, k}, nil
		}
	}
	return Key{}, fmt.Errorf("%w: expected Ed25519, P-256, or RSA of %d to %d bits", ErrKey, minRSABits, maxRSABits)
}

func soundRSA(k *rsa.PublicKey) bool {
	n := k.N.BitLen()
	return n >= minRSABits && n <= maxRSABits && k.E >= 3 && k.E <= maxExponent && k.E%2 == 1 && !roca(k)
}

// roca reports whether a modulus has the structure of those that a widespread
// chip made and that can be factored (CVE-2017-15361): modulo each of these
// primes it is a power of 65537. One sound key in some hundred million looks
// like that too.
func roca(k *rsa.PublicKey) bool {
	for _, prime := range []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		rest := new(big.Int).Mod(k.N, big.NewInt(prime)).Int64()
		power := int64(1)
		for range prime {
			if power == rest {
				break
			}
			power = power * 65537 % prime
		}
		if power != rest {
			return false
		}
	}
	return true
}

// KID is what tokens name the key by; empty means any.
func (k Key) KID() string { return k.kid }

// Algorithm is the only one that the key verifies.
func (k Key) Algorithm() Algorithm { return k.algorithm }

// Format prints nothing of the key.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "(key of "+string(k.algorithm)+")") }

// der is the public key as it is stored, nil for a secret.
func (k Key) der() ([]byte, error) {
	if k.algorithm == HS256 {
		return nil, nil
	}
	return x509.MarshalPKIXPublicKey(k.material)
}

// parseKeySet reads a JWK set and returns what can verify; keys of other kinds or
// uses are passed over. A set of more than 100 keys is refused.
func parseKeySet(body []byte) ([]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("%w: expected a JWK set", ErrKey)
	}
	if len(set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("%w: expected a set of at most %d keys, received %d", ErrKey, maxSetKeys, len(set.Keys))
	}
	var keys []Key
	for _, raw := range set.Keys {
		if key, err := parseJWK(raw, ""); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: expected a set with a key of Ed25519, P-256 or RSA, received %d keys, none usable", ErrKey, len(set.Keys))
	}
	return keys, nil
}

// formatKeySet writes what parseKeySet returned.
func formatKeySet(keys []Key) ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.material, KeyID: k.kid, Algorithm: string(k.algorithm), Use: "sig"})
	}
	return json.Marshal(set)
}
