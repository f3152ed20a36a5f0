// Package wycheproof_test holds what the product calls of the published
// primitives against Project Wycheproof's vectors and those of the RFCs, natively
// and under js/wasm. Where messaging/key exports the operation, it is called
// through that package; where the caller is unexported, the same library call is
// made here with the caller named beside it.
package wycheproof_test

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// octets is hexadecimal in the vector files.
type octets []byte

func (o *octets) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*o = b
	return err
}

// file is a vector file: groups of type G, which hold their tests.
type file[G any] struct {
	NumberOfTests int `json:"numberOfTests"`
	TestGroups    []G `json:"testGroups"`
}

// verdict is what every test of every file carries.
type verdict struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"` // valid, invalid, or acceptable: either, but the right value
}

func (v verdict) valid() bool { return v.Result == "valid" }

func load[G any](t *testing.T, name string) file[G] {
	t.Helper()
	raw, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var f file[G]
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	if f.NumberOfTests == 0 {
		t.Fatalf("%s says that it holds no tests", name)
	}
	return f
}

// tally counts what ran, so that a renamed field cannot turn a file into nothing.
type tally struct{ accepted, refused, passed int }

func (c *tally) count(v verdict) {
	if v.Result == "invalid" {
		c.refused++
	} else {
		c.accepted++
	}
}

func (c *tally) check(t *testing.T, f string, total int) {
	t.Helper()
	if got := c.accepted + c.refused + c.passed; got != total || c.accepted == 0 {
		t.Fatalf("%s: ran %d and passed over %d of %d", f, c.accepted+c.refused, c.passed, total)
	}
	t.Logf("%s: %d values equal, %d refused, %d of other sizes than ours passed over", f, c.accepted, c.refused, c.passed)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
