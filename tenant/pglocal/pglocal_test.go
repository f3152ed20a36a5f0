package pglocal

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// readable is a directory that the server's user can enter; t.TempDir's parents
// are closed to it when the tests run as root.
func readable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func query(t *testing.T, url, sql string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// What was committed is there after a stop, after a crash, and with another
// setting; the server listens nowhere but on its socket.
func TestDataSurvives(t *testing.T) {
	cfg := Config{Dir: readable(t), Settings: map[string]string{"work_mem": "5MB"}}
	c := start(t, cfg)
	execute(t, c.URL(Superuser, "postgres"), `create table kept as select 'kept' as word`)
	if got := query(t, c.URL(Superuser, "postgres"), `show listen_addresses`); got != "" {
		t.Errorf("listens on %q", got)
	}
	c.Stop()
	c.Stop() // may be called twice
	c = start(t, cfg)
	c.Kill()
	cfg.Settings = map[string]string{"work_mem": "6MB"}
	c = start(t, cfg)
	if got := query(t, c.URL(Superuser, "postgres"), `select word || ' ' || current_setting('work_mem') from kept`); got != "kept 6MB" {
		t.Errorf("found %q", got)
	}
}

// What a broken-off initdb left is not taken for a cluster.
func TestBrokenOffInitdb(t *testing.T) {
	cfg := Config{Dir: readable(t)}
	left := filepath.Join(cfg.Dir, "data.new")
	if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "PG_VERSION"), []byte("15\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	start(t, cfg).Stop()
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// Only the listed roles may log in.
func TestOnlyListedRoles(t *testing.T) {
	c := start(t, Config{Dir: readable(t), Roles: []string{"listed"}})
	execute(t, c.URL(Superuser, "postgres"), `create role listed login; create role unlisted login`)
	if got := query(t, c.URL("listed", "postgres"), `select current_user::text`); got != "listed" {
		t.Errorf("logged in as %q", got)
	}
	if conn, err := pgx.Connect(t.Context(), c.URL("unlisted", "postgres")); err == nil {
		conn.Close(context.Background())
		t.Error("an unlisted role logged in")
	}
}

func TestSocketPathTooLong(t *testing.T) {
	_, err := Start(t.Context(), Config{Dir: "/tmp/" + strings.Repeat("d", 100)})
	if err == nil || errors.Is(err, ErrMissing) && os.Getenv("CI") != "" || !errors.Is(err, ErrMissing) && !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v", err)
	}
}

func TestVersion(t *testing.T) {
	for dir, want := range map[string]int{"/usr/lib/postgresql/15/bin": 15, "/usr/pgsql-17/bin": 17, "/opt/homebrew/opt/postgresql@9/bin": 9, "/none": 0} {
		if got := version(dir); got != want {
			t.Errorf("%s: got %d", dir, got)
		}
	}
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "postgresql")
	good := archive(t, map[string]string{"package/native/bin/initdb": "x", "package/native/lib/libpq.so.5.15": "y",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libpq.so.5.15","target":"native/lib/libpq.so.5"}]`})
	for range 2 {
		if err := install(good, dir); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "package/native/lib/libpq.so.5")); string(b) != "y" {
		t.Errorf("the link gives %q, %v", b, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "package/native/bin/initdb")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	for name, bad := range map[string][]byte{
		"outside":          archive(t, map[string]string{"../outside": "x"}),
		"a link outside":   archive(t, map[string]string{"package/native/pg-symlinks.json": `[{"source":"a","target":"../../../outside"}]`}),
		"no list of links": archive(t, map[string]string{"package/native/bin/initdb": "x"}),
		"cut off":          good[:len(good)/2],
		"no archive":       []byte("hello"),
	} {
		if err := install(bad, filepath.Join(t.TempDir(), "bad")); err == nil {
			t.Errorf("%s: installed", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "unpack-*")); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
}
