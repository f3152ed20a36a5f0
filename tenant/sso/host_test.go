package sso_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// clock is moved by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// site is a tenant with its host: the service, a clock, and a server that
// publishes what the test puts there.
type site struct {
	*sso.Service
	*clock
	id  tenant.ID
	db  *tenant.DB
	web *published
}

// published is a TLS server on loopback that counts what is read from it.
type published struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	reads   atomic.Int32
}

func (p *published) set(path string, answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[path] = answer
}

func (p *published) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.reads.Add(1)
	p.mu.Lock()
	answer := p.answers[r.URL.Path]
	p.mu.Unlock()
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

func newSite(t *testing.T) *site {
	t.Helper()
	web := &published{answers: map[string]http.HandlerFunc{}}
	web.Server = httptest.NewTLSServer(web)
	t.Cleanup(web.Close)
	return siteAt(t, database.Tenant(t), web, &clock{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)})
}

// siteAt is another node of the same platform where tenant, server and clock
// are another site's.
func siteAt(t *testing.T, id tenant.ID, web *published, c *clock) *site {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	out, err := egress.New(egress.Config{Allow: []string{web.Listener.Addr().String()}, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.HTTP().CloseIdleConnections)
	ring, err := secret.ParseKeyring("one:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	db := database.Open(t)
	return &site{sso.New(sso.Config{DB: db, Secrets: secret.New(ring), Egress: out, Now: c.now}), c, id, db, web}
}

// hostKey signs as a host does.
type hostKey struct {
	kid       string
	algorithm jose.SignatureAlgorithm
	private   any // crypto.Signer or []byte
}

var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.RS256, jose.HS256}

func newHostKey(t *testing.T, algorithm jose.SignatureAlgorithm, kid string) hostKey {
	t.Helper()
	k := hostKey{kid: kid, algorithm: algorithm}
	var err error
	switch algorithm {
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		k.private = rsaKey()
	case jose.HS256:
		value := make([]byte, 32)
		rand.Read(value)
		k.private = value
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rsaKey is made once: it takes as long as all else together.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func (k hostKey) public() any {
	if signer, ok := k.private.(crypto.Signer); ok {
		return signer.Public()
	}
	return nil
}

func (k hostKey) der(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (k hostKey) pem(t *testing.T) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der(t)}))
}

func (k hostKey) jwk(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: k.public(), KeyID: k.kid})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// key is what the host gives the tenant's console.
func (k hostKey) key(t *testing.T) sso.Key {
	t.Helper()
	if value, ok := k.private.([]byte); ok {
		key, err := sso.SecretKey(value, k.kid)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := sso.ParseKey(k.pem(t), k.kid)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a token of claims and of headers besides alg and kid.
func (k hostKey) sign(t *testing.T, claims map[string]any, extra map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return k.signRaw(t, payload, extra)
}

func (k hostKey) signRaw(t *testing.T, payload []byte, extra map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if k.kid != "" {
		options.WithHeader("kid", k.kid)
	}
	for name, value := range extra {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// handOff configures and activates a hand-off as a tenant does: with a test
// login by the host's first key.
func (s *site) handOff(t *testing.T, keys ...hostKey) sso.Setting {
	t.Helper()
	h := sso.HandOff{Issuer: "https://host.example", LoginURL: "https://host.example/chat?from=app"}
	for _, k := range keys {
		h.Keys = append(h.Keys, k.key(t))
	}
	return s.activate(t, h, keys[0])
}

func (s *site) activate(t *testing.T, h sso.HandOff, by hostKey) sso.Setting {
	t.Helper()
	set, err := s.ConfigureHandOff(t.Context(), s.id, h)
	if err != nil {
		t.Fatal(err)
	}
	visit := s.begin(t, sso.BeginRequest{Test: true})
	arrival, err := s.HandOff(t.Context(), s.id, by.sign(t, s.claims(visit), nil))
	if err != nil || !arrival.Test || arrival.Ticket != (sso.Secret{}) {
		t.Fatalf("test login: %v, %v", arrival, err)
	}
	if err := s.Activate(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	return set
}

func (s *site) begin(t *testing.T, req sso.BeginRequest) sso.Visit {
	t.Helper()
	visit, err := s.Begin(t.Context(), s.id, req)
	if err != nil {
		t.Fatal(err)
	}
	return visit
}

// claims are good ones for a visit.
func (s *site) claims(visit sso.Visit) map[string]any {
	at := s.now().Unix()
	return map[string]any{"iss": "https://host.example", "sub": "member-1", "aud": s.id.String(), "iat": at, "exp": at + 60,
		"jti": rand.Text(), "nonce": visit.Nonce}
}

// with returns claims with one of them changed; nil removes it.
func with(claims map[string]any, name string, value any) map[string]any {
	claims = maps.Clone(claims)
	claims[name] = value
	if value == nil {
		delete(claims, name)
	}
	return claims
}

// refused expects that a token is not accepted, that the caller learns nothing
// more, and that the console shows the claim.
func (s *site) refused(t *testing.T, set sso.Setting, what, token, claim string) {
	t.Helper()
	arrival, err := s.HandOff(t.Context(), s.id, token)
	if !errors.Is(err, sso.ErrRefused) || err.Error() != "hand-off: "+sso.ErrRefused.Error() {
		t.Errorf("%s: %v, %v", what, arrival, err)
	}
	s.shows(t, set, what, claim)
}

func (s *site) shows(t *testing.T, set sso.Setting, what, claim string) {
	t.Helper()
	list, err := s.Attempts(t.Context(), s.id, set.ID)
	if err != nil || len(list) == 0 || list[0].Claim != claim {
		t.Errorf("%s: expected the claim %q in the console, found %+v, %v", what, claim, list[:min(len(list), 1)], err)
	}
}

func nonceOf(t *testing.T, loginURL string) string {
	t.Helper()
	u, err := url.Parse(loginURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("nonce")
}
