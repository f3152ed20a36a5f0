package web_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// node is a part of openapi.yaml.
type node = map[string]any

type contract struct{ root node }

func readContract(t *testing.T) contract {
	t.Helper()
	text, err := os.ReadFile("api/openapi.yaml")
	must(t, err)
	var root node
	must(t, yaml.Unmarshal(text, &root))
	return contract{root}
}

// at follows a path, and a $ref where it leads to one.
func (c contract) at(from any, path ...string) node {
	n, _ := from.(node)
	for _, step := range path {
		n, _ = n[step].(node)
		n = c.follow(n)
	}
	return n
}

func (c contract) follow(n node) node {
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	return c.at(c.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// validate holds a value to a schema; it knows the words that the contract uses
// and fails on any other.
func (c contract) validate(schema node, value any, path string) error {
	schema = c.follow(schema)
	for word := range schema {
		if !slices.Contains([]string{"type", "properties", "required", "additionalProperties", "items", "enum", "pattern", "minimum", "maximum",
			"minLength", "maxLength", "minItems", "description", "default"}, word) {
			return fmt.Errorf("%s: the contract uses %q, which this test does not know", path, word)
		}
	}
	if value == nil {
		if types, ok := schema["type"].([]any); ok && slices.Contains(types, any("null")) {
			return nil
		}
		return fmt.Errorf("%s: null", path)
	}
	switch v := value.(type) {
	case string:
		return c.validateText(schema, v, path)
	case float64:
		low, bounded := schema["minimum"].(int)
		if !hasType(schema, "integer") || v != math.Trunc(v) || bounded && v < float64(low) {
			return fmt.Errorf("%s: %v", path, v)
		}
	case bool:
		if !hasType(schema, "boolean") {
			return fmt.Errorf("%s: a boolean", path)
		}
	case []any:
		if !hasType(schema, "array") {
			return fmt.Errorf("%s: a list", path)
		}
		for i, item := range v {
			if err := c.validate(schema["items"].(node), item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		return c.validateObject(schema, v, path)
	}
	return nil
}

func hasType(schema node, want string) bool {
	types, ok := schema["type"].([]any)
	return schema["type"] == want || ok && slices.Contains(types, any(want))
}

func (c contract) validateText(schema node, v, path string) error {
	if !hasType(schema, "string") {
		return fmt.Errorf("%s: text", path)
	}
	if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
		return fmt.Errorf("%s: %q does not match %s", path, v, pattern)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, any(v)) {
		return fmt.Errorf("%s: %q is none of %v", path, v, enum)
	}
	return nil
}

func (c contract) validateObject(schema node, v map[string]any, path string) error {
	if !hasType(schema, "object") || schema["additionalProperties"] != false {
		return fmt.Errorf("%s: an object that the contract leaves open", path)
	}
	properties := c.at(schema, "properties")
	for _, name := range schema["required"].([]any) {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s: lacks %s", path, name)
		}
	}
	for name, value := range v {
		property, ok := properties[name].(node)
		if !ok {
			return fmt.Errorf("%s: has %s, which the contract does not know", path, name)
		}
		if err := c.validate(property, value, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// check holds an answer to what the contract says of its operation.
func (c contract) check(t *testing.T, method, pattern string, a answer) {
	t.Helper()
	operation := c.at(c.root, "paths", pattern, strings.ToLower(method))
	if operation == nil {
		t.Errorf("%s %s is not in the contract", method, pattern)
		return
	}
	response := c.at(operation, "responses", fmt.Sprint(a.status))
	if response == nil && a.status >= 400 {
		response = c.at(operation, "responses", "default")
	}
	if response == nil {
		t.Errorf("%s %s: %d is not in the contract: %s", method, pattern, a.status, a.body)
		return
	}
	content := c.at(response, "content")
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if content == nil {
		if a.body != "" {
			t.Errorf("%s %s: a body where the contract has none", method, pattern)
		}
		return
	}
	schema := c.at(content, kind, "schema")
	if _, ok := content[kind]; !ok {
		t.Errorf("%s %s: %s is not in the contract", method, pattern, kind)
		return
	}
	if len(schema) == 0 {
		return
	}
	var value any
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		t.Errorf("%s %s: %v", method, pattern, err)
	} else if err := c.validate(schema, value, pattern); err != nil {
		t.Errorf("%s %s: %v", method, pattern, err)
	}
}

var parameter = regexp.MustCompile(`:(\w+)`)

// Every route of the API is in the contract, and the other way round.
func TestContractNamesEveryRoute(t *testing.T) {
	b := newBench(t)
	c := readContract(t)
	var served, told []string
	for _, r := range b.server.Routes() {
		if path, ok := strings.CutPrefix(r.Path, "/api/v1"); ok {
			served = append(served, r.Method+" "+parameter.ReplaceAllString(path, "{$1}"))
		}
	}
	for path, operations := range c.at(c.root, "paths") {
		for method := range operations.(node) {
			told = append(told, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(told)
	if !slices.Equal(served, told) {
		t.Errorf("served %v\ntold   %v", served, told)
	}
}

// story calls every operation once with good input, in an order in which each
// finds what it needs, and gives each answer to see.
func (p *place) story(see func(method, pattern string, a answer)) {
	p.Helper()
	owner, _ := p.member("story")
	ids := map[string]string{"member": owner.String()}
	call := func(method, pattern, body string, want int) answer {
		p.Helper()
		a := p.api(method, fill(pattern, ids), body)
		if a.status != want {
			p.Fatalf("%s %s: %d %s", method, pattern, a.status, a.body)
		}
		see(method, pattern, a)
		return a
	}
	call("GET", "/openapi.yaml", "", 200)
	call("POST", "/members", `{"subject":"story"}`, 200)
	call("GET", "/members/{member}", "", 200)
	call("GET", "/members/{member}/profile", "", 200)
	hook := call("POST", "/webhooks", `{"url":"https://hooks.example/in","events":["invite.created","member.deleted"]}`, 201).json(p)
	ids["webhook"] = hook["id"].(string)
	ids["invite"] = call("POST", "/members/{member}/invites", `{"label":"desk","max_uses":3,"expires_in":3600}`, 201).json(p)["id"].(string)
	call("GET", "/members/{member}/invites", "", 200)
	call("GET", "/members/{member}/invites/{invite}", "", 200)
	call("POST", "/members/{member}/invites/{invite}/rotate", "", 200)
	call("GET", "/members/{member}/invites/{invite}/qr.svg", "", 200)
	call("GET", "/members/{member}/invites/{invite}/qr.png", "", 200)
	call("DELETE", "/members/{member}/invites/{invite}", "", 204)
	call("GET", "/statistics", "", 200)
	call("GET", "/webhooks", "", 200)
	call("GET", "/webhooks/{webhook}", "", 200)
	call("PATCH", "/webhooks/{webhook}", `{"enabled":false}`, 200)
	call("POST", "/webhooks/{webhook}/secret", "", 200)
	ids["delivery"] = call("POST", "/webhooks/{webhook}/ping", "", 202).json(p)["id"].(string)
	call("GET", "/webhooks/{webhook}/deliveries", "", 200)
	see("POST", "/webhooks/{webhook}/deliveries/{delivery}/replay", p.api("POST", fill("/webhooks/{webhook}/deliveries/{delivery}/replay", ids), ""))
	call("DELETE", "/webhooks/{webhook}", "", 204)
	call("POST", "/members/{member}/suspend", "", 200)
	call("POST", "/members/{member}/resume", "", 200)
	call("DELETE", "/members/{member}", "", 204)
}

func fill(pattern string, ids map[string]string) string {
	for name, id := range ids {
		pattern = strings.ReplaceAll(pattern, "{"+name+"}", id)
	}
	return pattern
}

func TestAnswersKeepTheContract(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	c := readContract(t)
	called := map[string]bool{}
	p.story(func(method, pattern string, a answer) {
		called[method+" "+pattern] = true
		c.check(t, method, pattern, a)
	})
	for path, operations := range c.at(c.root, "paths") {
		for method := range operations.(node) {
			if !called[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is not tried", method, path)
			}
		}
	}
}

// operations are those that need a key, with their scope.
func (c contract) operations() (out []struct{ method, pattern, scope string }) {
	for path, operations := range c.at(c.root, "paths") {
		for method, operation := range operations.(node) {
			if scope, ok := operation.(node)["x-scope"].(string); ok {
				out = append(out, struct{ method, pattern, scope string }{strings.ToUpper(method), path, scope})
			}
		}
	}
	return out
}

// madeUp are identifiers of the right form that nobody has.
var madeUp = map[string]string{"member": "acct_" + strings.Repeat("0", 26), "invite": "inv_" + strings.Repeat("0", 26),
	"webhook": "whk_" + strings.Repeat("0", 26), "delivery": "dlv_" + strings.Repeat("0", 26)}

// bodyFor is good input for an operation.
func bodyFor(method, pattern string) string {
	switch method + " " + pattern {
	case "POST /members":
		return `{"subject":"nobody"}`
	case "POST /members/{member}/invites", "PATCH /webhooks/{webhook}":
		return `{}`
	case "POST /webhooks":
		return `{"url":"https://hooks.example/in","events":["invite.created"]}`
	}
	return ""
}

// otherDigit changes the last digit of a key.
func otherDigit(key string) string {
	if strings.HasSuffix(key, "0") {
		return key[:len(key)-1] + "1"
	}
	return key[:len(key)-1] + "0"
}

// Without a key, with one that is none, with another tenant's, a revoked one, and
// with one that lacks the scope: nothing is read, nothing is changed.
func TestCredentialsOnEveryOperation(t *testing.T) {
	b := newBench(t)
	p, other := b.place(".example"), b.place(".example")
	c := readContract(t)
	owner, _ := p.member("owner")
	ids := map[string]string{"member": owner.String(), "invite": p.invite(owner).ID.String()}
	for name, id := range madeUp {
		if ids[name] == "" {
			ids[name] = id
		}
	}
	revoked := p.revokedKey()
	before := p.state()
	for _, o := range c.operations() {
		path, body := "/api/v1"+fill(o.pattern, ids), bodyFor(o.method, o.pattern)
		send := func(authorization ...string) answer {
			with := []string{"Content-Type: application/json"}
			for _, a := range authorization {
				with = append(with, "Authorization: "+a)
			}
			return p.do(o.method, path, body, with...)
		}
		for want, credentials := range map[int][][]string{
			401: {nil, {"Bearer x"}, {"Bearer " + otherDigit(p.key)}, {"Basic " + p.key}, {"Bearer " + p.key, "Bearer " + p.key}},
			404: {{"Bearer " + other.key}, {"Bearer " + revoked}},
			403: {{"Bearer " + p.keyWithout(o.scope)}},
		} {
			for _, credential := range credentials {
				a := send(credential...)
				if a.status != want {
					t.Errorf("%s %s with %d credentials: %d, want %d", o.method, o.pattern, len(credential), a.status, want)
				}
				c.check(t, o.method, o.pattern, a)
			}
		}
		// The other tenant, on its own domain, with ids of this one: as if they were made up.
		if strings.Contains(o.pattern, "{") {
			mine := other.do(o.method, path, body, "Content-Type: application/json", "Authorization: Bearer "+other.key)
			nobody := other.do(o.method, "/api/v1"+fill(o.pattern, madeUp), body, "Content-Type: application/json", "Authorization: Bearer "+other.key)
			if mine.status != 404 || without(mine) != without(nobody) {
				t.Errorf("%s %s with foreign ids: %d %s, made up: %d %s", o.method, o.pattern, mine.status, mine.body, nobody.status, nobody.body)
			}
		}
	}
	if after := p.state(); after != before {
		t.Errorf("state was %s and is %s", before, after)
	}
}

// without is a problem's text without the request's number.
func without(a answer) string {
	return strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "ID")
}

func TestNothingElseUnderTheAPI(t *testing.T) {
	b := newBench(t)
	p := b.place(".example")
	owner, _ := p.member("owner")
	good := "/api/v1/members/" + owner.String()
	for _, path := range []string{good + "/", "/api/v1//members/" + owner.String(), "/api/v1/members%2f" + owner.String(), "/API/v1/members/" + owner.String(),
		"/api/v1/./members/" + owner.String(), "/api/v1/members/../members/" + owner.String(), "/api/v1/members/" + strings.ToUpper(owner.String()),
		"/api/v1/graphql", "/api/v1/debug", "/debug/pprof/", "/metrics", "/graphql", "/.git/config", "/api/v1/members/%61cct"} {
		if a := p.do("GET", path, "", "Authorization: Bearer "+p.key); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, with := range []string{"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"} {
		if a := p.do("GET", good, "", "Authorization: Bearer "+p.key, with); a.status != 200 || a.json(t)["status"] != "active" {
			t.Errorf("%s: %d", with, a.status)
		}
	}
	if a := p.do("GET", good+"?_method=DELETE", "", "Authorization: Bearer "+p.key); a.status != 200 {
		t.Errorf("_method: %d", a.status)
	}
	for _, method := range []string{"PUT", "TRACE", "CONNECTX", "OPTIONS"} {
		a := p.do(method, good, "", "Authorization: Bearer "+p.key, "Origin: https://evil.example", "Access-Control-Request-Method: GET")
		if a.status != http.StatusMethodNotAllowed && a.status != 403 && a.status != 404 && !(method == "OPTIONS" && a.status == 204) {
			t.Errorf("%s: %d", method, a.status)
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: answers %s", method, name)
			}
		}
	}
}
