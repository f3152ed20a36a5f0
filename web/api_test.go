package web_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
)

func (p *place) keyWithout(scope string) string {
	var scopes []apikey.Scope
	for _, s := range apikey.Scopes() {
		if string(s) != scope {
			scopes = append(scopes, s)
		}
	}
	p.keyring.Lock()
	defer p.keyring.Unlock()
	if p.lacking == nil {
		p.lacking = map[string]string{}
	}
	if p.lacking[scope] == "" {
		p.lacking[scope] = p.newKey(scopes...)
	}
	return p.lacking[scope]
}

// API-04: a revoked key ends with the next request.
func (p *place) revokedKey() (text string) {
	p.Helper()
	p.in(func(tx tenant.Tx) error {
		key, token, err := p.keys.Create(p.Context(), tx, "old", apikey.Scopes(), time.Time{})
		if err != nil {
			return err
		}
		text = token.Reveal()
		return p.keys.Revoke(p.Context(), tx, key.ID)
	})
	return text
}

// state is every row of the tenant that the API could change, in words. It reads
// as the superuser.
func (p *place) state() string {
	p.Helper()
	conn, err := pgx.Connect(p.Context(), database.AdminURL())
	must(p, err)
	defer conn.Close(context.Background())
	var out strings.Builder
	for _, table := range []string{"account", "session", "profile", "invite", "webhook_endpoint", "outbox", "idempotency"} {
		var rows string
		must(p, conn.QueryRow(p.Context(), `select coalesce(string_agg(r::text, ';' order by r::text), '') from `+table+` r where tenant_id = $1`, p.tenant).Scan(&rows))
		fmt.Fprintf(&out, "%s:%s\n", table, rows)
	}
	return out.String()
}

// API-06: a repetition gets the first answer; another body, another route or
// another key under the same name is no repetition.
func TestIdempotency(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	other, _ := p.member("other")
	path := "/members/" + owner.String() + "/invites"
	const once = "Idempotency-Key: order-17"
	var wg sync.WaitGroup
	answers := make([]answer, 20)
	for i := range answers {
		wg.Go(func() { answers[i] = p.api("POST", path, `{"label":"desk"}`, once) })
	}
	wg.Wait()
	fresh := 0
	for _, a := range answers {
		if a.status != 201 || a.body != answers[0].body {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a.header.Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d of 20 were the first", fresh)
	}
	if a := p.api("POST", path, `{"label":"door"}`, once); a.status != 422 || a.json(t)["code"] != "idempotency_key_reused" {
		t.Errorf("another body: %d %s", a.status, a.body)
	}
	if a := p.api("POST", "/members/"+other.String()+"/invites", `{"label":"desk"}`, once); a.status != 422 {
		t.Errorf("another member: %d %s", a.status, a.body)
	}
	if a := p.api("POST", "/members", `{"subject":"x"}`, once); a.status != 200 {
		t.Errorf("another route: %d %s", a.status, a.body)
	}
	again := p.do("POST", "/api/v1"+path, `{"label":"desk"}`, once, "Content-Type: application/json", "Authorization: Bearer "+p.newKey(apikey.Scopes()...))
	if again.status != 201 || again.body == answers[0].body {
		t.Errorf("another caller: %d", again.status)
	}
	for _, bad := range []string{"", " ", strings.Repeat("k", 65), "a b", "ä"} {
		if a := p.api("POST", path, `{}`, "Idempotency-Key: "+bad); bad != "" && bad != " " && a.status != 422 {
			t.Errorf("%q: %d", bad, a.status)
		}
	}
	if a := p.api("POST", path, `{}`, "Idempotency-Key: a", "Idempotency-Key: b"); a.status != 422 {
		t.Errorf("two keys: %d", a.status)
	}
	// A request that failed leaves no note.
	if a := p.api("POST", path, `{"max_uses":0}`, "Idempotency-Key: retry"); a.status != 422 {
		t.Fatalf("%d", a.status)
	}
	if a := p.api("POST", path, `{"max_uses":1}`, "Idempotency-Key: retry"); a.status != 201 {
		t.Errorf("after a failure: %d %s", a.status, a.body)
	}
	// INV-09: kept answers hold no link for whoever has the database.
	link := answers[0].json(t)["link"].(string)
	token := link[strings.Index(link, "/i/")+3:][:22]
	if strings.Contains(p.state(), token) || strings.Contains(p.state(), fmt.Sprintf("%x", token)) {
		t.Error("the database holds a link")
	}
}

// API-12: what is not exactly a request is refused, with the field.
func TestStrictJSON(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	for body, field := range map[string]string{
		`{"subject":"a","subject":"b"}`:         "subject",
		`{"Subject":"a"}`:                       "Subject",
		`{"subject":"a","admin":true}`:          "admin",
		`{"subject":1}`:                         "subject",
		`{"subject":{"a":1}}`:                   "subject",
		`{"subject":["a"]}`:                     "subject",
		`{"subject":"a"}{}`:                     "body",
		`{"subject":"a"`:                        "body",
		`["subject"]`:                           "body",
		`"subject"`:                             "body",
		`null`:                                  "body",
		``:                                      "body",
		`{"subject":` + strings.Repeat("[", 50): "body",
		"{\"subject\":\"a\xff\"}\x00":           "body",
	} {
		a := p.do("POST", "/api/v1/members", body, "Content-Type: application/json", "Authorization: Bearer "+p.key)
		if a.status != 422 || a.json(t)["field"] != field {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		if a := p.do("POST", "/api/v1/members", `{"subject":"a"}`, "Content-Type: "+kind, "Authorization: Bearer "+p.key); a.status != 415 {
			t.Errorf("%q: %d", kind, a.status)
		}
	}
	for _, subject := range []string{"", strings.Repeat("s", 256)} {
		if a := p.api("POST", "/members", `{"subject":"`+subject+`"}`); a.status != 422 {
			t.Errorf("a subject of %d bytes: %d", len(subject), a.status)
		}
	}
	owner, _ := p.member("owner")
	before := p.state()
	for _, body := range []string{`{"max_uses":0}`, `{"max_uses":-1}`, `{"max_uses":1e3}`, `{"max_uses":1.5}`, `{"max_uses":"1"}`, `{"max_uses":1000001}`,
		`{"max_uses":99999999999999999999}`, `{"expires_in":0}`, `{"expires_in":315360001}`, `{"label":"` + strings.Repeat("l", 65) + `"}`, `{"label":"a\u0000b"}`,
		`{"label":"\u202e"}`, `{"tenant_id":"x"}`} {
		if a := p.api("POST", "/members/"+owner.String()+"/invites", body); a.status != 422 || a.json(t)["field"] == nil {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := p.api("DELETE", "/members/"+owner.String(), `{}`); a.status != 422 {
		t.Errorf("a body on DELETE: %d", a.status)
	}
	if p.state() != before {
		t.Error("a refused request changed something")
	}
}

// API-05: pages cover everything once, and a cursor is of use in its list only.
func TestPages(t *testing.T) {
	b := newBench(t)
	p, other := b.place(".example"), b.place(".example")
	owner, _ := p.member("owner")
	second, _ := p.member("second")
	foreigner, _ := other.member("owner")
	path := "/members/" + owner.String() + "/invites"
	p.invite(owner)
	for range 6 {
		p.api("POST", path, `{}`)
	}
	seen, cursor := map[string]bool{}, ""
	for range 5 {
		page := p.api("GET", path+"?limit=3"+cursor, "").json(t)
		for _, i := range page["invites"].([]any) {
			seen[i.(map[string]any)["id"].(string)] = true
		}
		next, more := page["next_cursor"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if len(seen) != 7 {
		t.Errorf("pages show %d of 7", len(seen))
	}
	good := strings.TrimPrefix(cursor, "&cursor=")
	for name, a := range map[string]answer{
		"another member's list": p.api("GET", "/members/"+second.String()+"/invites?cursor="+good, ""),
		"another tenant's":      other.api("GET", "/members/"+foreigner.String()+"/invites?cursor="+good, ""),
		"one bit off":           p.api("GET", path+"?cursor=B"+good[1:], ""),
		"cut":                   p.api("GET", path+"?cursor="+good[:10], ""),
		"made up":               p.api("GET", path+"?cursor="+strings.Repeat("A", 43), ""),
		"twice":                 p.api("GET", path+"?cursor="+good+"&cursor="+good, ""),
		"limit 0":               p.api("GET", path+"?limit=0", ""),
		"limit 101":             p.api("GET", path+"?limit=101", ""),
		"limit +1":              p.api("GET", path+"?limit=%2B1", ""),
		"limit words":           p.api("GET", path+"?limit=all", ""),
		"other parameter":       p.api("GET", path+"?sort=label", ""),
	} {
		if a.status != 422 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// The ends of a member reach its sockets, and only once they are committed.
func TestSuspendCutsSockets(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, token := p.member("owner")
	if a := p.api("POST", "/members/"+owner.String()+"/suspend", `{"x":1}`); a.status != 422 || len(b.cuts) != 0 {
		t.Fatalf("%d, %d cuts", a.status, len(b.cuts))
	}
	if a := p.api("POST", "/members/"+owner.String()+"/suspend", ""); a.status != 200 || a.json(t)["status"] != "suspended" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if len(b.cuts) != 1 || b.cuts[0] != owner {
		t.Errorf("cuts: %v", b.cuts)
	}
	if a := p.do("GET", "/client/v1/me", "", "Authorization: Bearer "+token.Reveal()); a.status != 401 {
		t.Errorf("a suspended member's session: %d", a.status)
	}
}

func TestQRCodes(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	i := p.invite(owner)
	public := "/i/" + i.Token.Text() + "/qr."
	svg := p.do("GET", public+"svg", "")
	if svg.status != 200 || svg.header.Get("Content-Type") != "image/svg+xml" || svg.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("%d %v", svg.status, svg.header)
	}
	if a := p.do("GET", public+"svg", "", "If-None-Match: "+svg.header.Get("ETag")); a.status != 304 || a.body != "" {
		t.Errorf("again: %d", a.status)
	}
	hosts := p.api("GET", "/members/"+owner.String()+"/invites/"+i.ID.String()+"/qr.svg", "")
	if hosts.body != svg.body {
		t.Error("the host's code is another one")
	}
	if a := p.do("GET", public+"png?size=300&color=123456&background=fafafa&margin=6", ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	} else if picture, err := png.Decode(bytes.NewReader([]byte(a.body))); err != nil || picture.Bounds().Dx() != 300 {
		t.Errorf("%v", err)
	}
	for query, field := range map[string]string{"size=63": "size", "size=2049": "size", "size=-1": "size", "size=1e3": "size", "size=64": "size", "margin=3": "margin",
		"margin=17": "margin", "color=zzzzzz": "color", "color=red": "color", "color=ffffff": "color", "color=888888&background=999999": "color",
		"color=ffffff&background=000000": "color", "background=000000": "color", "colour=000000": "colour", "size=100&size=200": "size", "color=%3Cscript%3E": "color"} {
		a := p.do("GET", public+"png?"+query, "")
		if a.status != 422 || a.json(t)["field"] != field || a.json(t)["expected"] == "" {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	// Without a device there is no link.
	a := p.api("POST", "/members", `{"subject":"new"}`).json(t)
	profile := p.api("GET", "/members/"+a["id"].(string)+"/profile", "").json(t)["invite"].(map[string]any)
	if profile["link"] != nil {
		t.Errorf("a link without a device: %v", profile["link"])
	}
	if a := p.api("GET", "/members/"+a["id"].(string)+"/invites/"+profile["id"].(string)+"/qr.svg", ""); a.status != 409 {
		t.Errorf("a code without a device: %d", a.status)
	}
}

// API-07: requests bent at random get an answer of the contract, never a fault.
func TestMutatedRequests(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	c := readContract(t)
	owner, _ := p.member("owner")
	ids := map[string]string{"member": owner.String(), "invite": p.invite(owner).ID.String()}
	for name, id := range madeUp {
		if ids[name] == "" {
			ids[name] = id
		}
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	junk := []string{"\x00", "'", `"`, "{", "[", "%", "../", "\u202e", "9999999999999999999999", "-1", "null", "true", "<script>", "A", "\xff", ";", "--"}
	bend := func(s string) string {
		at := random.IntN(len(s) + 1)
		return s[:at] + junk[random.IntN(len(junk))] + s[min(len(s), at+random.IntN(3)):]
	}
	for _, o := range c.operations() {
		if o.method == "DELETE" {
			continue // the member must live on
		}
		for range rounds {
			path, body := fill(o.pattern, ids), bodyFor(o.method, o.pattern)
			if random.IntN(2) == 0 {
				path = escape(bend(path))
			} else {
				body = bend(body)
			}
			a := p.do(o.method, "/api/v1"+path, body, "Content-Type: application/json", "Authorization: Bearer "+p.key)
			if a.status >= 500 || a.status < 200 {
				t.Fatalf("seed %d: %s %q %q: %d %s", seed, o.method, path, body, a.status, a.body)
			}
		}
	}
	if strings.Contains(b.log.String(), `"msg":"panic"`) {
		t.Errorf("seed %d: a handler panicked", seed)
	}
}

func escape(path string) string {
	var out strings.Builder
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '%' || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
