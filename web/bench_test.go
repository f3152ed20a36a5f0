package web_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/tenant/webhook"
	"github.com/sottochat/sotto/web"
	"github.com/sottochat/sotto/web/api"
	"github.com/sottochat/sotto/web/clientapi"
	"github.com/sottochat/sotto/web/public"
	"github.com/sottochat/sotto/web/socket"
	"github.com/sottochat/sotto/web/words"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// logBuffer is written by handlers and read by the test.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// bench is the whole server on PostgreSQL; places are tenants on it.
type bench struct {
	*testing.T
	db       *tenant.DB
	operator *registry.Operator
	secrets  *secret.Store
	accounts *account.Service
	invites  *invite.Service
	sso      *sso.Service
	keys     *apikey.Service
	webhooks *webhook.Service
	server   *web.Server
	http     *httptest.Server
	log      logBuffer

	mu   sync.Mutex
	cuts []messaging.AccountID
}

func newBench(t *testing.T, change ...func(*web.Deps)) *bench {
	t.Helper()
	t.Parallel()
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	must(t, err)
	out, err := egress.New(egress.Config{})
	must(t, err)
	operator, err := tenant.OpenOperator(t.Context(), tenant.Config{URL: database.URL("app_operator"), MaxConns: 2, AllowUnsafeDurability: true})
	must(t, err)
	t.Cleanup(operator.Close)
	b := &bench{T: t, db: database.Open(t), secrets: secret.New(ring), operator: registry.NewOperator(operator, time.Now)}
	b.accounts = account.New(b.db, b.secrets, time.Now)
	b.invites = invite.New(b.secrets, time.Now)
	b.keys = apikey.New(time.Now)
	b.webhooks = webhook.New(b.secrets, out, time.Now)
	b.sso = sso.New(sso.Config{DB: b.db, Secrets: b.secrets, Egress: out, Now: time.Now})
	deps := web.Deps{
		Sites:  registry.New(b.db, time.Now),
		Public: public.Pages{DB: b.db, Accounts: b.accounts, Invites: b.invites, SSO: b.sso, Words: words.All()},
		API: api.API{DB: b.db, Secrets: b.secrets, Keys: b.keys, Once: once.New(time.Now), Accounts: b.accounts, Invites: b.invites, Webhooks: b.webhooks,
			Cut: b.cut, Wake: func(tenant.ID) {}},
		Client:  clientapi.API{Accounts: b.accounts, SSO: b.sso},
		Socket:  socket.Socket{Accounts: b.accounts, Relay: echoRelay{}},
		Ready:   b.db.Ping,
		Log:     slog.New(slog.NewJSONHandler(&b.log, nil)),
		Metrics: prometheus.NewRegistry(),
	}
	for _, f := range change {
		f(&deps)
	}
	b.server = web.New(deps)
	b.http = httptest.NewUnstartedServer(nil)
	b.http.Config = web.HTTPServer(b.server.Handler(), deps.Log)
	b.http.Start()
	t.Cleanup(b.http.Close)
	return b
}

func (b *bench) cut(_ tenant.ID, account messaging.AccountID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cuts = append(b.cuts, account)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is one tenant with a host, a live hand-off and an API key.
type place struct {
	*bench
	tenant tenant.ID
	host   string
	key    string
	signer ed25519.PrivateKey

	keyring sync.Mutex
	lacking map[string]string // keys by the scope that they lack
}

const issuer = "https://members.example"

// place makes a tenant whose host ends in suffix: ".example" is served as if by
// TLS, ".localhost" as a developer's.
func (b *bench) place(suffix string) *place {
	b.Helper()
	p := &place{bench: b, tenant: database.Tenant(b), host: strings.ToLower(id.Text("h", id.Random()))[:20] + suffix}
	_, err := b.operator.AddHost(b.Context(), p.tenant, p.host, registry.Chat, true)
	must(b, err)
	p.key = p.newKey(apikey.Scopes()...)
	p.goLive()
	return p
}

func (p *place) in(f func(tenant.Tx) error) {
	p.Helper()
	must(p, p.db.In(p.Context(), p.tenant, f))
}

func (p *place) newKey(scopes ...apikey.Scope) (text string) {
	p.Helper()
	p.in(func(tx tenant.Tx) error {
		_, token, err := p.keys.Create(p.Context(), tx, "test", scopes, time.Time{})
		text = token.Reveal()
		return err
	})
	return text
}

func (p *place) goLive() {
	p.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(p, err)
	p.signer = private
	der, err := x509.MarshalPKIXPublicKey(public)
	must(p, err)
	hostKey, err := sso.ParseKey(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "")
	must(p, err)
	_, err = p.sso.ConfigureHandOff(p.Context(), p.tenant, sso.HandOff{Issuer: issuer, LoginURL: "https://members.example/login", Keys: []sso.Key{hostKey}})
	must(p, err)
	visit, err := p.sso.Begin(p.Context(), p.tenant, sso.BeginRequest{Test: true})
	must(p, err)
	_, err = p.sso.HandOff(p.Context(), p.tenant, p.word("trial", visit.Nonce))
	must(p, err)
	must(p, p.sso.Activate(p.Context(), p.tenant))
}

// word is the token that the host signs.
func (p *place) word(subject, nonce string) string {
	encode := func(v any) string {
		raw, err := json.Marshal(v)
		must(p, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	now := time.Now().Unix()
	text := encode(map[string]any{"alg": "EdDSA", "typ": "JWT"}) + "." + encode(map[string]any{"iss": issuer, "aud": p.tenant.String(), "sub": subject,
		"nonce": nonce, "jti": id.Text("j", id.Random()), "iat": now, "exp": now + 50})
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(p.signer, []byte(text)))
}

// member makes an account with one device, so that its invites have links.
func (p *place) member(subject string) (messaging.AccountID, account.Token) {
	p.Helper()
	token, who, err := p.accounts.SignIn(p.Context(), p.tenant, subject)
	must(p, err)
	identity, err := key.Generate[key.RoleIdentity](rand.Reader)
	must(p, err)
	log, err := key.GenerateLog(rand.Reader)
	must(p, err)
	_, signed, err := key.NewSignedPreKey(rand.Reader, 1, identity)
	must(p, err)
	_, last, err := key.KEMs{}.NewPreKey(rand.Reader, 1, identity)
	must(p, err)
	entry, err := devicelog.Found(messaging.TenantID(p.tenant), who.Account,
		devicelog.Newcomer{RegistrationID: 77, Identity: identity.Public(), LogKey: log.Public()}, log, time.Now(), time.Time{})
	must(p, err)
	_, err = p.accounts.AppendLog(p.Context(), p.tenant, who, &wire.AppendLog{Entry: entry, Registration: wire.Registration{RegistrationID: 77,
		SignedPrekey: wire.SignedPreKey{ID: uint32(signed.ID), PublicKey: signed.Public.Bytes(), Signature: signed.Signature[:]},
		LastResort:   wire.KEMPreKey{ID: uint32(last.ID), PublicKey: last.Public.Bytes(), Signature: last.Signature[:], LastResort: true}}})
	must(p, err)
	return who.Account, token
}

func (p *place) invite(account messaging.AccountID) (i invite.Invite) {
	p.Helper()
	p.in(func(tx tenant.Tx) (err error) {
		i, err = p.invites.Permanent(p.Context(), tx, account)
		return err
	})
	return i
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t testing.TB) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return out
}

// do sends a request to the place's host. with are header lines "Name: value".
func (p *place) do(method, path, body string, with ...string) answer {
	p.Helper()
	return p.via(http.DefaultTransport, method, path, body, with...)
}

func (p *place) via(transport http.RoundTripper, method, path, body string, with ...string) answer {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), method, p.http.URL+path, strings.NewReader(body))
	must(p, err)
	req.Host = p.host
	for _, line := range with {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Add(name, value)
	}
	res, err := transport.RoundTrip(req)
	must(p, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(p, err)
	return answer{res.StatusCode, res.Header, string(raw)}
}

// api sends a request with the place's key.
func (p *place) api(method, path, body string, with ...string) answer {
	p.Helper()
	if body != "" {
		with = append(with, "Content-Type: application/json")
	}
	return p.do(method, "/api/v1"+path, body, append(with, "Authorization: Bearer "+p.key)...)
}

// browser keeps cookies as a browser would, and follows nothing.
type browser struct {
	*place
	jar *cookiejar.Jar
}

func (p *place) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(p, err)
	return &browser{p, jar}
}

func (b *browser) origin() *url.URL {
	scheme := "https"
	if strings.HasSuffix(b.host, ".localhost") {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: b.host, Path: "/"}
}

// send is do with cookies. crossSite leaves out those that are SameSite=Lax.
func (b *browser) send(method, path, form string, with ...string) answer {
	b.Helper()
	for _, c := range b.jar.Cookies(b.origin()) {
		with = append(with, "Cookie: "+c.Name+"="+c.Value)
	}
	if method == http.MethodPost {
		with = append(with, "Content-Type: application/x-www-form-urlencoded")
	}
	with = append(with, "Accept: text/html")
	a := b.do(method, path, form, with...)
	b.keep(a)
	return a
}

func (b *browser) keep(a answer) {
	b.jar.SetCookies(b.origin(), (&http.Response{Header: a.header}).Cookies())
}

// handOff is the form that the host's page posts from its own site: without our
// cookies.
func (b *browser) handOff(token string) answer {
	b.Helper()
	a := b.do(http.MethodPost, "/login/handoff", url.Values{"token": {token}}.Encode(),
		"Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "Sec-Fetch-Site: cross-site", "Origin: https://members.example")
	b.keep(a)
	return a
}

func nonceOf(t testing.TB, loginURL string) string {
	t.Helper()
	u, err := url.Parse(loginURL)
	must(t, err)
	return u.Query().Get("nonce")
}

// signIn goes through the whole hand-off.
func (b *browser) signIn(subject string) {
	b.Helper()
	a := b.send("POST", "/sign-in", "")
	if a.status != http.StatusSeeOther {
		b.Fatalf("begin: %d %s", a.status, a.body)
	}
	a = b.handOff(b.word(subject, nonceOf(b, a.header.Get("Location"))))
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/login/finish" {
		b.Fatalf("hand-off: %d %s", a.status, a.body)
	}
	if a = b.send("GET", "/login/finish", ""); a.status != http.StatusSeeOther {
		b.Fatalf("finish: %d %s", a.status, a.body)
	}
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

func tokenIn(t testing.TB, page string) string {
	t.Helper()
	found := formToken.FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the page has no form token")
	}
	return found[1]
}
