//go:build !js

package session_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// bomb gives what rand gives and panics at draw number at.
type bomb struct {
	io.Reader
	at int
}

func (b *bomb) Read(p []byte) (int, error) {
	if b.at--; b.at < 0 {
		panic("no random bytes")
	}
	return b.Reader.Read(p)
}

// panicking runs each operation that holds secrets on its stack while it reads
// random bytes; at says which draw fails.
func panicking(t *testing.T) map[string]func(at int) {
	alice, bob := pair(t, 39)
	bundle := bob.bundle(t, offer{oneTime: true})
	started, err := alice.Start(alice.rand, nil, bob.peer(), bundle, epoch)
	if err != nil {
		t.Fatal(err)
	}
	alice.rec = started
	first := alice.send(t, bob, "first")
	return map[string]func(int){
		"start": func(at int) {
			_, _ = alice.Start(&bomb{alice.rand, at}, nil, bob.peer(), bundle, epoch)
		},
		"encrypt": func(at int) {
			_, _, _ = alice.Encrypt(&bomb{alice.rand, at}, started, bob.peer(), []byte("text"), epoch)
		},
		"decrypt": func(at int) {
			_, _ = bob.Decrypt(&bomb{bob.rand, at}, nil, alice.peer(), first, bob.keys)
		},
	}
}

// PRO-39: nothing that the core passes from function to function shows a key
// byte in what Go prints of a panic: no secret travels by value. The test runs
// itself as a child that panics, and looks for windows of every secret in what
// it printed. Values that Go itself doubts (marked "?") are whatever a register
// still held; against those, programs with keys print no traces at all
// (docs/protocol.md section 15).
func TestPanicPrintsNoKey(t *testing.T) {
	if name := os.Getenv("SOTTO_PANIC"); name != "" {
		at, _ := strconv.Atoi(os.Getenv("SOTTO_PANIC_AT"))
		panicking(t)[name](at)
		os.Exit(0) // no draw of that number
	}
	alice, bob := pair(t, 39)
	bundle := bob.bundle(t, offer{oneTime: true})
	rec, err := alice.Start(alice.rand, nil, bob.peer(), bundle, epoch)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{alice.Identity.Bytes(), bob.Identity.Bytes(), bob.keys.signed[1].Bytes(), bob.keys.oneTime[1].Bytes(), bob.keys.kem[1].Bytes()}
	secrets = append(secrets, private(encode(t, rec), alice, bob)...)
	panics := 0
	for _, name := range []string{"start", "encrypt", "decrypt"} {
		for at := range 4 {
			trace, panicked := child(t, name, at)
			if !panicked {
				break
			}
			panics++
			for _, secret := range secrets {
				if leak := leaked(trace, secret); leak != "" {
					t.Errorf("%s, draw %d: the trace holds %s of a secret", name, at, leak)
				}
			}
		}
	}
	if panics < 5 {
		t.Errorf("only %d children panicked: the test does not reach what it tests", panics)
	}
	// The search itself finds what it looks for.
	word := "0x" + strconv.FormatUint(binary.LittleEndian.Uint64(secrets[0][8:]), 16)
	if leaked("goroutine 1\nf("+word+")", secrets[0]) == "" {
		t.Error("the search does not find a planted word")
	}
}

// private cuts a record where it holds public keys.
func private(record []byte, alice, bob *device) [][]byte {
	parts := [][]byte{record}
	for _, public := range [][]byte{alice.Identity.Public().Bytes(), bob.Identity.Public().Bytes(), bob.keys.signed[1].Public().Bytes()} {
		var cut [][]byte
		for _, part := range parts {
			cut = append(cut, bytes.Split(part, public)...)
		}
		parts = cut
	}
	return parts
}

func child(t *testing.T, name string, at int) (trace string, panicked bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicPrintsNoKey$")
	cmd.Env = append(os.Environ(), "SOTTO_PANIC="+name, "SOTTO_PANIC_AT="+strconv.Itoa(at), "GOTRACEBACK=all")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err != nil && strings.Contains(out.String(), "no random bytes")
}

var hexNumber = regexp.MustCompile(`0x[0-9a-f]+\b\??`)

// leaked looks for eight bytes of secret as a machine word in either order, and
// for four in a row as Go prints the elements of an array.
func leaked(trace string, secret []byte) string {
	words := map[uint64]bool{}
	for i := 0; i+8 <= len(secret); i++ {
		if window := secret[i : i+8]; varied(window) {
			words[binary.LittleEndian.Uint64(window)] = true
			words[binary.BigEndian.Uint64(window)] = true
		}
	}
	var small []byte
	for _, text := range hexNumber.FindAllString(trace, -1) {
		n, err := strconv.ParseUint(text[2:], 16, 64)
		if err != nil {
			continue // doubted by Go
		}
		if words[n] {
			return text
		}
		if n > 255 {
			small = nil
			continue
		}
		if small = append(small, byte(n)); len(small) >= 4 && varied(small[len(small)-4:]) && bytes.Contains(secret, small[len(small)-4:]) {
			return "four elements"
		}
	}
	return ""
}

// varied leaves out zeros and small counters, which any trace holds.
func varied(b []byte) bool {
	seen := map[byte]bool{0: true}
	for _, x := range b {
		seen[x] = true
	}
	return len(seen) > len(b)*3/4
}
