package sso_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/sso"
)

func TestNoSetting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.Begin(t.Context(), s.id, sso.BeginRequest{}); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("begin: %v", err)
	}
	if _, err := s.HandOff(t.Context(), s.id, "a.b.c"); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("hand-off: %v", err)
	}
	if err := s.Activate(t.Context(), s.id); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("activate: %v", err)
	}
	if current, next, err := s.Settings(t.Context(), s.id); current != nil || next != nil || err != nil {
		t.Errorf("settings: %v, %v, %v", current, next, err)
	}
}

// A setting signs in nobody before a test login went through, and the live one
// goes on meanwhile.
func TestDraftIsTestedBeforeItIsLive(t *testing.T) {
	t.Parallel()
	s, old, fresh := newSite(t), newHostKey(t, jose.EdDSA, ""), newHostKey(t, jose.ES256, "")
	first := s.handOff(t, old)
	next, err := s.ConfigureHandOff(t.Context(), s.id, sso.HandOff{Issuer: "https://host.example", LoginURL: "https://new.example/", Keys: []sso.Key{fresh.key(t)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(t.Context(), s.id); !errors.Is(err, sso.ErrUntested) {
		t.Errorf("untested: %v", err)
	}
	visit, test := s.begin(t, sso.BeginRequest{}), s.begin(t, sso.BeginRequest{Test: true})
	s.refused(t, first, "the draft's key for a visit of the live setting", fresh.sign(t, s.claims(visit), nil), "alg")
	s.refused(t, next, "the live key for a test", old.sign(t, s.claims(test), nil), "alg")
	if err := s.Activate(t.Context(), s.id); !errors.Is(err, sso.ErrUntested) {
		t.Errorf("after a failed test: %v", err)
	}
	token := fresh.sign(t, s.claims(test), nil)
	arrival, err := s.HandOff(t.Context(), s.id, token)
	if err != nil || !arrival.Test {
		t.Fatalf("test login: %v, %v", arrival, err)
	}
	if _, err := s.Redeem(t.Context(), s.id, test.Secret, arrival.Ticket); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("a test login was redeemed: %v", err)
	}
	if err := s.Activate(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	current, none, err := s.Settings(t.Context(), s.id)
	if err != nil || none != nil || current.ID != next.ID || current.LiveAt.IsZero() || len(current.Keys) != 1 || current.Keys[0].Algorithm != sso.ES256 {
		t.Errorf("settings: %+v, %+v, %v", current, none, err)
	}
	s.refused(t, next, "a visit of the older setting", old.sign(t, s.claims(visit), nil), "alg")
	s.refused(t, next, "a visit of the older setting", fresh.sign(t, s.claims(visit), nil), "nonce")
	if err := s.Disable(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	samples := database.Samples(t)
	for _, table := range samples.Tables() {
		if strings.HasPrefix(table, "sso_") && table != "sso_used" {
			if rows, _ := samples.Count(t, table, s.id); rows != 0 {
				t.Errorf("%s keeps %d rows of settings that are gone", table, rows)
			}
		}
	}
}

// What was proven under a setting dies with it.
func TestProvenVisitDiesWithItsSetting(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Disable(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("got %v", err)
	}
}

// Secrets of settings that are replaced do not pile up.
func TestSecretsGoWithTheirSetting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	samples := database.Samples(t)
	for range 3 {
		s.handOff(t, newHostKey(t, jose.HS256, "a"), newHostKey(t, jose.HS256, "b"))
	}
	// Two keys and the tenant's own secret of this package.
	if rows, _ := samples.Count(t, "tenant_secret", s.id); rows != 3 {
		t.Errorf("%d secrets, want 3", rows)
	}
}

func TestHandOffSettingIsChecked(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "").key(t)
	good := sso.HandOff{Issuer: "i", LoginURL: "https://host.example/", Keys: []sso.Key{k}}
	if _, err := s.ConfigureHandOff(t.Context(), s.id, good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*sso.HandOff){
		"no issuer":      func(h *sso.HandOff) { h.Issuer = "" },
		"long issuer":    func(h *sso.HandOff) { h.Issuer = strings.Repeat("x", 513) },
		"control":        func(h *sso.HandOff) { h.Issuer = "a\nb" },
		"long audience":  func(h *sso.HandOff) { h.Audience = strings.Repeat("x", 256) },
		"no login URL":   func(h *sso.HandOff) { h.LoginURL = "" },
		"http":           func(h *sso.HandOff) { h.LoginURL = "http://host.example/" },
		"script":         func(h *sso.HandOff) { h.LoginURL = "javascript:alert(1)" },
		"user":           func(h *sso.HandOff) { h.LoginURL = "https://a:b@host.example/" },
		"fragment":       func(h *sso.HandOff) { h.LoginURL = "https://host.example/#a" },
		"long login URL": func(h *sso.HandOff) { h.LoginURL = "https://host.example/" + strings.Repeat("x", 1024) },
		"private":        func(h *sso.HandOff) { h.LoginURL = "https://10.0.0.1/" },
		"no key":         func(h *sso.HandOff) { h.Keys = nil },
		"key and URL":    func(h *sso.HandOff) { h.JWKSURL = s.web.URL + "/keys" },
		"three keys":     func(h *sso.HandOff) { h.Keys = []sso.Key{k, k, k} },
		"private JWKS":   func(h *sso.HandOff) { h.Keys, h.JWKSURL = nil, "https://169.254.169.254/keys" },
		"loopback JWKS":  func(h *sso.HandOff) { h.Keys, h.JWKSURL = nil, "https://localhost:1/keys" },
		"unread JWKS":    func(h *sso.HandOff) { h.Keys, h.JWKSURL = nil, s.web.URL+"/nothing" },
	} {
		h := good
		change(&h)
		if _, err := s.ConfigureHandOff(t.Context(), s.id, h); !errors.Is(err, sso.ErrSetting) {
			t.Errorf("%s: %v", what, err)
		}
	}
	two := good
	two.Keys = []sso.Key{k, newHostKey(t, jose.ES256, "").key(t)}
	if _, err := s.ConfigureHandOff(t.Context(), s.id, two); !errors.Is(err, sso.ErrKey) {
		t.Errorf("two keys that no kid tells apart: %v", err)
	}
	if _, next, err := s.Settings(t.Context(), s.id); err != nil || next.Issuer != "i" {
		t.Errorf("a refused setting replaced the draft: %+v, %v", next, err)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms[:3] {
		k := newHostKey(t, algorithm, "named")
		for what, text := range map[string]string{"PEM": k.pem(t), "JWK": k.jwk(t), "CRLF": strings.ReplaceAll(k.pem(t), "\n", "\r\n"), "space": " \n" + k.pem(t) + "\n "} {
			key, err := sso.ParseKey(text, "")
			if err != nil || key.Algorithm() != sso.Algorithm(algorithm) || (key.KID() == "named") != (what == "JWK") {
				t.Errorf("%s as %s: %v %q, %v", algorithm, what, key, key.KID(), err)
			}
		}
	}
	private, _ := x509.MarshalPKCS8PrivateKey(newHostKey(t, jose.EdDSA, "").private)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	bad := map[string]string{
		"nothing": "", "text": "secret", "a private PEM": block("PRIVATE KEY", private), "a certificate": block("CERTIFICATE", []byte("x")),
		"two keys": newHostKey(t, jose.EdDSA, "").pem(t) + newHostKey(t, jose.ES256, "").pem(t), "broken": block("PUBLIC KEY", []byte("x")),
		"P-384": public(p384.Public()), "RSA 1024": public(small.Public()), "long": strings.Repeat("x", 8193), "JWK of nothing": "{}",
		"a private JWK": private1(t), "a secret JWK": `{"kty":"oct","k":"` + strings.Repeat("A", 43) + `"}`,
		"for encryption": strings.Replace(newHostKey(t, jose.ES256, "").jwk(t), `{`, `{"use":"enc",`, 1),
		"other alg":      strings.Replace(newHostKey(t, jose.RS256, "").jwk(t), `{`, `{"alg":"PS256",`, 1),
		"off the curve":  `{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`,
		"exponent 1":     exponent(t, 1), "even exponent": exponent(t, 65536), "huge RSA": huge(t),
	}
	for what, text := range bad {
		if key, err := sso.ParseKey(text, ""); !errors.Is(err, sso.ErrKey) {
			t.Errorf("%s: %v, %v", what, key, err)
		}
	}
	if _, err := sso.ParseKey(newHostKey(t, jose.EdDSA, "").pem(t), strings.Repeat("k", 256)); !errors.Is(err, sso.ErrKey) {
		t.Errorf("long kid: %v", err)
	}
}

func block(name string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
}

func public(key any) string {
	der, _ := x509.MarshalPKIXPublicKey(key)
	return block("PUBLIC KEY", der)
}

func private1(t *testing.T) string {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	raw, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func exponent(t *testing.T, e int) string {
	key := *rsaKey().Public().(*rsa.PublicKey)
	key.E = e
	raw, err := json.Marshal(jose.JSONWebKey{Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// huge is a modulus of 8200 bits.
func huge(t *testing.T) string {
	return `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 1366) + `w"}`
}

// SSO-23: an HMAC secret below 32 bytes, or one that everybody knows, is refused
// where it is configured.
func TestSecretKey(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{0: false, 31: false, 32: true, 512: true, 513: false} {
		if _, err := sso.SecretKey(make([]byte, size), ""); (err == nil) != ok || err != nil && !errors.Is(err, sso.ErrKey) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := sso.SecretKey([]byte("{random bytes may begin like this"), ""); err != nil {
		t.Error(err)
	}
	k := newHostKey(t, jose.EdDSA, "")
	for what, value := range map[string][]byte{"PEM": []byte(k.pem(t)), "JWK": []byte(k.jwk(t)), "DER": k.der(t)} {
		if _, err := sso.SecretKey(value, ""); !errors.Is(err, sso.ErrKey) {
			t.Errorf("a public key as %s: %v", what, err)
		}
	}
	key, _ := sso.SecretKey([]byte(strings.Repeat("s3cret", 10)), "")
	if text := fmt.Sprintf("%v %+v %#v", key, key, key); strings.Contains(text, "s3cret") {
		t.Errorf("printing shows the secret: %s", text)
	}
}

func FuzzParseKey(f *testing.F) {
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	f.Add(public(private.Public()))
	f.Add(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`)
	f.Add(`{"kty":"RSA","e":"AQAB","n":"AQAB"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := sso.ParseKey(text, ""); err != nil && !errors.Is(err, sso.ErrKey) {
			t.Error(err)
		}
	})
}

// SSO-22.
func TestSafeReturn(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"/", "/i/abc", "/i/abc?x=1&y=%20", "/a/b/", "/?next=/x", "/a.b", "/.well-known/x", "/" + strings.Repeat("a", 1023)} {
		if got := sso.SafeReturn(good); got != good {
			t.Errorf("%q became %q", good, got)
		}
	}
	for _, bad := range []string{
		"", "x", "//x", "///x", "/\\x", "\\\\x", "\\/x", "/%09/x", "/\t/x", "\t//x", " //x", "/%0d%0aLocation:x", "/\r\nSet-Cookie:x", "/\n", "https:x", "https://x",
		"HTTPS://x", "javascript:alert(1)", "java\nscript:x", "data:text/html,x", "//user@x", "https://chat.example.com@x", "/\u3002x", "//\u3002x", "/\uff0fx", "/\u2044/x",
		"/%2fx", "/%2Fx", "/%5cx", "/%5C%5Cx", "/a//x", "/a/%2f/x", "/../x", "/..//x", "/%2e%2e//x", "/a/..//x", "/./x", "/.//x", "/x#y", "/x#//y", "/%00", "/%zz", "/x\x00",
		"/x\x7f", "/\u202ex", "//x:80", ":80", "?x", "#x", "/%C0%AFx", "/" + strings.Repeat("a", 1024), "http:/x", "/;//x", "//%0a/x", "/%20/ x",
	} {
		if got := sso.SafeReturn(bad); got != "/" {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestVisitKeepsOnlySafeReturns(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{Return: "//evil.example"})
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil {
		t.Fatal(err)
	}
	if who, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); err != nil || who.Return != "/" {
		t.Errorf("%q, %v", who.Return, err)
	}
}

func TestSecretText(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	secret := s.begin(t, sso.BeginRequest{}).Secret
	text := secret.Reveal()
	if again, err := sso.ParseSecret(text); again != secret || err != nil {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", text[1:], text + "A", text[:42] + "\n", strings.Repeat("=", 43)} {
		if _, err := sso.ParseSecret(bad); !errors.Is(err, sso.ErrVisit) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := json.Marshal(secret); err == nil {
		t.Error("a secret went into JSON")
	}
}

func TestSettingsOfAnotherTenant(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	other := database.Tenant(t)
	if current, _, err := s.Settings(t.Context(), other); current != nil || err != nil {
		t.Errorf("%v, %v", current, err)
	}
	visit := s.begin(t, sso.BeginRequest{})
	if _, err := s.HandOff(t.Context(), other, k.sign(t, s.claims(visit), nil)); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("hand-off at a tenant without a setting: %v", err)
	}
	if err := s.RemoveKey(t.Context(), other, set.ID, 1); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("remove key: %v", err)
	}
	var _ tenant.ID = other
}
