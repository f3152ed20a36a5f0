package web_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/words"
)

// A member comes by an invite, signs in through the host, and is brought back.
func TestSignInFromInvite(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	path := "/i/" + p.invite(owner).Token.Text()
	visitor := p.browser()
	landing := visitor.send("GET", path, "")
	if landing.status != 200 || !strings.Contains(landing.body, `action="`+path+`"`) {
		t.Fatalf("%d %s", landing.status, landing.body)
	}
	if csp := landing.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https:") {
		t.Errorf("the form's redirect is blocked: %s", csp)
	}
	begun := visitor.send("POST", path, "", "Sec-Fetch-Site: same-origin")
	login := begun.header.Get("Location")
	if begun.status != 303 || !strings.HasPrefix(login, "https://members.example/login?nonce=") {
		t.Fatalf("%d %s", begun.status, login)
	}
	arrived := visitor.handOff(visitor.word("visitor", nonceOf(t, login)))
	if arrived.status != 303 || arrived.header.Get("Location") != "/login/finish" {
		t.Fatalf("%d %s", arrived.status, arrived.body)
	}
	finished := visitor.send("GET", "/login/finish", "")
	if finished.status != 303 || finished.header.Get("Location") != path {
		t.Fatalf("%d %v", finished.status, finished.header)
	}
	checkSessionCookie(t, finished, "__Host-session", true)
	if again := visitor.send("GET", path, ""); again.status != 200 || !strings.Contains(again.body, words.All()[0].Invite.SignedIn) {
		t.Errorf("back at the invite: %d", again.status)
	}
	if again := visitor.send("GET", "/login/finish", ""); again.status != 410 {
		t.Errorf("finishing again: %d", again.status)
	}
}

// WEB-07: the session's cookie is pinned to the host and out of scripts' reach.
func checkSessionCookie(t *testing.T, a answer, name string, secure bool) {
	t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if !strings.HasSuffix(c.Name, "session") {
			continue
		}
		if c.Name != name || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s", c.Raw)
		}
		return
	}
	t.Error("no session cookie")
}

func TestLocalhostCookie(t *testing.T) {
	b := newBench(t)
	p := b.place(".localhost")
	visitor := p.browser()
	a := visitor.send("POST", "/sign-in", "")
	a = visitor.handOff(visitor.word("v", nonceOf(t, a.header.Get("Location"))))
	a = visitor.send("GET", "/login/finish", "")
	checkSessionCookie(t, a, "session", false)
}

// Whoever plants a ticket on a browser, or lures it through a visit of his own,
// signs nobody in: both secrets must meet in one browser.
func TestLoginForgery(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	attacker, victim := p.browser(), p.browser()
	begun := attacker.send("POST", "/sign-in", "")
	word := p.word("attacker", nonceOf(t, begun.header.Get("Location")))
	victim.handOff(word) // the victim's browser gets the ticket of the attacker's visit
	if a := victim.send("GET", "/login/finish", ""); a.status != 410 {
		t.Errorf("a planted ticket: %d", a.status)
	}
	victim.send("POST", "/sign-in", "")
	if a := victim.send("GET", "/login/finish", ""); a.status != 410 {
		t.Errorf("a planted ticket beside a visit of one's own: %d", a.status)
	}
	if a := attacker.send("GET", "/login/finish", ""); a.status != 410 {
		t.Errorf("the visit without its ticket: %d", a.status)
	}
	if a := victim.handOff(word); a.status != 403 {
		t.Errorf("a replayed word: %d", a.status)
	}
}

// WEB-06: a session that was there before a login ends with it.
func TestLoginRenewsSession(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	visitor := p.browser()
	visitor.signIn("member")
	old := sessionOf(t, visitor)
	visitor.signIn("member")
	if sessionOf(t, visitor) == old {
		t.Error("the session kept its token")
	}
	token, err := account.ParseToken(old)
	must(t, err)
	if _, err := b.accounts.Authenticate(t.Context(), p.tenant, token); err == nil {
		t.Error("the session before the login is alive")
	}
}

func sessionOf(t *testing.T, b *browser) string {
	t.Helper()
	for _, c := range b.jar.Cookies(b.origin()) {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	t.Fatal("no session")
	return ""
}

// WEB-05: every form is refused from another site, and the session's forms
// without the session's own token.
func TestForms(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	path := "/i/" + p.invite(owner).Token.Text()
	member, other := p.browser(), p.browser()
	member.signIn("member")
	other.signIn("other")
	foreign := tokenIn(t, other.send("GET", "/", "").body)
	own := tokenIn(t, member.send("GET", "/", "").body)
	for _, route := range []string{"/sign-in", path, "/sign-out", "/enter", "/client/v1/tickets", "/client/v1/visits", "/client/v1/sign-out", "/api/v1/members"} {
		for _, with := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			if a := member.send("POST", route, url.Values{"form_token": {own}}.Encode(), with); a.status != 403 {
				t.Errorf("POST %s with %s: %d", route, with, a.status)
			}
		}
	}
	for name, form := range map[string]string{"none": "", "another's": foreign, "empty": " "} {
		if a := member.send("POST", "/sign-out", url.Values{"form_token": {form}}.Encode()); a.status != 403 {
			t.Errorf("signing out with token %s: %d", name, a.status)
		}
	}
	if a := member.send("GET", "/", ""); !strings.Contains(a.body, own) {
		t.Fatal("the member is signed out")
	}
	if a := member.send("POST", "/sign-out", url.Values{"form_token": {own}}.Encode(), "Sec-Fetch-Site: same-origin"); a.status != 303 || a.header.Get("Clear-Site-Data") == "" {
		t.Errorf("signing out: %d", a.status)
	}
	if a := member.send("GET", "/", ""); formToken.MatchString(a.body) {
		t.Error("still signed in")
	}
}

// A terminal begins, a browser proves, the code joins the two.
func TestTerminalSignIn(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	visit := p.do("POST", "/client/v1/visits", "").json(t)
	poll := func() answer {
		return p.do("POST", "/client/v1/visits/poll", `{"secret":"`+visit["secret"].(string)+`"}`, "Content-Type: application/json")
	}
	if a := poll(); a.status != 202 || a.json(t)["status"] != "pending" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	browser := p.browser()
	a := browser.handOff(p.word("member", nonceOf(t, visit["login_url"].(string))))
	if a.status != 303 || a.header.Get("Location") != "/enter" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	page := browser.send("GET", "/enter", "")
	form := func(code string) string {
		return url.Values{"form_token": {tokenIn(t, page.body)}, "code": {code}}.Encode()
	}
	if a := browser.send("POST", "/enter", url.Values{"code": {visit["code"].(string)}}.Encode()); a.status != 403 {
		t.Errorf("without the form's token: %d", a.status)
	}
	typed := `BCDF"><b>`
	if a := browser.send("POST", "/enter", form(typed)); a.status != 422 || !strings.Contains(a.body, html.EscapeString(typed)) || strings.Contains(a.body, "<b>") {
		t.Errorf("a wrong code: %d %s", a.status, a.body)
	}
	if a := poll(); a.status != 202 {
		t.Errorf("before the code: %d", a.status)
	}
	code := strings.ToLower(strings.ReplaceAll(visit["code"].(string), "-", " "))
	if a := browser.send("POST", "/enter", form(code)); a.status != 303 || a.header.Get("Location") != "/enter/done" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	done := poll()
	token, _ := done.json(t)["token"].(string)
	if done.status != 200 || token == "" {
		t.Fatalf("%d %s", done.status, done.body)
	}
	me := p.do("GET", "/client/v1/me", "", "Authorization: Bearer "+token)
	if me.status != 200 || me.json(t)["device"] != 0.0 || me.json(t)["tenant"] != p.tenant.String() {
		t.Errorf("%d %s", me.status, me.body)
	}
	if a := poll(); a.status != 410 {
		t.Errorf("a second token: %d", a.status)
	}
	if a := p.do("POST", "/client/v1/sign-out", "", "Authorization: Bearer "+token); a.status != 204 {
		t.Errorf("sign out: %d", a.status)
	}
	if a := p.do("GET", "/client/v1/me", "", "Authorization: Bearer "+token); a.status != 401 {
		t.Errorf("signed out: %d", a.status)
	}
}

// SSO-22 and WEB-12: whatever is asked for, a login ends on the same origin.
func TestReturnStaysHere(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	for _, bad := range []string{"//evil.example", `/\evil.example`, "/%09/evil.example", "https:evil.example", "javascript:alert(1)",
		"/i/x@evil.example//y", "/i/\u3002", "/i/x%0d%0aLocation:%20https://evil.example", "/i/../x", "/%2f/evil.example"} {
		escaped := strings.NewReplacer("\\", "%5c", "\u3002", "%E3%80%82").Replace(bad)
		if !strings.HasPrefix(escaped, "/") {
			escaped = "/i/" + url.PathEscape(escaped)
		}
		a := p.do("POST", escaped, "")
		if a.status == 303 || a.header.Get("Location") != "" {
			t.Errorf("%s leads to %s", bad, a.header.Get("Location"))
		}
		if a := p.do("GET", "/login/finish?return_to="+url.QueryEscape(bad), ""); a.header.Get("Location") != "" {
			t.Errorf("%s as a query leads to %s", bad, a.header.Get("Location"))
		}
	}
}

// INV-04, INV-17, WEB-26: the landing page loads nothing from elsewhere, has no
// script, and shows nothing of the member.
func TestLandingPageShowsNothing(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner-subject-canary")
	i := p.invite(owner)
	for _, language := range []string{"en", "de", "es", "fr", "ar"} {
		a := p.do("GET", "/i/"+i.Token.Text(), "", "Accept: text/html", "Accept-Language: "+language)
		for _, no := range []string{"<script", "style=", "javascript:", "http://", "https://", "canary", owner.String(), i.ID.String(), i.Profile.String(), "sotto", "Sotto"} {
			if strings.Contains(a.body, no) {
				t.Errorf("%s: the page holds %q", language, no)
			}
		}
		if !strings.Contains(a.body, `lang="`+language+`"`) || strings.Contains(a.body, `dir="rtl"`) != (language == "ar") {
			t.Errorf("%s: wrong language or direction", language)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"} {
			if a.header.Get(name) != want {
				t.Errorf("%s: %q", name, a.header.Get(name))
			}
		}
		if cookies := a.header.Values("Set-Cookie"); len(cookies) != 0 {
			t.Errorf("a GET sets cookies: %v", cookies)
		}
	}
}

// INV-13, INV-16, WEB-25: unknown, malformed, revoked, used up, expired, foreign and
// retired all look the same, byte for byte but for the request's number.
func TestInviteRefusalsAreAlike(t *testing.T) {
	b := newBench(t)
	p, other := b.place(".example"), b.place(".example")
	owner, _ := p.member("owner")
	foreigner, _ := other.member("owner")
	var used, revoked, rotated invite.Invite
	p.in(func(tx tenant.Tx) (err error) {
		if used, err = p.invites.Create(t.Context(), tx, owner, &wire.CreateInvite{IdempotencyKey: [16]byte{1}, MaxUses: 1}); err != nil {
			return err
		}
		if err = p.invites.Use(t.Context(), tx, used.ID); err != nil {
			return err
		}
		if revoked, err = p.invites.Create(t.Context(), tx, owner, &wire.CreateInvite{IdempotencyKey: [16]byte{2}}); err != nil {
			return err
		}
		return p.invites.Revoke(t.Context(), tx, owner, revoked.ID)
	})
	rotated = p.invite(owner)
	p.in(func(tx tenant.Tx) error {
		_, err := p.invites.Rotate(t.Context(), tx, owner, rotated.ID, [16]byte{3})
		return err
	})
	suspended, _ := p.member("suspended")
	gone := p.invite(suspended)
	p.in(func(tx tenant.Tx) error { return p.accounts.Suspend(t.Context(), tx, suspended) })
	tokens := map[string]string{"unknown": invite.Token{1}.Text(), "short": "x", "long": strings.Repeat("A", 200), "used": used.Token.Text(),
		"revoked": revoked.Token.Text(), "rotated": rotated.Token.Text(), "suspended": gone.Token.Text(), "foreign": other.invite(foreigner).Token.Text()}
	for _, suffix := range []string{"", "/qr.svg", "/qr.png"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			if method == "POST" && suffix != "" {
				continue
			}
			for _, accept := range []string{"Accept: text/html", "Accept: */*"} {
				want := answer{}
				for name, token := range tokens {
					a := p.do(method, "/i/"+token+suffix, "", accept)
					id := a.header.Get("X-Request-Id")
					a.body = strings.ReplaceAll(a.body, id, "ID")
					a.header.Del("X-Request-Id")
					a.header.Del("Date")
					if want.status == 0 {
						want = a
					}
					if a.status != 404 || a.body != want.body || len(a.header) != len(want.header) {
						t.Errorf("%s %s%s: %d %q %v", method, name, suffix, a.status, a.body, a.header)
					}
				}
			}
		}
	}
}

// INV-01: crawlers use nothing up, whatever they fetch.
func TestGetChangesNothing(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	var once invite.Invite
	p.in(func(tx tenant.Tx) (err error) {
		once, err = p.invites.Create(t.Context(), tx, owner, &wire.CreateInvite{IdempotencyKey: [16]byte{1}, MaxUses: 1})
		return err
	})
	for range 5 {
		for _, method := range []string{"GET", "HEAD"} {
			for _, suffix := range []string{"", "/qr.svg", "/qr.png?size=300"} {
				if a := p.do(method, "/i/"+once.Token.Text()+suffix, ""); a.status != 200 {
					t.Fatalf("%s %s: %d", method, suffix, a.status)
				}
			}
		}
	}
	p.in(func(tx tenant.Tx) error {
		i, err := p.invites.Get(t.Context(), tx, owner, once.ID)
		if i.Uses != 0 {
			t.Errorf("%d uses", i.Uses)
		}
		return err
	})
}

// TI-18: a tenant's cookie and tokens are nothing on another's domain, and a
// request that is not plainly for a tenant's domain gets no data.
func TestForeignHost(t *testing.T) {
	b := newBench(t)
	p, other := b.place(".example"), b.place(".example")
	_, token := p.member("member")
	member := p.browser()
	member.signIn("member")
	session := sessionOf(t, member)
	if a := other.do("GET", "/", "", "Cookie: __Host-session="+session); a.status != 200 || formToken.MatchString(a.body) {
		t.Errorf("a cookie on another tenant's domain: %d", a.status)
	}
	if a := other.do("GET", "/client/v1/me", "", "Authorization: Bearer "+token.Reveal()); a.status != 401 {
		t.Errorf("a bearer on another tenant's domain: %d", a.status)
	}
	for name, with := range map[string][]string{
		"unknown host":    {"Host: nobody.example"},
		"no name":         {"Host: 192.0.2.7"},
		"forwarded":       {"X-Forwarded-Host: " + other.host},
		"forwarded twice": {"X-Forwarded-Host: " + p.host, "X-Forwarded-Host: " + other.host},
		"bad characters":  {"Host: " + p.host + "$"},
		"other port":      {"Host: " + p.host + ":8443"},
	} {
		a := p.do("GET", "/client/v1/me", "", append(with, "Authorization: Bearer "+token.Reveal())...)
		if a.status != 404 || strings.Contains(a.body, p.tenant.String()) || strings.Contains(a.body, other.tenant.String()) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := p.do("GET", "/client/v1/me", "", "X-Forwarded-Host: "+strings.ToUpper(p.host), "Authorization: Bearer "+token.Reveal()); a.status != 200 {
		t.Errorf("the same host, forwarded: %d", a.status)
	}
}
