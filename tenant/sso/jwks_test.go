package sso_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant/sso"
)

// publish puts keys where the site's JWKS URL points.
func (s *site) publish(t *testing.T, keys ...hostKey) {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public(), KeyID: k.kid, Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	s.web.set("/keys", func(w http.ResponseWriter, _ *http.Request) { w.Write(raw) })
}

func (s *site) byURL(t *testing.T, by hostKey) sso.Setting {
	t.Helper()
	return s.activate(t, sso.HandOff{Issuer: "https://host.example", LoginURL: "https://host.example/", JWKSURL: s.web.URL + "/keys"}, by)
}

func (s *site) login(t *testing.T, k hostKey) error {
	t.Helper()
	_, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(s.begin(t, sso.BeginRequest{})), nil))
	return err
}

func TestKeySetByURL(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms[:3] {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			s, k := newSite(t), newHostKey(t, algorithm, "k1")
			s.publish(t, newHostKey(t, jose.EdDSA, "k0"), k)
			s.byURL(t, k)
			for range 5 {
				if err := s.login(t, k); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.web.reads.Load(); n != 1 {
				t.Errorf("the key set was read %d times", n)
			}
		})
	}
}

// SSO-15: made-up kids make one read a minute, on however many nodes; a key that
// is published is found by its first token; a removed one dies.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	s, old, fresh, forged := newSite(t), newHostKey(t, jose.EdDSA, "old"), newHostKey(t, jose.ES256, "new"), newHostKey(t, jose.EdDSA, "forged")
	s.publish(t, old)
	set := s.byURL(t, old)
	nodes := []*site{s, siteAt(t, s.id, s.web, s.clock)}
	storm := func(want int32) {
		t.Helper()
		var wg sync.WaitGroup
		before := s.web.reads.Load()
		token := forged.sign(t, s.claims(s.begin(t, sso.BeginRequest{})), nil)
		for i := range 40 {
			wg.Go(func() {
				if _, err := nodes[i%2].HandOff(t.Context(), s.id, token); !errors.Is(err, sso.ErrRefused) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.web.reads.Load() - before; n != want {
			t.Errorf("40 made-up kids made %d reads, want %d", n, want)
		}
		s.shows(t, set, "a made-up kid", "kid")
	}
	storm(0) // it was read at set-up, less than a minute ago
	s.add(time.Minute)
	storm(1)
	storm(0)
	s.publish(t, fresh)
	s.add(time.Minute - 1)
	if err := s.login(t, fresh); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("within the minute: %v", err)
	}
	s.add(1)
	if err := s.login(t, fresh); err != nil {
		t.Errorf("a published key: %v", err)
	}
	if err := s.login(t, old); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("a removed key: %v", err)
	}
}

// A removed key dies within ten minutes without anybody asking for another, and
// within an hour where the key set cannot be read.
func TestKeysAge(t *testing.T) {
	t.Parallel()
	s, k, other := newSite(t), newHostKey(t, jose.EdDSA, "k1"), newHostKey(t, jose.EdDSA, "k2")
	s.publish(t, k)
	set := s.byURL(t, k)
	s.publish(t, other)
	s.add(10*time.Minute - 1)
	if err := s.login(t, k); err != nil {
		t.Errorf("in time: %v", err)
	}
	s.add(1)
	if err := s.login(t, k); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("removed ten minutes ago: %v", err)
	}
	s.web.set("/keys", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.add(time.Hour - 1)
	if err := s.login(t, other); err != nil {
		t.Errorf("not readable for an hour but a moment: %v", err)
	}
	s.add(1)
	s.refused(t, set, "not readable for an hour", other.sign(t, s.claims(s.begin(t, sso.BeginRequest{})), nil), "keys")
	s.publish(t, other)
	s.add(time.Minute)
	if err := s.login(t, other); err != nil {
		t.Errorf("readable again: %v", err)
	}
}

// SSO-14: what a key set's server may send, at set-up and later.
func TestHostileKeySets(t *testing.T) {
	t.Parallel()
	good := newHostKey(t, jose.EdDSA, "k1")
	one := good.jwk(t)
	repeated := func(n int) string { return `{"keys":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}` }
	for what, body := range map[string]string{
		"nothing": "", "no JSON": "<html>", "an array": "[]", "no keys": "{}", "no usable key": `{"keys":[{"kty":"oct","k":"AAAA"}]}`, "101 keys": repeated(101),
		"100,000 keys": `{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", 100000), ",") + `]}`, "10 MB": `{"keys":[` + strings.Repeat(" ", 10<<20) + one + `]}`,
		"keys twice": `{"keys":[` + one + `],"keys":[]}`, "deep": strings.Repeat(`{"keys":`, 100000), "keys a text": `{"keys":"x"}`,
		"a secret with a known kid": `{"keys":[{"kty":"oct","kid":"k1","alg":"HS256","k":"` + strings.Repeat("A", 43) + `"}]}`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.web.set("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			h := sso.HandOff{Issuer: "https://host.example", LoginURL: "https://host.example/", JWKSURL: s.web.URL + "/keys"}
			if _, err := s.ConfigureHandOff(t.Context(), s.id, h); !errors.Is(err, sso.ErrSetting) {
				t.Errorf("at set-up: %v", err)
			}
			s.publish(t, good)
			s.byURL(t, good)
			s.web.set("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			s.add(10 * time.Minute)
			if err := s.login(t, good); err != nil {
				t.Errorf("what was known before: %v", err)
			}
		})
	}
	s := newSite(t)
	s.web.set("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, repeated(100)) })
	s.byURL(t, good)
}
