package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web"
	"github.com/sottochat/sotto/web/auth"
)

// probe mounts handlers that misbehave, as another part's could.
func probe(d *web.Deps) {
	d.Mounts = append(d.Mounts, web.Mount{Prefix: "/probe", MaxBody: 100, Time: 50 * time.Millisecond, Routes: func(g *echo.Group) {
		g.GET("/panic", func(echo.Context) error { panic("canary-panic-value") })
		g.GET("/late", func(c echo.Context) error { <-c.Request().Context().Done(); return c.Request().Context().Err() })
		g.GET("/fault", func(echo.Context) error { return errors.New("canary-fault-text") })
		g.GET("/down", func(echo.Context) error { return tenant.ErrUnavailable })
		g.POST("/body", func(c echo.Context) error {
			_, err := io.ReadAll(c.Request().Body)
			return err
		})
		g.GET("/ip", func(c echo.Context) error { return c.String(200, c.RealIP()) })
	}})
}

// WEB-01: every answer of every route, errors included, carries the headers.
func TestHeadersOnEveryRoute(t *testing.T) {
	b := newBench(t, probe)
	p, local := b.place(".example"), b.place(".localhost")
	routes := 0
	for _, r := range b.server.Routes() {
		path := parameter.ReplaceAllString(r.Path, "x")
		for _, who := range []*place{p, local} {
			for _, accept := range []string{"text/html", "*/*"} {
				a := who.do(r.Method, path, "", "Accept: "+accept)
				checkHeaders(t, r.Method+" "+r.Path, a, who == p)
				routes++
			}
		}
	}
	for _, with := range [][]string{{"Host: nobody.example"}, {"Sec-Fetch-Site: cross-site"}} {
		checkHeaders(t, strings.Join(with, " "), p.do("POST", "/sign-in", "", with...), true)
	}
	if routes < 100 {
		t.Errorf("%d requests", routes)
	}
}

func checkHeaders(t *testing.T, name string, a answer, tls bool) {
	t.Helper()
	h := a.header
	csp := h.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") ||
		strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
		t.Errorf("%s: %d: CSP %q", name, a.status, csp)
	}
	if strings.HasPrefix(h.Get("Content-Type"), "text/html") && !strings.Contains(csp, "require-trusted-types-for 'script'") {
		t.Errorf("%s: a page without Trusted Types", name)
	}
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY"} {
		if h.Get(header) != want {
			t.Errorf("%s: %d: %s is %q", name, a.status, header, h.Get(header))
		}
	}
	if (h.Get("Strict-Transport-Security") != "") != tls {
		t.Errorf("%s: HSTS %q with TLS %v", name, h.Get("Strict-Transport-Security"), tls)
	}
	if len(h.Get("X-Request-Id")) != 16 || h.Get("Server") != "" || h.Get("X-Powered-By") != "" {
		t.Errorf("%s: %v", name, h)
	}
	if cache := h.Get("Cache-Control"); cache != "no-store" && (a.status != 200 || !strings.Contains(cache, "immutable") && !strings.HasPrefix(cache, "private")) {
		t.Errorf("%s: %d: Cache-Control %q", name, a.status, cache)
	}
	if strings.Contains(strings.ToLower(a.body), "sotto") {
		t.Errorf("%s: the answer names the platform", name)
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("API-09: %s", name)
		}
	}
}

// WEB-20, TI-13: a fault tells nothing but its number.
func TestFaultsTellNothing(t *testing.T) {
	b := newBench(t, probe)
	p := b.place(".example")
	for path, status := range map[string]int{"/probe/panic": 500, "/probe/fault": 500, "/probe/late": 503, "/probe/down": 503} {
		for _, accept := range []string{"application/json", "text/html"} {
			a := p.do("GET", path, "", "Accept: "+accept)
			if a.status != status || strings.Contains(a.body, "canary") || !strings.Contains(a.body, a.header.Get("X-Request-Id")) {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
			if (a.header.Get("Retry-After") != "") != (status == 503) {
				t.Errorf("%s: Retry-After %q", path, a.header.Get("Retry-After"))
			}
		}
	}
	if log := b.log.String(); strings.Contains(log, "canary-panic-value") || !strings.Contains(log, "TestFaults") && !strings.Contains(log, "web_test.probe") {
		t.Error("the log holds the panic's value, or not where it happened")
	}
}

// WEB-22: bodies, headers and targets have bounds.
func TestBounds(t *testing.T) {
	b := newBench(t, probe)
	p := b.place(".example")
	long := strings.Repeat("a", 65<<10)
	for name, a := range map[string]answer{
		"json":    p.api("POST", "/members", `{"subject":"`+long+`"}`),
		"form":    p.do("POST", "/login/handoff", "token="+long, "Content-Type: application/x-www-form-urlencoded"),
		"mount":   p.do("POST", "/probe/body", long[:101]),
		"sign-in": p.do("POST", "/sign-in", long),
	} {
		if a.status != 413 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := p.do("POST", "/probe/body", long[:100]); a.status != 200 {
		t.Errorf("at the bound: %d", a.status)
	}
	if a := p.do("GET", "/i/"+long[:5000], ""); a.status != 404 {
		t.Errorf("a long target: %d", a.status)
	}
	if a := p.do("GET", "/", "", "X-Long: "+long); a.status != 431 {
		t.Errorf("a long header: %d", a.status)
	}
	if a := p.do("POST", "/login/handoff", "x", "Content-Type: multipart/form-data; boundary=x"); a.status >= 500 || a.status == 200 {
		t.Errorf("a broken multipart: %d", a.status)
	}
}

// WEB-21: what two parsers could read in two ways is refused.
func TestAmbiguousRequests(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	for name, text := range map[string]string{
		"two lengths":        "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"bad length":         "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1\r\n\r\na",
		"bad coding":         "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"no host":            "GET / HTTP/1.1\r\n\r\n",
		"two hosts":          "GET / HTTP/1.1\r\nHost: HOST\r\nHost: other.example\r\n\r\n",
		"space before colon": "GET / HTTP/1.1\r\nHost: HOST\r\nX-A : b\r\n\r\n",
		"bare CR":            "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\rc\r\n\r\n",
		"absolute address":   "GET http://HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"absolute, foreign":  "GET http://other.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"h2c":                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", b.http.Listener.Addr().String())
		must(t, err)
		_, err = io.WriteString(conn, strings.ReplaceAll(text, "HOST", p.host))
		must(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil && (res.StatusCode < 400 || res.StatusCode >= 600) {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
		conn.Close()
	}
}

// WEB-23: only the operator's proxies say whom they forward for.
func TestForwardedAddress(t *testing.T) {
	direct := newDirect(t)
	p := direct.place(".example")
	spoof := []string{"X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9", "CF-Connecting-IP: 203.0.113.9"}
	if a := p.do("GET", "/probe/ip", "", spoof...); a.body != "127.0.0.1" {
		t.Errorf("believed %s", a.body)
	}
}

func newDirect(t *testing.T) *bench { return newBench(t, probe) }

func TestTrustedProxy(t *testing.T) {
	b := newBench(t, probe, func(d *web.Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	p := b.place(".example")
	if a := p.do("GET", "/probe/ip", "", "X-Forwarded-For: 198.51.100.1, 203.0.113.9"); a.body != "203.0.113.9" {
		t.Errorf("the last that a trusted proxy names: %s", a.body)
	}
}

// OPS-10, API-16: a line of the log has the route and no path, token, query, header,
// address or body, and nobody can add a line.
func TestLogHoldsNothingOfVisitors(t *testing.T) {
	b := newBench(t, probe)
	p := b.place(".example")
	owner, token := p.member("canary-subject")
	i := p.invite(owner)
	visitor := p.browser()
	visitor.signIn("canary-subject-2")
	for _, path := range []string{"/i/" + i.Token.Text(), "/i/canary-token", "/?q=canary-query", "/nowhere/canary-path", "/login/answer?code=canary-code&state=canary-state",
		"/i/" + i.Token.Text() + "/qr.svg?color=canary-color", "/probe/panic", "/probe/fault"} {
		p.do("GET", path, "", "User-Agent: canary-agent\tx", "Referer: https://canary-referer.example/", "Cookie: a=canary-cookie",
			"X-Forwarded-For: 203.0.113.77", "X-Request-Id: canary-id", "Accept-Language: canary")
	}
	p.do("POST", "/login/handoff", url.Values{"token": {"canary.jwt.value"}}.Encode(), "Content-Type: application/x-www-form-urlencoded")
	p.api("POST", "/members", `{"subject":"canary-body"}`)
	p.api("GET", "/members/canary-member", "")
	p.do("CANARY", "/", "")
	p.do("GET", "/client/v1/me", "", "Authorization: Bearer "+token.Reveal())
	log := strings.ReplaceAll(b.log.String(), "canary-fault-text", "") // a fault's own text is the programmer's
	for _, secret := range []string{"canary", "CANARY", i.Token.Text(), token.Reveal(), p.key, owner.String(), "203.0.113", "127.0.0.1", sessionOf(t, visitor)} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.12q", secret)
		}
	}
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	if !strings.Contains(log, `"route":"/i/:token"`) || !strings.Contains(log, p.tenant.String()) {
		t.Error("the log does not say what happened")
	}
}

func TestHealth(t *testing.T) {
	down := false
	b := newBench(t, func(d *web.Deps) {
		d.Ready = func(context.Context) error {
			if down {
				return tenant.ErrUnavailable
			}
			return nil
		}
	})
	p := b.place(".example")
	for _, host := range []string{"Host: 10.0.0.7:8080", "Host: " + p.host} {
		if a := p.do("GET", "/livez", "", host); a.status != 200 {
			t.Errorf("%d", a.status)
		}
		if a := p.do("GET", "/readyz", "", host); a.status != 200 {
			t.Errorf("%d", a.status)
		}
	}
	down = true
	if a := p.do("GET", "/readyz", ""); a.status != 503 || a.body != "not ready\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := p.do("GET", "/livez", ""); a.status != 200 {
		t.Errorf("%d", a.status)
	}
}

// OPS-12: metrics have routes as labels, never what stood in the path.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, func(d *web.Deps) { d.Metrics = registry })
	p := b.place(".example")
	p.do("GET", "/i/canary-token", "")
	p.do("GET", "/canary-nowhere", "")
	p.do("CANARY", "/", "")
	families, err := registry.Gather()
	must(t, err)
	var out bytes.Buffer
	for _, f := range families {
		out.WriteString(f.String())
	}
	if strings.Contains(strings.ToLower(out.String()), "canary") || !strings.Contains(out.String(), "/i/:token") {
		t.Error(out.String())
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if a := p.do("GET", path, ""); a.status != 404 {
			t.Errorf("%s on the public listener: %d", path, a.status)
		}
	}
}

// INV-10, WEB-23: guessing ends in 429 with a time, whatever address a client claims;
// another tenant's visitors feel nothing.
func TestGuessingIsLimited(t *testing.T) {
	b := newBench(t, func(d *web.Deps) {
		start := time.Now()
		d.Limits = limit.NewMemory(func() time.Time { return start })
	})
	p, other := b.place(".example"), b.place(".example")
	refused := 0
	for n := range 210 {
		a := p.do("GET", "/i/"+strings.Repeat("A", 22), "", fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", n), fmt.Sprintf("X-Real-IP: 203.0.113.%d", n))
		switch {
		case a.status == 429 && a.header.Get("Retry-After") != "":
			refused++
		case a.status != 404:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if refused != 10 {
		t.Errorf("%d of 210 refused, the burst is 200", refused)
	}
	if a := other.do("GET", "/i/"+strings.Repeat("A", 22), ""); a.status != 404 {
		t.Errorf("another tenant: %d", a.status)
	}
}

// WEB-22: nobody holds a connection by sending or reading drop by drop.
func TestServerTimes(t *testing.T) {
	t.Parallel()
	s := web.HTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s: %s", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("header: %d bytes", s.MaxHeaderBytes)
	}
}

func TestCanonicalHost(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{"Chat.Example": "chat.example", "chat.example:443": "chat.example", "chat.example:80": "chat.example",
		"chat.example:8443": "chat.example:8443", "": "", "a b": "", "a/b": "", "a@b": "", "ä.example": "", strings.Repeat("a", 300): "", "a\x00": ""} {
		if got := auth.CanonicalHost(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
