package sso_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant/sso"
)

const origin = "https://chat.example.com"

// provider is an OpenID Connect provider that a test can make misbehave; how
// ours fares with a provider that others wrote is testdata/interop's matter.
type provider struct {
	*site
	key    hostKey
	issuer string
	secret string

	mu    sync.Mutex
	codes map[string]url.Values // by code: the authorization request
	// change alters the claims of the next ID tokens; sign, who signs them.
	change func(claims map[string]any)
	sign   func(claims map[string]any) string
	asked  int
}

func newProvider(t *testing.T, s *site, more map[string]any) *provider {
	t.Helper()
	p := &provider{site: s, key: newHostKey(t, jose.RS256, "op1"), issuer: s.web.URL + "/op", secret: "client-secret-canary", codes: map[string]url.Values{}}
	p.sign = func(claims map[string]any) string { return p.key.sign(t, claims, nil) }
	p.announce(t, more)
	s.publish(t, p.key)
	s.web.set("/token", p.token)
	return p
}

// announce publishes the discovery document, changed.
func (p *provider) announce(t *testing.T, more map[string]any) {
	t.Helper()
	document := map[string]any{
		"issuer": p.issuer, "authorization_endpoint": p.web.URL + "/authorize", "token_endpoint": p.web.URL + "/token", "jwks_uri": p.web.URL + "/keys",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported": []string{"S256"},
	}
	for name, value := range more {
		document[name] = value
		if value == nil {
			delete(document, name)
		}
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	p.web.set("/op/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { w.Write(raw) })
}

func (p *provider) configure(t *testing.T) sso.Setting {
	t.Helper()
	set, err := p.ConfigureOIDC(t.Context(), p.id, sso.OIDC{Issuer: p.issuer, ClientID: "client-1", ClientSecret: p.secret})
	if err != nil {
		t.Fatal(err)
	}
	visit := p.begin(t, sso.BeginRequest{Test: true, Origin: origin})
	if _, err := p.Answer(t.Context(), p.id, origin, p.authorize(t, visit)); err != nil {
		t.Fatal(err)
	}
	if err := p.Activate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	return set
}

// authorize is the browser at the provider's page.
func (p *provider) authorize(t *testing.T, visit sso.Visit) sso.Answer {
	t.Helper()
	u, err := url.Parse(visit.LoginURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"client_id": "client-1", "response_type": "code", "redirect_uri": origin + sso.AnswerPath, "scope": "openid", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			t.Errorf("%s: %q", name, q.Get(name))
		}
	}
	if strings.Contains(visit.LoginURL, p.secret) || q.Get("state") != visit.Nonce || len(q.Get("nonce")) < 22 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("login URL %s", visit.LoginURL)
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = q
	return sso.Answer{State: q.Get("state"), Code: code}
}

// token is the token endpoint: client, redirect URI, code once, PKCE.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	id, secret, _ := r.BasicAuth()
	request, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != "client-1" || secret != p.secret || r.FormValue("grant_type") != "authorization_code" ||
		r.FormValue("redirect_uri") != request.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != request.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"hunter2"}`)
		return
	}
	at := p.now().Unix()
	claims := map[string]any{"iss": p.issuer, "sub": "member-1", "aud": "client-1", "iat": at, "exp": at + 300, "nonce": request.Get("nonce")}
	if p.change != nil {
		p.change(claims)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "hunter2", "token_type": "Bearer", "id_token": p.sign(claims)})
}

func (p *provider) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// refuses expects ErrRefused outside and the claim in the console.
func (p *provider) refuses(t *testing.T, set sso.Setting, what string, a sso.Answer, claim string) {
	t.Helper()
	if _, err := p.Answer(t.Context(), p.id, origin, a); !errors.Is(err, sso.ErrRefused) || err.Error() != "answer: "+sso.ErrRefused.Error() {
		t.Errorf("%s: %v", what, err)
	}
	p.shows(t, set, what, claim)
	list, err := p.Attempts(t.Context(), p.id, set.ID)
	if err != nil || strings.Contains(fmt.Sprint(list), "hunter2") || strings.Contains(fmt.Sprint(list), p.secret) {
		t.Errorf("%s: the console shows %v, %v", what, list, err)
	}
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	set := p.configure(t)
	visit := p.begin(t, sso.BeginRequest{Return: "/x", Origin: origin})
	arrival, err := p.Answer(t.Context(), p.id, origin, p.authorize(t, visit))
	if err != nil {
		t.Fatal(err)
	}
	who, err := p.Redeem(t.Context(), p.id, visit.Secret, arrival.Ticket)
	if err != nil || who.Subject != "member-1" || who.Return != "/x" {
		t.Errorf("%q, %q, %v", who.Subject, who.Return, err)
	}
	p.shows(t, set, "a good login", "")
	if _, err := p.HandOff(t.Context(), p.id, p.key.sign(t, p.claims(visit), nil)); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("a hand-off where OpenID Connect is set: %v", err)
	}
}

// SSO-03, SSO-05, SSO-11: every claim of the ID token, wrong alone.
func TestIDTokenIsHeld(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	set := p.configure(t)
	at := p.now().Unix()
	for _, c := range []struct {
		name  string
		value any
		claim string // of the refusal; empty: accepted
	}{
		{"iss", p.issuer + "/", "iss"}, {"iss", strings.ToUpper(p.issuer), "iss"}, {"iss", strings.Replace(p.issuer, "https", "http", 1), "iss"},
		{"iss", strings.Replace(p.issuer, "://", "://a@", 1), "iss"}, {"iss", p.issuer + "2", "iss"}, {"iss", nil, "iss"}, {"iss", 1, "token"},
		{"aud", "client-2", "aud"}, {"aud", nil, "aud"}, {"aud", []string{}, "aud"}, {"aud", []string{"client-2", "client-3"}, "aud"},
		{"aud", []string{"client-1"}, ""}, {"aud", []string{"client-1", "client-2"}, "azp"},
		{"azp", "client-2", "azp"}, {"azp", "", "azp"}, {"azp", "client-1", ""},
		{"nonce", nil, "nonce"}, {"nonce", "", "nonce"}, {"nonce", "another", "nonce"},
		{"sub", nil, "sub"}, {"sub", "", "sub"}, {"sub", strings.Repeat("x", 256), "sub"}, {"sub", strings.Repeat("x", 255), ""},
		{"exp", nil, "exp"}, {"exp", at - 60, ""}, {"exp", at - 61, "exp"},
		{"iat", nil, "iat"}, {"iat", at + 60, ""}, {"iat", at + 61, "iat"},
		{"nbf", at + 60, ""}, {"nbf", at + 61, "nbf"},
	} {
		p.change = func(claims map[string]any) {
			claims[c.name] = c.value
			if c.value == nil {
				delete(claims, c.name)
			}
		}
		what := fmt.Sprintf("%s %.50v", c.name, c.value)
		answer := p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin}))
		if c.claim != "" {
			p.refuses(t, set, what, answer, c.claim)
		} else if _, err := p.Answer(t.Context(), p.id, origin, answer); err != nil {
			t.Errorf("%s: %v", what, err)
			list, _ := p.Attempts(t.Context(), p.id, set.ID)
			t.Log(list[0])
		}
	}
}

// SSO-01 and SSO-02 for ID tokens; the client secret signs nothing.
func TestIDTokenSignature(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	set := p.configure(t)
	good := p.sign
	encode := base64.RawURLEncoding.EncodeToString
	for what, c := range map[string]struct {
		sign  func(claims map[string]any) string
		claim string
	}{
		"none": {func(claims map[string]any) string {
			return encode([]byte(`{"alg":"none"}`)) + "." + strings.Split(good(claims), ".")[1] + "."
		}, "alg"},
		"client secret": {func(claims map[string]any) string {
			return hostKey{"op1", jose.HS256, []byte(p.secret + strings.Repeat("x", 32))}.sign(t, claims, nil)
		}, "alg"},
		"public key": {func(claims map[string]any) string {
			return hostKey{"op1", jose.HS256, []byte(p.key.pem(t))}.sign(t, claims, nil)
		}, "alg"},
		"another key":  {func(claims map[string]any) string { return newHostKey(t, jose.ES256, "op1").sign(t, claims, nil) }, "alg"},
		"another kid":  {func(claims map[string]any) string { return newHostKey(t, jose.EdDSA, "op2").sign(t, claims, nil) }, "kid"},
		"access token": {func(claims map[string]any) string { return p.key.sign(t, claims, map[string]any{"typ": "at+jwt"}) }, "typ"},
		"brings a key": {func(claims map[string]any) string {
			return p.key.sign(t, claims, map[string]any{"jku": "https://evil.example"})
		}, "jku"},
		"cut":           {func(claims map[string]any) string { s := good(claims); return s[:len(s)-6] }, "signature"},
		"two tokens":    {func(claims map[string]any) string { return good(claims) + "." + good(claims) }, "token"},
		"no token":      {func(claims map[string]any) string { return "" }, "id_token"},
		"a large token": {func(claims map[string]any) string { claims["x"] = strings.Repeat("x", 16384); return good(claims) }, "token"},
	} {
		p.sign = c.sign
		p.refuses(t, set, what, p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin})), c.claim)
	}
}

// SSO-08, SSO-09 and SSO-10: state, code and verifier, missing, wrong, swapped
// and again; answers of another provider.
func TestAnswers(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	set := p.configure(t)
	fresh := func() sso.Answer { return p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin})) }
	asked := p.requests()
	for what, c := range map[string]struct {
		change func(*sso.Answer)
		claim  string
	}{
		"no state":        {func(a *sso.Answer) { a.State = "" }, "state"},
		"unknown state":   {func(a *sso.Answer) { a.State = "AAAAAAAAAAAAAAAAAAAAAA" }, "state"},
		"cut state":       {func(a *sso.Answer) { a.State = a.State[:21] }, "state"},
		"no code":         {func(a *sso.Answer) { a.Code = "" }, "code"},
		"long code":       {func(a *sso.Answer) { a.Code = strings.Repeat("x", 4097) }, "code"},
		"another issuer":  {func(a *sso.Answer) { a.Issuer = "https://evil.example" }, "iss"},
		"issuer's slash":  {func(a *sso.Answer) { a.Issuer = p.issuer + "/" }, "iss"},
		"an error":        {func(a *sso.Answer) { a.Error = "access_denied" }, "error"},
		"a strange error": {func(a *sso.Answer) { a.Error = "hunter2" }, "error"},
	} {
		a := fresh()
		c.change(&a)
		p.refuses(t, set, what, a, c.claim)
	}
	if n := p.requests() - asked; n != 0 {
		t.Errorf("%d of them reached the provider", n)
	}
	// The right issuer may be named.
	a := fresh()
	a.Issuer = p.issuer
	if _, err := p.Answer(t.Context(), p.id, origin, a); err != nil {
		t.Fatal(err)
	}
	asked = p.requests()
	p.refuses(t, set, "the same answer again", a, "state")
	if p.requests() != asked {
		t.Error("a used state reached the provider")
	}
	// Codes of two visits swapped: the verifier is the other's.
	one, two := fresh(), fresh()
	one.Code, two.Code = two.Code, one.Code
	p.refuses(t, set, "swapped code", one, "code")
	p.refuses(t, set, "its state again, with the right code", sso.Answer{State: one.State, Code: two.Code}, "state")
	if _, err := p.Answer(t.Context(), p.id, "https://other.example.com", fresh()); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("another redirect URI: %v", err)
	}
	expired := fresh()
	p.add(10 * time.Minute)
	p.refuses(t, set, "after ten minutes", expired, "state")
}

func TestAnswerOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	p.configure(t)
	asked, a := p.requests(), p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin}))
	nodes := []*site{p.site, siteAt(t, p.id, p.web, p.clock)}
	var wg sync.WaitGroup
	won := make(chan struct{}, 20)
	for i := range cap(won) {
		wg.Go(func() {
			if _, err := nodes[i%2].Answer(t.Context(), p.id, origin, a); err == nil {
				won <- struct{}{}
			} else if !errors.Is(err, sso.ErrRefused) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || p.requests() != asked+1 {
		t.Errorf("%d accepted, %d requests", len(won), p.requests()-asked)
	}
}

// RFC 9207: where the provider announces it, an answer without iss is a mix-up.
func TestAnnouncedIssuerIsRequired(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), map[string]any{"authorization_response_iss_parameter_supported": true})
	set, err := p.ConfigureOIDC(t.Context(), p.id, sso.OIDC{Issuer: p.issuer, ClientID: "client-1", ClientSecret: p.secret})
	if err != nil {
		t.Fatal(err)
	}
	a := p.authorize(t, p.begin(t, sso.BeginRequest{Test: true, Origin: origin}))
	p.refuses(t, set, "no iss", a, "iss")
	a.Issuer = p.issuer
	if _, err := p.Answer(t.Context(), p.id, origin, a); err != nil {
		t.Error(err)
	}
}

// SSO-05: two tenants with one provider; neither takes the other's answers or
// tokens.
func TestTwoTenantsOneProvider(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	p.configure(t)
	other := &provider{site: siteAt(t, database.Tenant(t), p.web, p.clock), key: p.key, issuer: p.issuer, secret: p.secret, codes: p.codes}
	if _, err := other.ConfigureOIDC(t.Context(), other.id, sso.OIDC{Issuer: p.issuer, ClientID: "client-1", ClientSecret: p.secret}); err != nil {
		t.Fatal(err)
	}
	a := p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin}))
	if _, err := other.Answer(t.Context(), other.id, origin, a); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("another tenant's answer: %v", err)
	}
	b := p.authorize(t, other.begin(t, sso.BeginRequest{Test: true, Origin: origin}))
	b.Code = a.Code
	if _, err := other.Answer(t.Context(), other.id, origin, b); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("another tenant's code: %v", err)
	}
}

// The checks of set-up: what the discovery document must and may not say.
func TestDiscoveryIsChecked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := newProvider(t, s, nil)
	configure := func(issuer, client string) error {
		_, err := s.ConfigureOIDC(t.Context(), s.id, sso.OIDC{Issuer: issuer, ClientID: client, ClientSecret: p.secret})
		if err != nil && strings.Contains(err.Error(), p.secret) {
			t.Errorf("the error repeats the client secret: %v", err)
		}
		return err
	}
	if err := configure(p.issuer, "client-1"); err != nil {
		t.Fatal(err)
	}
	for what, issuer := range map[string]string{"slash": p.issuer + "/", "elsewhere": s.web.URL, "private": "https://10.0.0.1", "http": "http://op.example", "user": strings.Replace(p.issuer, "://", "://a@", 1), "empty": ""} {
		if err := configure(issuer, "client-1"); !errors.Is(err, sso.ErrSetting) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := configure(p.issuer, ""); !errors.Is(err, sso.ErrSetting) {
		t.Errorf("no client id: %v", err)
	}
	for what, more := range map[string]map[string]any{
		"other issuer":      {"issuer": p.issuer + "2"},
		"no authorization":  {"authorization_endpoint": nil},
		"no token":          {"token_endpoint": nil},
		"no keys":           {"jwks_uri": nil},
		"private token":     {"token_endpoint": "https://192.168.0.1/token"},
		"metadata service":  {"jwks_uri": "http://169.254.169.254/"},
		"script":            {"authorization_endpoint": "javascript:alert(1)"},
		"implicit only":     {"response_types_supported": []string{"id_token"}},
		"plain PKCE only":   {"code_challenge_methods_supported": []string{"plain"}},
		"HS256 only":        {"id_token_signing_alg_values_supported": []string{"HS256", "none"}},
		"unread keys":       {"jwks_uri": s.web.URL + "/nothing"},
		"a number":          {"issuer": 1},
		"keys are not keys": {"jwks_uri": s.web.URL + "/op/.well-known/openid-configuration"},
	} {
		p.announce(t, more)
		if err := configure(p.issuer, "client-1"); !errors.Is(err, sso.ErrSetting) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.announce(t, map[string]any{"code_challenge_methods_supported": nil})
	if err := configure(p.issuer, "client-1"); err != nil {
		t.Errorf("PKCE not announced: %v", err)
	}
}

// A token endpoint that answers with anything at all.
func TestHostileTokenEndpoint(t *testing.T) {
	t.Parallel()
	p := newProvider(t, newSite(t), nil)
	set := p.configure(t)
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		claim  string
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/keys", http.StatusTemporaryRedirect)
		}, "code"},
		"10 MB":      {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 10<<20)) }, "code"},
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hunter2")) }, "code"},
		"failure":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write([]byte("hunter2")) }, "code"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "code"},
		"no ID token": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"access_token":"hunter2","token_type":"Bearer"}`))
		}, "id_token"},
		"no text": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"access_token":"hunter2","token_type":"Bearer","id_token":1}`))
		}, "id_token"},
	} {
		p.web.set("/token", c.answer)
		p.refuses(t, set, what, p.authorize(t, p.begin(t, sso.BeginRequest{Origin: origin})), c.claim)
	}
}
