package devicelog

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is a published log with what follows from it, for other
// implementations of docs/protocol.md section 2. Bytes are lower-case hex.
type vectors struct {
	Schema       string   `json:"schema"`
	Tenant       string   `json:"tenant"`
	Account      string   `json:"account"`
	RecoveryCode string   `json:"recoveryCode"`
	RecoveryKey  string   `json:"recoveryKey"`
	Entries      []string `json:"entries"`
	Fingerprint  string   `json:"fingerprint"`
	Fragment     string   `json:"fragment"`
	Heads        []string `json:"heads"`
	ListedBefore []int    `json:"listedBefore"`
	ListedAfter  []int    `json:"listedAfter"`
	ExpiryMS     uint64   `json:"expiryMs"`
}

func makeVectors(t *testing.T) (v vectors) {
	a := found(t, 80)
	code := a.recovery(1)
	a.add(1)
	expiry := start.Add(time.Hour)
	a.addUntil(2, expiry)
	a.remove(1, 2)
	n := newDevice(t, a.rand)
	a.take(a.log.Recover(code, n.new, n.log, a.now, time.Time{}))
	recoveryKey, _ := a.log.RecoveryKey()
	v = vectors{
		Schema: "device-log/1", Tenant: hex.EncodeToString(a.tenant[:]), Account: hex.EncodeToString(a.id[:]),
		RecoveryCode: code.Reveal(), RecoveryKey: hex.EncodeToString(recoveryKey[:]),
		Fragment: a.log.Fingerprint().Fragment().String(), ExpiryMS: toMS(expiry),
	}
	fingerprint := a.log.Fingerprint()
	v.Fingerprint = hex.EncodeToString(fingerprint[:])
	for i, raw := range a.entries {
		v.Entries = append(v.Entries, hex.EncodeToString(raw))
		v.Heads = append(v.Heads, hex.EncodeToString(a.log.hashes[i][:]))
	}
	for _, id := range a.ids(expiry.Add(-time.Millisecond)) {
		v.ListedBefore = append(v.ListedBefore, int(id))
	}
	for _, id := range a.ids(expiry) {
		v.ListedAfter = append(v.ListedAfter, int(id))
	}
	return v
}

// The published vectors stay what they are: keys and texts come from a seed, so
// any change of a format, a domain or a derivation shows here.
func TestVectors(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "vectors.json")
	got, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the format changed: vectors differ from %s", path)
	}
}
