package demohost

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden pages anew")

const testKey = "hostkey_of_the_test"

// bench is the site with a chat beside it that answers as openapi.yaml says.
type bench struct {
	site   *Site
	demo   *httptest.Server
	public ed25519.PublicKey
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// chatOrigin stands in golden pages; the client is led to the test's server.
const chatOrigin = "http://demo.localhost:8701"

func newBench(t *testing.T, chat http.Handler) *bench {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	site, err := New(Config{Chat: chatOrigin, APIKey: testKey, Issuer: "kettle-row",
		Audience: "tnt_test", Key: key, KeyID: "k1", Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	site.api.http.Transport = roundTrip(func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		chat.ServeHTTP(w, r)
		return w.Result()
	})
	demo := httptest.NewServer(site.Handler())
	t.Cleanup(demo.Close)
	return &bench{site, demo, public}
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// chat is the API for hosts as far as the demo host uses it: mira has a device,
// the others have none.
func chat(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/members", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in) != 1 || in["subject"] == "" {
			t.Errorf("received %v, %v", in, err)
		}
		answer(w, http.StatusOK, map[string]any{"id": "acct_" + in["subject"], "status": "active"})
	})
	mux.HandleFunc("GET /api/v1/members/{member}/profile", func(w http.ResponseWriter, r *http.Request) {
		var link *string
		if text := chatOrigin + "/i/AAAAAAAAAAAAAAAAAAAAAA#BBBBBBBBBBBBBBBBBBBBBB"; r.PathValue("member") == "acct_m-1042" {
			link = &text
		}
		answer(w, http.StatusOK, map[string]any{"id": "prof_1", "invite": map[string]any{"link": link}})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testKey {
			t.Error("no API key")
		}
		mux.ServeHTTP(w, r)
	})
}

var down = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusServiceUnavailable, map[string]string{"code": "unavailable"})
})

// get returns a page as a member sees it, "" as a stranger.
func (b *bench) get(t *testing.T, path, member string) (status int, page string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.demo.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if member != "" {
		request.AddCookie(&http.Cookie{Name: memberCookie, Value: member})
	}
	return b.send(t, request)
}

func (b *bench) send(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if at := response.Header.Get("Location"); at != "" {
		return response.StatusCode, at
	}
	return response.StatusCode, string(body)
}

func (b *bench) post(t *testing.T, path, contentType, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.demo.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	return b.send(t, request)
}

func TestPages(t *testing.T) {
	t.Parallel()
	up, down := newBench(t, chat(t)), newBench(t, down)
	for _, page := range []struct {
		name, path, member string
		bench              *bench
		status             int
	}{
		{"street", "/", "", up, 200},
		{"member", "/members/mira", "tomas", up, 200},
		{"member-own", "/members/mira", "mira", up, 200},
		{"member-without-device", "/members/yuki", "", up, 200},
		{"member-own-without-device", "/members/yuki", "yuki", up, 200},
		{"member-chat-down", "/members/mira", "", down, 200},
		{"sign-in", "/sign-in?next=/members/mira", "", up, 200},
		{"sign-in-for-chat", "/sign-in?next=/chat/sign-in%3Fnonce%3Dn", "", up, 200},
		{"missing", "/members/nobody", "", up, 404},
		{"hand-off-without-nonce", HandOffPath, "mira", up, 400},
	} {
		t.Run(page.name, func(t *testing.T) {
			t.Parallel()
			status, body := page.bench.get(t, page.path, page.member)
			if status != page.status {
				t.Fatalf("status %d, expected %d", status, page.status)
			}
			checkPage(t, body)
			golden(t, page.name, body)
		})
	}
}

func golden(t *testing.T, name, page string) {
	t.Helper()
	path := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != page {
		t.Errorf("differs from %s (%v); look at it and run with -update:\n%s", path, err, page)
	}
}

// checkPage holds a page to what each must have: one heading of the first rank, a
// language, a title, no id twice, a name for each picture, field and link, and no
// style or script in the page, which the policy would refuse.
func checkPage(t *testing.T, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	count, ids := map[string]int{}, map[string]int{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id, ok := attribute(n, "id"); ok {
			ids[id]++
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has %s in the page", n.Data, a.Key)
			}
		}
		checkElement(t, n)
	}
	for _, once := range []string{"h1", "main", "title"} {
		if count[once] != 1 {
			t.Errorf("expected one <%s>, found %d", once, count[once])
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("the id %q stands %d times", id, n)
		}
	}
}

func checkElement(t *testing.T, n *html.Node) {
	t.Helper()
	switch n.Data {
	case "html":
		if lang, _ := attribute(n, "lang"); lang == "" {
			t.Error("no language")
		}
	case "img":
		if alt, _ := attribute(n, "alt"); alt == "" {
			t.Error("a picture has no words")
		}
	case "svg":
		if hidden, _ := attribute(n, "aria-hidden"); hidden != "true" {
			t.Error("a drawing is not hidden from screen readers")
		}
	case "a", "button":
		if strings.TrimSpace(text(n)) == "" {
			t.Errorf("<%s> has no words", n.Data)
		}
	case "script":
		if src, _ := attribute(n, "src"); src == "" {
			t.Error("a script stands in the page")
		}
	case "style":
		t.Error("a style stands in the page")
	}
}

func attribute(n *html.Node, key string) (string, bool) {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
	if i < 0 {
		return "", false
	}
	return n.Attr[i].Val, true
}

// text is what a screen reader says of an element.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
		if alt, ok := attribute(d, "alt"); ok {
			b.WriteString(alt)
		}
	}
	return b.String()
}

func TestSignInAndHandOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, chat(t))
	wanted := HandOffPath + "?nonce=AAAA-nonce_0123456789"
	status, at := b.get(t, wanted, "")
	if want := "/sign-in?next=" + url.QueryEscape(wanted); status != 303 || at != want {
		t.Fatalf("a stranger is sent to %d %q, expected %q", status, at, want)
	}
	status, at = b.post(t, "/sign-in", "application/x-www-form-urlencoded", url.Values{"member": {"leila"}, "next": {wanted}}.Encode())
	if status != 303 || at != wanted {
		t.Fatalf("after signing in: %d %q", status, at)
	}
	status, page := b.get(t, wanted, "leila")
	if status != 200 {
		t.Fatalf("the hand-off's page: %d", status)
	}
	checkPage(t, page)
	action, token := form(t, page)
	if action != chatOrigin+tokenPath {
		t.Errorf("posts to %q", action)
	}
	b.checkToken(t, token, "leila", "AAAA-nonce_0123456789")
}

// form finds the hand-off's form.
func form(t *testing.T, page string) (action, token string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if id, _ := attribute(n, "id"); n.Data == "form" && id == "hand-off" {
			action, _ = attribute(n, "action")
		}
		if name, _ := attribute(n, "name"); n.Data == "input" && name == tokenField {
			token, _ = attribute(n, "value")
		}
	}
	return action, token
}

func (b *bench) checkToken(t *testing.T, text, member, nonce string) {
	t.Helper()
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if h := token.Headers[0]; h.KeyID != "k1" {
		t.Errorf("kid %q", h.KeyID)
	}
	var claims jwt.Claims
	var more struct {
		Nonce string `json:"nonce"`
	}
	if err := token.Claims(b.public, &claims, &more); err != nil {
		t.Fatal(err)
	}
	if m, ok := find(member); !ok || claims.Subject != m.Subject || more.Nonce != nonce || claims.Issuer != "kettle-row" || !slices.Equal(claims.Audience, jwt.Audience{"tnt_test"}) {
		t.Errorf("claims %+v, nonce %q", claims, more.Nonce)
	}
	if !claims.IssuedAt.Time().Equal(noon) || claims.Expiry.Time().Sub(noon) > time.Minute || len(claims.ID) < 16 {
		t.Errorf("times or id: %+v", claims)
	}
}

func TestHandOffForScripts(t *testing.T) {
	t.Parallel()
	b := newBench(t, chat(t))
	status, body := b.post(t, ScriptPath, "application/json", `{"member":"samir","nonce":"n-1"}`)
	var out HandOff
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || out.Action != chatOrigin+tokenPath {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	b.checkToken(t, out.Fields[tokenField], "samir", "n-1")
	for _, bad := range []struct {
		kind, body string
		status     int
	}{
		{"text/plain", `{"member":"samir","nonce":"n"}`, 415},
		{"application/json", `{"member":"nobody","nonce":"n"}`, 422},
		{"application/json", `{"member":"samir","nonce":""}`, 422},
		{"application/json", `{"member":"samir","nonce":"` + strings.Repeat("n", maxNonce+1) + `"}`, 422},
		{"application/json", `{"member":"samir","nonce":"a\nb"}`, 422},
		{"application/json", `{"member":"samir","nonce":"n","more":1}`, 400},
		{"application/json", `[]`, 400},
		{"application/json", strings.Repeat(" ", maxBody+1), 400},
	} {
		if status, body := b.post(t, ScriptPath, bad.kind, bad.body); status != bad.status || strings.Contains(body, "fields") {
			t.Errorf("%.60s as %s: %d %s, expected %d", bad.body, bad.kind, status, body, bad.status)
		}
	}
}

// After signing in one stays on this site, whatever a link says.
func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{"/members/mira": "/members/mira", "": "/", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/"} {
		if got := localPath(next); got != want {
			t.Errorf("%q: %q, expected %q", next, got, want)
		}
	}
}

// The site is for this machine: another name in the address, as in a rebinding
// attack, and forms of other sites are refused.
func TestOnlyThisMachine(t *testing.T) {
	t.Parallel()
	b := newBench(t, chat(t))
	for host, want := range map[string]int{"localhost:8700": 200, "127.0.0.1": 200, "kettle.localhost": 200, "evil.example": 421, "localhost.evil.example:8700": 421} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.demo.URL+"/", nil)
		request.Host = host
		if status, _ := b.send(t, request); status != want {
			t.Errorf("%s: %d, expected %d", host, status, want)
		}
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.demo.URL+"/sign-in", strings.NewReader("member=mira"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _ := b.send(t, request); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
	if status, _ := b.post(t, "/sign-in", "application/x-www-form-urlencoded", "member=nobody"); status != 422 {
		t.Errorf("an unknown member: %d", status)
	}
}

// A link that is not the chat's goes into no page.
func TestForeignLinkIsNotShown(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"javascript:alert(1)", "https://evil.example/i/A#B", chatOrigin + ".evil.example/i/A#B"} {
		if shown, err := newClient(chatOrigin, testKey).shown(link); err == nil {
			t.Errorf("%q is shown as %v", link, shown)
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	b := newBench(t, chat(t))
	for _, path := range []string{stylePath, scriptPath, iconPath} {
		if status, body := b.get(t, path, ""); status != 200 || body == "" {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := b.get(t, "/static/other.css", ""); status != 404 {
		t.Errorf("another file: %d", status)
	}
}
