package sso

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxToken is the longest token in bytes: ours need under a thousand, an
// identity provider's with groups and pictures a few.
const maxToken = 16384

// tokenAlphabet is that of base64url (RFC 4648 section 5) and the dot.
const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// fault is why a word was refused: the claim or header that failed and the
// reason, for the tenant's console alone. To everybody else it is ErrRefused.
type fault struct{ claim, reason string }

func (f *fault) Error() string { return ErrRefused.Error() }
func (f *fault) Unwrap() error { return ErrRefused }

func refuse(claim, reason string, args ...any) error {
	return &fault{claim, fmt.Sprintf(reason, args...)}
}

// header is all of a JOSE header (RFC 7515 section 4.1) that counts here.
type header struct {
	Algorithm string `json:"alg"`
	KID       string `json:"kid"`
	Type      string `json:"typ"`
}

// carriers are headers by which a token would bring its own key, or change what
// is signed. None is honoured, and none is ignored either: whoever sends one
// expects that it has an effect.
var carriers = []string{"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"}

// parseHeader judges the header before any key is looked for. The JSON reader
// is go-jose's: it tells upper from lower case and refuses a name twice.
func parseHeader(token string) (h header, err error) {
	if len(token) > maxToken {
		return h, refuse("token", "expected at most %d bytes, received %d", maxToken, len(token))
	}
	// encoding/base64 passes over line breaks, so that one token had many forms.
	if strings.ContainsFunc(token, func(r rune) bool { return !strings.ContainsRune(tokenAlphabet, r) }) {
		return h, refuse("token", "expected letters, digits, hyphen, underscore and dot")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return h, refuse("token", "expected three parts with dots between them, received %d", len(parts))
	}
	raw, err := strictParts(parts)
	if err != nil {
		return h, err
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil || json.Unmarshal(raw, &h) != nil {
		return h, refuse("token", "the header is not a JSON object with texts as alg, kid and typ")
	}
	for _, name := range carriers {
		if _, ok := all[name]; ok {
			return h, refuse(name, "this header is not accepted")
		}
	}
	return h, h.check()
}

// strictParts returns the header's bytes. A part with loose bits at its end
// would be a second form of the same token.
func strictParts(parts []string) ([]byte, error) {
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, refuse("token", "a part is not base64url without padding")
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !utf8.Valid(raw) {
		return nil, refuse("token", "the header is not UTF-8")
	}
	return raw, nil
}

func (h header) check() error {
	switch Algorithm(h.Algorithm) {
	case EdDSA, ES256, RS256, HS256:
	default:
		return refuse("alg", "expected EdDSA, ES256, RS256 or HS256")
	}
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return refuse("typ", "expected JWT or no typ")
	}
	if len(h.KID) > maxKID {
		return refuse("kid", "expected at most %d bytes", maxKID)
	}
	return nil
}

// match finds the keys that may have signed: those of the token's algorithm,
// with its kid, or with none on either side. named tells a wrong algorithm from
// an unknown kid.
func (h header) match(keys []Key) (fit []Key, named bool) {
	for _, k := range keys {
		if h.KID != "" && k.kid != "" && k.kid != h.KID {
			continue
		}
		named = true
		if string(k.algorithm) == h.Algorithm {
			fit = append(fit, k)
		}
	}
	return fit, named
}

// verify returns the payload that one of the keys signed.
func verify(token string, h header, keys []Key) ([]byte, error) {
	fit, named := h.match(keys)
	switch {
	case !named:
		return nil, refuse("kid", "no key of this setting has the token's kid")
	case len(fit) == 0:
		return nil, refuse("alg", "the key is not one of the token's algorithm")
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(h.Algorithm)})
	if err != nil {
		return nil, refuse("token", "not a signed JWT in compact form")
	}
	for _, k := range fit {
		if payload, err := jws.Verify(k.material); err == nil {
			return payload, nil
		}
	}
	return nil, refuse("signature", "it does not verify with the key")
}

// peek reads one text claim without any trust in it: it chooses the setting by
// which the token is then verified.
func peek(token, claim string) string {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims map[string]json.RawMessage
	var text string
	if json.Unmarshal(raw, &claims) != nil || json.Unmarshal(claims[claim], &text) != nil {
		return ""
	}
	return text
}

// Verify returns the payload of a signed token in compact form (RFC 7515), under
// this package's rules for headers and with each key used for its own algorithm
// only. A refusal is ErrRefused.
func Verify(token string, keys ...Key) ([]byte, error) {
	h, err := parseHeader(token)
	if err != nil {
		return nil, err
	}
	return verify(token, h, keys)
}
