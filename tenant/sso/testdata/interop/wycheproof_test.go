package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/sottochat/sotto/tenant/sso"
)

// group is one key, or set of keys, and what claims to be signed or sealed by it.
type group struct {
	Comment string
	Private json.RawMessage
	Public  json.RawMessage
	Tests   []struct {
		ID       int `json:"tcId"`
		Comment  string
		Flags    []string
		Result   string
		JWS, JWE token
	}
}

// token is a text, or the JSON form of RFC 7515 section 7.2 as it stands.
type token string

// UnmarshalJSON implements json.Unmarshaler.
func (v *token) UnmarshalJSON(raw []byte) error {
	if json.Unmarshal(raw, (*string)(v)) != nil {
		*v = token(raw)
	}
	return nil
}

// keys returns those of a group that a tenant could configure, and whether they
// are all of them: keys of other algorithms than ours cannot be.
func (g group) keys(t *testing.T) (keys []sso.Key, all bool) {
	t.Helper()
	raw := g.Public
	if raw == nil {
		raw = g.Private
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{raw}
	}
	for _, one := range set.Keys {
		if key, err := configure(t, one); err == nil {
			keys = append(keys, key)
		} else if !errors.Is(err, sso.ErrKey) {
			t.Fatal(err)
		}
	}
	return keys, len(keys) == len(set.Keys)
}

func configure(t *testing.T, raw json.RawMessage) (sso.Key, error) {
	t.Helper()
	var text struct{ Kty, Alg, K, Kid string }
	if err := json.Unmarshal(raw, &text); err != nil {
		t.Fatal(err)
	}
	if text.Kty == "oct" {
		value, err := base64.RawURLEncoding.DecodeString(text.K)
		if err != nil || text.Alg != string(sso.HS256) {
			return sso.Key{}, sso.ErrKey
		}
		return sso.SecretKey(value, text.Kid)
	}
	var jwk map[string]any
	if err := json.Unmarshal(raw, &jwk); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} {
		delete(jwk, private)
	}
	public, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return sso.ParseKey(string(public), "")
}

// SSO-26 and SSO-27: nothing that is invalid is accepted, nothing that is sealed
// instead of signed, and everything valid under an algorithm of ours is.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"json_web_signature", "json_web_key", "json_web_crypto", "json_web_encryption"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := fs.ReadFile(wycheproof.TestVectors, name+"_test.json")
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				NumberOfTests int
				TestGroups    []group
			}
			if err := json.Unmarshal(raw, &file); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, g := range file.TestGroups {
				ran += len(g.Tests)
				g.check(t)
			}
			if ran != file.NumberOfTests || ran == 0 {
				t.Errorf("ran %d of %d", ran, file.NumberOfTests)
			}
		})
	}
}

func (g group) check(t *testing.T) {
	t.Helper()
	keys, all := g.keys(t)
	valid := map[token]bool{}
	for _, v := range g.Tests {
		valid[v.JWS] = valid[v.JWS] || v.Result == "valid" && v.JWE == ""
	}
	for _, v := range g.Tests {
		_, err := sso.Verify(string(v.JWS+v.JWE), keys...)
		if err != nil && !errors.Is(err, sso.ErrRefused) {
			t.Errorf("%d %s: %v", v.ID, v.Comment, err)
		}
		switch {
		case !all && err != nil: // of an algorithm that is not ours
		case slices.Contains(v.Flags, "Ambiguous"), strings.Contains(g.Comment, "mixedSymmetry"): // sets; each of our keys has its own algorithm
		case strings.Contains(string(v.JWS), "?"): // the file wants it valid, RFC 7515 section 2 does not
		case valid[v.JWS] && v.Result == "invalid": // the file has the same token as valid
		case (err == nil) != (valid[v.JWS] && v.JWE == ""):
			t.Errorf("%d %s (%s) %v: %s, got %v", v.ID, v.Comment, g.Comment, v.Flags, v.Result, err)
		}
	}
}
