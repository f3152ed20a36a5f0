// Package interop_test holds tenant/sso against the work of others: Project
// Wycheproof's vectors, and the OpenID provider of zitadel/oidc, certified by the
// OpenID Foundation, with its example storage in this process.
package interop_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
)

const (
	origin   = "https://chat.example.com"
	redirect = origin + sso.AnswerPath
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// startProvider serves the provider over TLS on loopback.
func startProvider(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	clients := map[string]*storage.Client{
		"confidential": storage.WebClient("confidential", "client-secret", redirect),
		"public":       storage.NativeClient("public", redirect),
		"other":        storage.WebClient("other", "other-secret", redirect),
	}
	store := storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)
	server.Config.Handler = exampleop.SetupServer(issuer, store, slog.New(slog.DiscardHandler), false)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func service(t *testing.T, provider *httptest.Server) *sso.Service {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(provider.Certificate())
	out, err := egress.New(egress.Config{Allow: []string{provider.Listener.Addr().String()}, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.HTTP().CloseIdleConnections)
	ring, err := secret.ParseKeyring("one:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return sso.New(sso.Config{DB: database.Open(t), Secrets: secret.New(ring), Egress: out, Now: time.Now})
}

// browser signs in at the provider and returns where it is sent.
func browser(t *testing.T, provider *httptest.Server, loginURL string) sso.Answer {
	t.Helper()
	client := provider.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	next := func(res *http.Response, err error) *url.URL {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		location, err := res.Location()
		if err != nil {
			t.Fatalf("status %d: %v", res.StatusCode, err)
		}
		return location
	}
	form := next(client.Get(loginURL))
	callback := next(client.PostForm(provider.URL+"/login/username", url.Values{
		"username": {"test-user@127.0.0.1"}, "password": {"verysecure"}, "id": {form.Query().Get("authRequestID")}}))
	back := next(client.Get(callback.String()))
	if !strings.HasPrefix(back.String(), redirect+"?") {
		t.Fatalf("sent to %s", back)
	}
	q := back.Query()
	return sso.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	provider := startProvider(t)
	for client, secret := range map[string]string{"confidential": "client-secret", "public": ""} {
		t.Run(client, func(t *testing.T) {
			s, id := service(t, provider), database.Tenant(t)
			live(t, s, id, provider, client, secret)
			visit, err := s.Begin(t.Context(), id, sso.BeginRequest{Return: "/x", Origin: origin})
			if err != nil {
				t.Fatal(err)
			}
			answer := browser(t, provider, visit.LoginURL)
			arrival, err := s.Answer(t.Context(), id, origin, answer)
			if err != nil {
				t.Fatal(err, attempts(t, s, id))
			}
			who, err := s.Redeem(t.Context(), id, visit.Secret, arrival.Ticket)
			if err != nil || who.Subject != "id1" || who.Return != "/x" {
				t.Errorf("%q, %q, %v", who.Subject, who.Return, err)
			}
			if _, err := s.Answer(t.Context(), id, origin, answer); !errors.Is(err, sso.ErrRefused) {
				t.Errorf("the same answer again: %v", err)
			}
		})
	}
}

func live(t *testing.T, s *sso.Service, id tenant.ID, provider *httptest.Server, client, secret string) {
	t.Helper()
	if _, err := s.ConfigureOIDC(t.Context(), id, sso.OIDC{Issuer: provider.URL, ClientID: client, ClientSecret: secret}); err != nil {
		t.Fatal(err)
	}
	visit, err := s.Begin(t.Context(), id, sso.BeginRequest{Test: true, Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	arrival, err := s.Answer(t.Context(), id, origin, browser(t, provider, visit.LoginURL))
	if err != nil || !arrival.Test {
		t.Fatal(err, attempts(t, s, id))
	}
	if err := s.Activate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// attempts is what the console would show.
func attempts(t *testing.T, s *sso.Service, id tenant.ID) (list []sso.Attempt) {
	t.Helper()
	current, next, err := s.Settings(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*sso.Setting{current, next} {
		if set != nil {
			more, err := s.Attempts(t.Context(), id, set.ID)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, more...)
		}
	}
	return list
}

// A code of one client, or of one login, is nothing for another.
func TestSwappedCodes(t *testing.T) {
	t.Parallel()
	provider := startProvider(t)
	s, a, b := service(t, provider), database.Tenant(t), database.Tenant(t)
	live(t, s, a, provider, "confidential", "client-secret")
	live(t, s, b, provider, "other", "other-secret")
	answer := func(id tenant.ID) sso.Answer {
		visit, err := s.Begin(t.Context(), id, sso.BeginRequest{Origin: origin})
		if err != nil {
			t.Fatal(err)
		}
		return browser(t, provider, visit.LoginURL)
	}
	for what, pair := range map[string][2]sso.Answer{"of another client": {answer(a), answer(b)}, "of another login": {answer(a), answer(a)}} {
		swapped := pair[0]
		swapped.Code = pair[1].Code
		if _, err := s.Answer(t.Context(), a, origin, swapped); !errors.Is(err, sso.ErrRefused) {
			t.Errorf("a code %s: %v", what, err)
		}
	}
	if list := attempts(t, s, a); len(list) < 3 || list[0].Claim != "code" {
		t.Errorf("the console shows %+v", list)
	}
}

func TestWrongClientSecret(t *testing.T) {
	t.Parallel()
	provider := startProvider(t)
	s, id := service(t, provider), database.Tenant(t)
	if _, err := s.ConfigureOIDC(t.Context(), id, sso.OIDC{Issuer: provider.URL, ClientID: "confidential", ClientSecret: "wrong"}); err != nil {
		t.Fatal(err)
	}
	visit, err := s.Begin(t.Context(), id, sso.BeginRequest{Test: true, Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(t.Context(), id, origin, browser(t, provider, visit.LoginURL)); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if err := s.Activate(t.Context(), id); !errors.Is(err, sso.ErrUntested) {
		t.Errorf("activated with a wrong secret: %v", err)
	}
}
