package content

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"
)

// update writes the published vectors anew; what changed is then to be read.
var update = flag.Bool("update", false, "write testdata/vectors.json")

const vectorsFile = "testdata/vectors.json"

// vector is one entry of the product's published vectors for content.
type vector struct {
	Name    string          `json:"name"`
	Content string          `json:"content"`     // hex, canonical
	Padded  int             `json:"padded_size"` // bytes
	Fields  json.RawMessage `json:"fields"`      // protobuf JSON, names of content.proto
}

func vectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestVectors checks the published vectors on every platform that tests run on.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	list, want := vectors(t), samples(t)
	if len(list) != len(want) {
		t.Fatalf("%d vectors, %d samples", len(list), len(want))
	}
	for i, v := range list {
		b := mustAppend(t, want[i].content)
		if v.Name != want[i].name || v.Content != hex.EncodeToString(b) {
			t.Errorf("%s: printed %x, published %s as %s", want[i].name, b, v.Name, v.Content)
		}
		if _, err := Parse(b); err != nil {
			t.Errorf("%s: %v", v.Name, errors.Unwrap(err))
		}
		if got := PaddedSize(len(b)); got != v.Padded {
			t.Errorf("%s: padded to %d, published %d", v.Name, got, v.Padded)
		}
	}
}

func writeVectors(t *testing.T) {
	file := contract(t)
	var list []vector
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		var tight bytes.Buffer // protojson varies its spaces on purpose
		if err := json.Compact(&tight, named(t, file, b)); err != nil {
			t.Fatal(err)
		}
		list = append(list, vector{s.name, hex.EncodeToString(b), PaddedSize(len(b)), tight.Bytes()})
	}
	out, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
