package main

import (
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseListen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "127.0.0.1:8700", "127.0.0.1:9000": "127.0.0.1:9000", "localhost:9000": "127.0.0.1:9000", ":9000": "127.0.0.1:9000", "127.0.0.1:0": "127.0.0.1:0"} {
		addr, fixed, err := parseListen(text)
		if err != nil || addr.String() != want || fixed != (text != "" && addr.Port() != 0) {
			t.Errorf("%q: %v, %v, %v", text, addr, fixed, err)
		}
	}
	for _, text := range []string{"0.0.0.0:9000", "192.168.1.2:9000", "[::]:9000", "9000", "127.0.0.1", "127.0.0.1:70000", "example.com:80"} {
		if addr, _, err := parseListen(text); err == nil || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%q: %v, %v", text, addr, err)
		}
	}
}

// busy holds a port on this machine.
func busy(t *testing.T, network, address string) uint16 {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err) // no IPv6 here
	}
	t.Cleanup(func() { l.Close() })
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

func TestBusyPorts(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		taken := busy(t, network, address)
		if got, err := choosePort(taken, false); err != nil || got == taken {
			t.Errorf("%s: chose %d, %v", network, got, err)
		}
		if _, err := choosePort(taken, true); err == nil || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%s: a port that was named and is busy: %v", network, err)
		}
	}
	if got, err := choosePort(0, false); err != nil || got == 0 {
		t.Errorf("any port: %d, %v", got, err)
	}
}

// The ports of a run are those of the next, and a flag wins over both.
func TestChooseAddresses(t *testing.T) {
	t.Parallel()
	h := testHome(t)
	say := func(text string) { t.Log(text) }
	free, err := choosePort(0, false)
	if err != nil {
		t.Fatal(err)
	}
	first, err := h.chooseAddresses(options{listen: netip.AddrPortFrom(loopback, free)}, say)
	if err != nil || first.Demo == 0 || first.Chat == 0 || first.Chat == first.Demo {
		t.Fatal(first, err)
	}
	second, err := h.chooseAddresses(options{listen: netip.AddrPortFrom(loopback, defaultPort)}, say)
	if err != nil || second != first {
		t.Errorf("%+v, then %+v, %v", first, second, err)
	}
	any, err := h.chooseAddresses(options{listen: netip.AddrPortFrom(loopback, 0)}, say)
	if err != nil || any.Demo == first.Demo {
		t.Errorf("%+v for port 0, %v", any, err)
	}
	taken := busy(t, "tcp4", "127.0.0.1:0")
	if _, err := h.chooseAddresses(options{listen: netip.AddrPortFrom(loopback, taken), fixed: true}, say); err == nil {
		t.Error("a busy port was taken")
	}
}

func testHome(t *testing.T) *home {
	t.Helper()
	h, err := openHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func TestHomeIsForOne(t *testing.T) {
	t.Parallel()
	h := testHome(t)
	if _, err := openHome(h.dir); err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("opened twice: %v", err)
	}
	h.close()
	again, err := openHome(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

func TestKeep(t *testing.T) {
	t.Parallel()
	h := testHome(t)
	made := 0
	make := func() ([]byte, error) { made++; return []byte("secret"), nil }
	for range 2 {
		if b, err := h.keep("k", make); err != nil || string(b) != "secret" {
			t.Fatal(string(b), err)
		}
		os.Chmod(h.path("k"), 0o644) // somebody's mistake
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
	if _, err := h.keep("k", make); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(h.path("k")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if entries, _ := filepath.Glob(h.path("k.new-*")); len(entries) != 0 {
		t.Errorf("left behind %v", entries)
	}
	first, err := h.handOffKey()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := h.handOffKey(); err != nil || !first.Equal(second) {
		t.Errorf("another key, %v", err)
	}
	for _, damaged := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := h.put("handoff.key", []byte(damaged)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.handOffKey(); err == nil || !strings.Contains(err.Error(), "--reset") {
			t.Errorf("%q: %v", damaged, err)
		}
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	h := testHome(t)
	if _, err := h.masterKeys(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(h.path("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := h.reset(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "lock" {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := usable(filepath.Join(dir, strings.Repeat("d", maxSocket))); err == nil || !strings.Contains(err.Error(), "characters") {
		t.Errorf("a path too long for a socket: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := usable(file); err == nil {
		t.Error("a file is no folder")
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := own(link); err == nil {
		t.Error("a link that somebody laid is no folder of ours")
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	err := usable(filepath.Join(closed, "db"))
	if root := os.Getuid() == 0; root && (err == nil || !strings.Contains(err.Error(), "may not enter")) || !root && err != nil {
		t.Errorf("in a closed folder: %v", err)
	}
}

// Where the project's folder does not do, another is used, the same each time and
// another one for another project; what an earlier run chose stays.
func TestChoosePlace(t *testing.T) {
	t.Parallel()
	deep := &home{dir: filepath.Join(t.TempDir(), strings.Repeat("d", maxSocket))}
	t.Cleanup(func() { deep.removePlaces() })
	if err := os.MkdirAll(deep.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var said []string
	place, err := deep.choosePlace(func(text string) { said = append(said, text) })
	if err != nil || strings.HasPrefix(place, deep.dir) || len(said) != 1 || !strings.Contains(said[0], place) {
		t.Fatalf("%q, %v, said %q", place, err, said)
	}
	if again, err := deep.choosePlace(func(string) {}); err != nil || again != place {
		t.Errorf("%q, then %q, %v", place, again, err)
	}
	other := &home{dir: deep.dir + "2"}
	if slices.Contains(other.places(), place) {
		t.Error("two projects share a place")
	}
	if err := os.MkdirAll(filepath.Join(deep.places()[2], "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(deep.places()[2], "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := deep.choosePlace(func(string) {}); err != nil || kept != deep.places()[2] {
		t.Errorf("the data is in %q, chose %q, %v", deep.places()[2], kept, err)
	}
	if err := deep.removePlaces(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(place); err == nil {
		t.Error("the place is still there")
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pid")
	for content, want := range map[string]int{"": 0, "x": 0, "1\n": 0, "-5\n": 0, "0": 0, "4242\n/data\n": 4242, " 77 \n": 77} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, err := readPID(file); err != nil || pid != want {
			t.Errorf("%q: %d, %v", content, pid, err)
		}
	}
	if pid, err := readPID(filepath.Join(dir, "none")); pid != 0 || err != nil {
		t.Errorf("no file: %d, %v", pid, err)
	}
	if !runs(os.Getpid(), filepath.Base(os.Args[0])) {
		t.Error("this process does not run")
	}
	if runs(os.Getpid(), "a mark that stands on no command line") {
		t.Error("another process was taken for ours")
	}
	// A number of another process, here ours: it lives on, the file goes.
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := stopLeft("server", file, "a mark that stands on no command line", 9, func(text string) { t.Error(text) }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file of a number that is used again stays")
	}
}

// A setting of another Sotto does not reach the demo's server.
func TestInherited(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://production")
	t.Setenv("LISTEN", "0.0.0.0:80")
	for _, entry := range inherited() {
		if strings.HasPrefix(entry, "DATABASE_URL=") || strings.HasPrefix(entry, "LISTEN=") {
			t.Errorf("inherits %s", entry)
		}
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

func TestBox(t *testing.T) {
	t.Parallel()
	w := world{project: "/project", at: addresses{Demo: 8700, Chat: 8701}, home: &home{dir: "/project/.sotto"}, place: "/project/.sotto/db", redis: true}
	if *update {
		if err := os.WriteFile("testdata/box.txt", []byte(w.box()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/box.txt")
	if got := w.box(); err != nil || got != string(want) {
		t.Errorf("%v; got:\n%s", err, got)
	}
}

// A process that does not end when it is asked is ended.
func TestProcessThatStays(t *testing.T) {
	t.Parallel()
	ready, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.Command("sh", "-c", `trap "" TERM; echo; while :; do sleep 1; done`)
	p, err := startProcess(cmd, tell, nil, filepath.Join(t.TempDir(), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	tell.Close()
	if _, err := ready.Read(make([]byte, 1)); err != nil { // it ignores the signal from here on
		t.Fatal(err)
	}
	if err := p.stop(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	select {
	case <-p.done:
	default:
		t.Error("still runs")
	}
}
