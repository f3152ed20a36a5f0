//go:build !js

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// folder is where the peer of this repository is.
const folder = "testdata/peer"

// builds are the releases that the peer's package.json installs, by the name
// that LIBSIGNAL_MODULE has for each.
var builds = []struct{ module, version string }{
	{"@signalapp/libsignal-client", "0.103.0"},
	{"libsignal-tolerant", "0.90.0"},
	{"libsignal-nospqr", "0.79.0"},
}

// start runs one peer for each build, or the one that INTEROP_PEER names.
func start(t *testing.T) []*process {
	t.Helper()
	// Asked for by name, so that go test takes no result of another build from its cache.
	_ = os.Getenv("LIBSIGNAL_MODULE")
	if command := os.Getenv("INTEROP_PEER"); command != "" {
		return []*process{run(t, exec.Command("sh", "-c", command))}
	}
	install(t)
	sources(t)
	var peers []*process
	for _, build := range builds {
		cmd := exec.Command("node", filepath.Join(folder, "peer.mjs"))
		cmd.Env = append(os.Environ(), "LIBSIGNAL_MODULE="+build.module)
		p := run(t, cmd)
		if p.hello.Libsignal != build.version {
			t.Fatalf("%s is %s, expected %s: run npm ci --ignore-scripts in %s", build.module, p.hello.Libsignal, build.version, folder)
		}
		peers = append(peers, p)
	}
	return peers
}

// sources looks at the peer's files, so that go test takes no result from its
// cache when one of them changed.
func sources(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.mjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no peer in %s: %v", folder, err)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
}

// install runs npm ci unless it ran before: npm writes its own copy of the lock
// into node_modules when it is done.
func install(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		unavailable(t, "node is missing")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err == nil {
		return
	}
	if _, err := exec.LookPath("npm"); err != nil {
		unavailable(t, "npm is missing, and the peer is not installed")
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		unavailable(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
}

// unavailable skips on a laptop and fails in CI.
func unavailable(t *testing.T, why string) {
	t.Helper()
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatalf("no peer to talk to: %s", why)
	}
	t.Skipf("no peer to talk to: %s", why)
}

const (
	// defaultSeed is a number like any other: a run without INTEROP_SEED is
	// repeatable.
	defaultSeed = 1
	// defaultRounds keeps the whole test under a minute on two processors;
	// shortRounds is for the race detector.
	defaultRounds, shortRounds = 2000, 200
)

func seed(t *testing.T) uint64 { return number(t, "INTEROP_SEED", defaultSeed) }

func rounds(t *testing.T) int {
	fallback := uint64(defaultRounds)
	if testing.Short() {
		fallback = shortRounds
	}
	return int(number(t, "INTEROP_ROUNDS", fallback))
}

func number(t *testing.T, variable string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s is %q, expected a number", variable, text)
	}
	return n
}
