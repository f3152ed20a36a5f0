package sso_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/sso"
)

func TestHandOff(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			s, k := newSite(t), newHostKey(t, algorithm, "k1")
			set := s.handOff(t, k)
			visit := s.begin(t, sso.BeginRequest{Return: "/i/abc?x=1"})
			if !strings.HasPrefix(visit.LoginURL, "https://host.example/chat?from=app&nonce=") || nonceOf(t, visit.LoginURL) != visit.Nonce {
				t.Errorf("login URL %s", visit.LoginURL)
			}
			arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), map[string]any{"typ": "JWT"}))
			if err != nil || arrival.Test || arrival.Terminal {
				t.Fatalf("%v, %v", arrival, err)
			}
			who, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket)
			if err != nil || who.Subject != "member-1" || who.Return != "/i/abc?x=1" {
				t.Fatalf("%q %q, %v", who.Subject, who.Return, err)
			}
			if text := fmt.Sprintf("%v %+v %s %v", who, who, visit.Secret, arrival); strings.Contains(text, "member-1") {
				t.Errorf("printing shows the member: %s", text)
			}
			s.shows(t, set, "a good login", "")
			if _, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); !errors.Is(err, sso.ErrVisit) {
				t.Errorf("redeemed twice: %v", err)
			}
		})
	}
}

// The two secrets of a visit are worth nothing apart, nor for another visit or
// tenant.
func TestRedeemNeedsSecretAndTicket(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	other := siteAt(t, database.Tenant(t), s.web, s.clock)
	other.handOff(t, k)
	var visits []sso.Visit
	var tickets []sso.Secret
	for range 2 {
		visit := s.begin(t, sso.BeginRequest{})
		arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
		if err != nil {
			t.Fatal(err)
		}
		visits, tickets = append(visits, visit), append(tickets, arrival.Ticket)
	}
	for _, pair := range [][2]sso.Secret{{visits[0].Secret, tickets[1]}, {visits[1].Secret, tickets[0]}, {tickets[0], visits[0].Secret},
		{visits[0].Secret, {}}, {{}, tickets[0]}, {visits[0].Secret, visits[0].Secret}} {
		if _, err := s.Redeem(t.Context(), s.id, pair[0], pair[1]); !errors.Is(err, sso.ErrVisit) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := other.Redeem(t.Context(), other.id, visits[0].Secret, tickets[0]); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("at another tenant: %v", err)
	}
	if _, err := s.Poll(t.Context(), s.id, visits[0].Secret); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("a browser's visit polled: %v", err)
	}
	if _, err := s.Redeem(t.Context(), s.id, visits[0].Secret, tickets[0]); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestRedeemOnce(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(visit), nil))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for range cap(results) {
		wg.Go(func() { _, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); results <- err })
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, sso.ErrVisit) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d redeemed", won)
	}
}

// Every claim, wrong alone (attacks SSO-03, SSO-05, SSO-09, SSO-23). The console
// names it; nothing changes, so that the same visit succeeds afterwards.
func TestEveryClaimIsHeld(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.ES256, "k1")
	set := s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	good, at := s.claims(visit), s.now().Unix()
	for _, c := range []struct {
		claim string
		value any
	}{
		{"iss", nil}, {"iss", ""}, {"iss", "https://host.example/"}, {"iss", "https://HOST.example"}, {"iss", "http://host.example"},
		{"iss", "https://a@host.example"}, {"iss", "https://host.example/realm"}, {"iss", " https://host.example"},
		{"aud", nil}, {"aud", ""}, {"aud", database.Tenant(t).String()}, {"aud", []string{}}, {"aud", []string{s.id.String(), "other"}},
		{"aud", []string{s.id.String(), s.id.String()}}, {"aud", strings.ToUpper(s.id.String())},
		{"sub", nil}, {"sub", ""}, {"sub", strings.Repeat("x", 256)}, {"sub", strings.Repeat("é", 128)}, {"sub", "a\x00b"}, {"sub", "a\nb"},
		{"exp", nil}, {"exp", at + 61}, {"exp", at}, {"exp", at - 1}, {"exp", 1e18},
		{"iat", nil}, {"iat", at + 61},
		{"nbf", at + 61},
		{"jti", nil}, {"jti", ""}, {"jti", "fifteen-letters"}, {"jti", strings.Repeat("x", 256)},
		{"nonce", nil}, {"nonce", ""}, {"nonce", "AAAAAAAAAAAAAAAAAAAAAA"}, {"nonce", visit.Nonce + "="}, {"nonce", visit.Nonce[:21]},
	} {
		claim := c.claim
		if claim == "iat" && c.value != nil {
			good := with(good, "exp", at+100)
			s.refused(t, set, fmt.Sprint(claim, c.value), k.sign(t, with(good, claim, c.value), nil), claim)
			continue
		}
		s.refused(t, set, fmt.Sprintf("%s %v", claim, c.value), k.sign(t, with(good, claim, c.value), nil), claim)
	}
	for _, c := range []struct {
		claim string
		value any
	}{{"iss", 1}, {"aud", 1}, {"aud", []any{1}}, {"sub", 1}, {"exp", "1"}, {"exp", "soon"}, {"iat", true}, {"jti", []string{"x"}}, {"exp", 1e300}} {
		s.refused(t, set, fmt.Sprintf("%s %v", c.claim, c.value), k.sign(t, with(good, c.claim, c.value), nil), "token")
	}
	good["sub"], good["jti"] = strings.Repeat("x", 255), "sixteen-letters-"
	if _, err := s.HandOff(t.Context(), s.id, k.sign(t, good, nil)); err != nil {
		t.Errorf("at every ceiling: %v", err)
	}
}

// A name twice or in another case would let two readers see two members.
func TestAmbiguousJSON(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	at := s.now().Unix()
	body := fmt.Sprintf(`"iss":"https://host.example","aud":%q,"iat":%d,"exp":%d,"jti":"0123456789abcdef","nonce":%q`, s.id, at, at+60, visit.Nonce)
	for what, payload := range map[string]string{
		"twice":      `{"sub":"a",` + body + `,"sub":"b"}`,
		"an array":   `[{"sub":"a",` + body + `}]`,
		"a text":     `"sub"`,
		"nothing":    ``,
		"trailing":   `{"sub":"a",` + body + `}{}`,
		"not UTF-8":  "{\"sub\":\"a\xff\"," + body + `}`,
		"deep":       strings.Repeat("[", 10000),
		"deep value": `{"sub":"a","x":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + `,` + body + `,"iss":"x"}`,
	} {
		s.refused(t, set, what, k.signRaw(t, []byte(payload), nil), "token")
	}
	s.refused(t, set, "other case", k.signRaw(t, []byte(`{"SUB":"a",`+body+`}`), nil), "sub")
	arrival, err := s.HandOff(t.Context(), s.id, k.signRaw(t, []byte(`{"sub":"a","Sub":"b",`+body+`}`), nil))
	if err != nil {
		t.Fatal(err)
	}
	if who, err := s.Redeem(t.Context(), s.id, visit.Secret, arrival.Ticket); err != nil || who.Subject != "a" {
		t.Errorf("%q, %v", who.Subject, err)
	}
}

// SSO-11: 60 seconds of difference are accepted, 61 refused, in both directions.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		iat, exp, nbf time.Duration
		claim         string
	}{
		"expired 60 s ago":      {iat: -120 * time.Second, exp: -60 * time.Second},
		"expired 61 s ago":      {iat: -121 * time.Second, exp: -61 * time.Second, claim: "exp"},
		"issued 60 s ahead":     {iat: 60 * time.Second, exp: 120 * time.Second},
		"issued 61 s ahead":     {iat: 61 * time.Second, exp: 121 * time.Second, claim: "iat"},
		"not before 60 s ahead": {exp: 60 * time.Second, nbf: 60 * time.Second},
		"not before 61 s ahead": {exp: 60 * time.Second, nbf: 61 * time.Second, claim: "nbf"},
		"lives 60 s":            {iat: -30 * time.Second, exp: 30 * time.Second},
		"lives 61 s":            {iat: -30 * time.Second, exp: 31 * time.Second, claim: "exp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
			set := s.handOff(t, k)
			good := s.claims(s.begin(t, sso.BeginRequest{}))
			at := s.now()
			good["iat"], good["exp"] = at.Add(c.iat).Unix(), at.Add(c.exp).Unix()
			if c.nbf != 0 {
				good["nbf"] = at.Add(c.nbf).Unix()
			}
			if c.claim != "" {
				s.refused(t, set, name, k.sign(t, good, nil), c.claim)
			} else if _, err := s.HandOff(t.Context(), s.id, k.sign(t, good, nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// SSO-08: the same token, and the same jti in another token, on this node and
// on another, at once and later.
func TestTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	nodes := []*site{s, siteAt(t, s.id, s.web, s.clock)}
	visit := s.begin(t, sso.BeginRequest{})
	claims := s.claims(visit)
	token := k.sign(t, claims, nil)
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for i := range cap(results) {
		wg.Go(func() { _, err := nodes[i%2].HandOff(t.Context(), s.id, token); results <- err })
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, sso.ErrRefused) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("accepted %d times", won)
	}
	s.refused(t, set, "again", token, "jti")
	next := s.claims(s.begin(t, sso.BeginRequest{}))
	s.refused(t, set, "its jti", k.sign(t, with(next, "jti", claims["jti"]), nil), "jti")
	s.refused(t, set, "its nonce", k.sign(t, with(next, "nonce", visit.Nonce), nil), "nonce")
	// The same jti at another tenant is another token.
	other := siteAt(t, database.Tenant(t), s.web, s.clock)
	other.handOff(t, k)
	theirs := other.claims(other.begin(t, sso.BeginRequest{}))
	if _, err := other.HandOff(t.Context(), other.id, k.sign(t, with(theirs, "jti", claims["jti"]), nil)); err != nil {
		t.Errorf("at another tenant: %v", err)
	}
}

// A jti is remembered until its token is refused as expired, and no longer.
func TestSweepForgetsOnlyWhatIsOver(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	claims := s.claims(visit)
	at := s.now().Add(60 * time.Second)
	claims["iat"], claims["exp"] = at.Unix(), at.Add(60*time.Second).Unix()
	token := k.sign(t, claims, nil)
	if _, err := s.HandOff(t.Context(), s.id, token); err != nil {
		t.Fatal(err)
	}
	worker, err := tenant.Open(t.Context(), tenant.Config{URL: database.URL("app_worker"), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	sweep := func() {
		t.Helper()
		if err := worker.In(t.Context(), s.id, func(tx tenant.Tx) error { return s.Sweep(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	s.add(180 * time.Second) // the last moment at which the token's times are accepted
	sweep()
	s.refused(t, set, "after a sweep", token, "jti")
	s.add(time.Second)
	s.refused(t, set, "a second later", token, "exp")
	s.add(10 * time.Minute)
	sweep()
	samples := database.Samples(t)
	for _, table := range []string{"sso_visit", "sso_used"} {
		if rows, _ := samples.Count(t, table, s.id); rows != 0 {
			t.Errorf("%s keeps %d rows", table, rows)
		}
	}
}

// SSO-01, SSO-12 and SSO-26: nothing in a header gives a token more.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "k1")
	set := s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	good := s.claims(visit)
	token := k.sign(t, good, nil)
	parts := strings.Split(token, ".")
	reheaded := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + parts[2]
	}
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "", " ", "eddsa", "HS384", "HS512", "RS1", "PS256", "ES256K", "Ed448", "dir", "PBES2-HS256+A128KW", "RSA1_5"} {
		header := fmt.Sprintf(`{"alg":%q,"kid":"k1"}`, alg)
		s.refused(t, set, "alg "+alg, reheaded(header), "alg")
		unsigned := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "."
		s.refused(t, set, "alg "+alg+" unsigned", unsigned, "alg")
	}
	s.refused(t, set, "no alg", reheaded(`{"kid":"k1"}`), "alg")
	for what, header := range map[string]string{
		"alg twice": `{"alg":"none","alg":"EdDSA","kid":"k1"}`, "alg a number": `{"alg":1}`, "an array": `[]`, "a text": `"EdDSA"`, "no JSON": `{`,
		"null": "null ", "not UTF-8": "{\"alg\":\"EdDSA\",\"x\":\"\xff\"}",
	} {
		claim := "token"
		if what == "null" {
			claim = "alg"
		}
		s.refused(t, set, what, reheaded(header), claim)
	}
	for name, value := range map[string]any{
		"crit": []string{"exp"}, "b64": true, "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "x5c": []string{"AAAA"},
		"jwk": map[string]any{"kty": "OKP"}, "zip": "DEF", "enc": "A256GCM",
	} {
		s.refused(t, set, name, headed(t, k, good, name, value), name)
	}
	for _, typ := range []string{"at+jwt", "JWE", "logout+jwt", "application/jwt", "JWT "} {
		s.refused(t, set, "typ "+typ, k.sign(t, good, map[string]any{"typ": typ}), "typ")
	}
	for _, kid := range []string{"k2", "K1", "../../etc/passwd", "' or 1=1 --", "https://evil.example/k1", strings.Repeat("k", 255), "k1\x00"} {
		k := hostKey{kid, k.algorithm, k.private}
		s.refused(t, set, "kid "+kid, k.sign(t, good, nil), "kid")
	}
	s.refused(t, set, "long kid", hostKey{strings.Repeat("k", 256), k.algorithm, k.private}.sign(t, good, nil), "kid")
	for what, bad := range map[string]string{
		"empty": "", "two parts": parts[0] + "." + parts[1], "four parts": token + ".", "five parts": token + ".a.b", "padded": parts[0] + "=." + parts[1] + "." + parts[2],
		"long": token + strings.Repeat("A", 16384), "line break": token[:10] + "\n" + token[10:], "JSON form": `{"payload":"x"}`, "dots": strings.Repeat(".", 9000),
	} {
		s.refused(t, set, what, bad, "token")
	}
	// Each byte of the signature, and one of the payload.
	for i := range parts[2] {
		flipped := []byte(parts[2])
		flipped[i] = 'A' + (flipped[i]+1)%26
		if string(flipped) == parts[2] {
			continue
		}
		if _, err := s.HandOff(t.Context(), s.id, parts[0]+"."+parts[1]+"."+string(flipped)); !errors.Is(err, sso.ErrRefused) {
			t.Errorf("signature changed at %d: %v", i, err)
		}
	}
	other := k.sign(t, with(good, "sub", "member-2"), nil)
	s.refused(t, set, "another payload", parts[0]+"."+strings.Split(other, ".")[1]+"."+parts[2], "signature")
	if s.web.reads.Load() != 0 {
		t.Error("a header made the server read something")
	}
	if _, err := s.HandOff(t.Context(), s.id, token); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// headed signs a token with one more header, as no library of a host would.
func headed(t *testing.T, k hostKey, claims map[string]any, name string, value any) string {
	t.Helper()
	if name != "jwk" && name != "crit" && name != "b64" {
		return k.sign(t, claims, map[string]any{name: value})
	}
	parts := strings.Split(k.sign(t, claims, nil), ".")
	header := map[string]string{"jwk": `,"jwk":{"kty":"oct","k":"AAAA"}`, "crit": `,"crit":["exp"],"exp":1`, "b64": `,"b64":true`}[name]
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA"`+header+`}`)) + "." + parts[1] + "." + parts[2]
}

// SSO-02: the public key, in whatever form, is no HMAC secret; and every other
// mixture of key and algorithm fails too.
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			s, k := newSite(t), newHostKey(t, algorithm, "k1")
			set := s.handOff(t, k)
			good := s.claims(s.begin(t, sso.BeginRequest{}))
			for _, alg := range algorithms {
				if alg != algorithm {
					s.refused(t, set, string(alg), newHostKey(t, alg, "k1").sign(t, good, nil), "alg")
				}
			}
			if algorithm == jose.HS256 {
				return
			}
			payload := strings.Split(k.sign(t, good, nil), ".")[1]
			pem, jwk, der := k.pem(t), k.jwk(t), k.der(t)
			for what, key := range map[string]string{
				"PEM": pem, "PEM without its last line break": strings.TrimSpace(pem), "PEM with CRLF": strings.ReplaceAll(pem, "\n", "\r\n"),
				"PEM in one line": strings.ReplaceAll(pem, "\n", ""), "DER": string(der), "DER in base64": base64.StdEncoding.EncodeToString(der), "JWK": jwk, "nothing": "",
			} {
				signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"k1"}`)) + "." + payload
				mac := hmac.New(sha256.New, []byte(key))
				mac.Write([]byte(signed))
				s.refused(t, set, what, signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "alg")
			}
		})
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s, old, fresh := newSite(t), newHostKey(t, jose.EdDSA, "old"), newHostKey(t, jose.HS256, "new")
	set := s.handOff(t, old)
	login := func(k hostKey) error {
		_, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(s.begin(t, sso.BeginRequest{})), nil))
		return err
	}
	if err := login(fresh); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("before: %v", err)
	}
	if err := s.AddKey(t.Context(), s.id, set.ID, fresh.key(t)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(login(old), login(fresh)); err != nil {
		t.Errorf("both keys live: %v", err)
	}
	if err := s.AddKey(t.Context(), s.id, set.ID, newHostKey(t, jose.ES256, "third").key(t)); !errors.Is(err, sso.ErrKeysFull) {
		t.Errorf("a third key: %v", err)
	}
	if err := s.RemoveKey(t.Context(), s.id, set.ID, 1); err != nil {
		t.Fatal(err)
	}
	if err := login(old); !errors.Is(err, sso.ErrRefused) {
		t.Errorf("removed: %v", err)
	}
	if err := login(fresh); err != nil {
		t.Errorf("after: %v", err)
	}
	for _, slot := range []int{1, 2, 3} {
		if err := s.RemoveKey(t.Context(), s.id, set.ID, slot); !errors.Is(err, sso.ErrKey) {
			t.Errorf("slot %d, the last key: %v", slot, err)
		}
	}
	if err := s.AddKey(t.Context(), s.id, set.ID, newHostKey(t, jose.ES256, "new").key(t)); !errors.Is(err, sso.ErrKey) {
		t.Errorf("the same kid twice: %v", err)
	}
	other := database.Tenant(t)
	if err := s.AddKey(t.Context(), other, set.ID, old.key(t)); !errors.Is(err, sso.ErrNoSetting) {
		t.Errorf("at another tenant: %v", err)
	}
}

// The console keeps 20, whatever came, in order, and nothing of the member.
func TestAttempts(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	visit := s.begin(t, sso.BeginRequest{})
	good := with(s.claims(visit), "sub", "canary-subject")
	for i := range 25 {
		s.add(time.Minute)
		claim := []string{"iss", "aud", "jti"}[i%3]
		at := s.now().Unix()
		bad := with(with(with(good, "iat", at), "exp", at+60), claim, "canary")
		if claim == "iss" {
			bad["iss"] = strings.Repeat("i\n", 300)
		}
		s.refused(t, set, claim, k.sign(t, bad, nil), claim)
	}
	list, err := s.Attempts(t.Context(), s.id, set.ID)
	if err != nil || len(list) != 20 {
		t.Fatalf("%d attempts, %v", len(list), err)
	}
	for i, a := range list {
		n := 24 - i
		if a.Claim != []string{"iss", "aud", "jti"}[n%3] || !a.At.Equal(s.now().Add(-time.Duration(i)*time.Minute)) {
			t.Errorf("attempt %d: %+v", i, a)
		}
		if strings.Contains(a.Reason, "subject") || strings.Contains(a.Reason, visit.Nonce) || len(a.Reason) > 400 {
			t.Errorf("attempt %d: %+v", i, a)
		}
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { s.HandOff(t.Context(), s.id, "x.y.z") })
	}
	wg.Wait()
	if list, err := s.Attempts(t.Context(), s.id, set.ID); err != nil || len(list) != 20 || list[19].Claim != "token" {
		t.Errorf("after many at once: %d, %v", len(list), err)
	}
	if list, err := s.Attempts(t.Context(), database.Tenant(t), set.ID); err != nil || len(list) != 0 {
		t.Errorf("another tenant sees %v, %v", list, err)
	}
}

func TestVisitEnds(t *testing.T) {
	t.Parallel()
	s, k := newSite(t), newHostKey(t, jose.EdDSA, "")
	set := s.handOff(t, k)
	late, last := s.begin(t, sso.BeginRequest{}), s.begin(t, sso.BeginRequest{})
	s.add(10*time.Minute - 1)
	arrival, err := s.HandOff(t.Context(), s.id, k.sign(t, s.claims(last), nil))
	if err != nil {
		t.Fatal(err)
	}
	s.add(1)
	s.refused(t, set, "after ten minutes", k.sign(t, s.claims(late), nil), "nonce")
	if _, err := s.Redeem(t.Context(), s.id, last.Secret, arrival.Ticket); !errors.Is(err, sso.ErrVisit) {
		t.Errorf("redeemed after ten minutes: %v", err)
	}
}

func FuzzHandOff(f *testing.F) {
	f.Add("a.b.c")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA"}`)) + ".e30.AAAA")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","crit":["b64"],"b64":false}`)) + "..")
	f.Fuzz(func(t *testing.T, token string) {
		if err := sso.Inspect(token); err != nil && !errors.Is(err, sso.ErrRefused) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
