package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors.json")

const vectorsFile = "testdata/vectors.json"

// vector is one entry of the product's published vectors for attachments. The
// file is the first size bytes of h(1) ‖ h(2) ‖ … with h(1) = SHA-256("pattern")
// and h(n+1) = SHA-256(h(n)).
type vector struct {
	Key    string   `json:"key"`
	Size   uint64   `json:"size"`
	Bucket uint64   `json:"bucket"`
	Length uint64   `json:"ciphertext_size"`
	Nonces []string `json:"nonces"` // of each chunk
	AAD    string   `json:"aad"`    // of each chunk
	Tags   []string `json:"tags"`   // of each chunk: its last 16 bytes
	Start  string   `json:"start"`  // the ciphertext's first 64 bytes
	SHA256 string   `json:"sha256"` // of the ciphertext
}

func compute(t *testing.T, keyByte byte, size int) vector {
	t.Helper()
	key := testKey(t, keyByte)
	sealed, sum := encrypted(t, key, pattern(size))
	v := vector{
		Key:    hex.EncodeToString(key.AppendTo(nil)),
		Size:   uint64(size),
		Bucket: Bucket(uint64(size)),
		Length: uint64(len(sealed)),
		AAD:    hex.EncodeToString(AAD()),
		Start:  hex.EncodeToString(sealed[:64]),
		SHA256: hex.EncodeToString(sum[:]),
	}
	for i := range Chunks(v.Size) {
		span := ChunkSpan(v.Size, i)
		nonce := Nonce(i, span.Last)
		end := span.Offset + uint64(span.Length)
		v.Nonces = append(v.Nonces, hex.EncodeToString(nonce[:]))
		v.Tags = append(v.Tags, hex.EncodeToString(sealed[end-Overhead:end]))
	}
	return v
}

// TestVectors checks the published vectors on every platform that tests run on.
func TestVectors(t *testing.T) {
	var list []vector
	for i, size := range []int{0, 1, 1024, 1025, ChunkSize, ChunkSize + 1, 300_000} {
		list = append(list, compute(t, byte(i+1), size))
	}
	out, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, want) {
		t.Errorf("computed\n%s\nwhich is not what %s has", out, vectorsFile)
	}
}

func FuzzDecrypt(f *testing.F) {
	key := testKey(f, 1)
	for _, size := range []int{0, 1, 1024, 1025} {
		var out bytes.Buffer
		if _, err := Encrypt(&out, bytes.NewReader(pattern(size)), key, uint64(size)); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes(), uint64(size))
	}
	f.Fuzz(func(t *testing.T, sealed []byte, size uint64) {
		var dst target
		err := Decrypt(&dst, bytes.NewReader(sealed), key, sha256.Sum256(sealed), size)
		if (err == nil) != (dst.committed == 1) || (err != nil) != (dst.aborted == 1) {
			t.Fatalf("%v, committed %d, aborted %d", err, dst.committed, dst.aborted)
		}
		if err == nil {
			again, _ := encrypted(t, key, dst.Bytes())
			if !bytes.Equal(again, sealed) {
				t.Fatal("opens, and seals to other bytes")
			}
		}
	})
}
