package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant/pgtest"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// run executes a command with an environment and returns its code and output.
func run(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = program{args, func(name string) string { return env[name] }, &out, &errs}.run(t.Context())
	return code, out.String(), errs.String()
}

func settings() map[string]string {
	return map[string]string{"DATABASE_URL": database.URL("app_web"), "MASTER_KEYS": "test:" + strings.Repeat("A", 43) + "=", "ALLOW_UNSAFE_DURABILITY": "true"}
}

// A wrong setting is named, with what was expected, and never shown when it is
// a secret.
func TestSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"DATABASE_URL": "mysql://canary", "DATABASE_CONNECTIONS": "1", "REDIS_URL": "http://canary", "MASTER_KEYS": "name:canary",
		"LISTEN": "8080", "METRICS_LISTEN": "nowhere", "TRUSTED_PROXIES": "10.0.0.0/99", "DRAIN_TIME": "0", "ALLOW_UNSAFE_DURABILITY": "perhaps",
		"TEST_EGRESS_ALLOW": "no-port", "MEDIA_DIR": "/dev/null/media", "MEDIA_RESERVE": "-1", "MEDIA_S3_ENDPOINT": "https://user:canary@s3.example",
		"MEDIA_S3_HOST_STYLE": "maybe", "MEDIA_MAX_SIZE": "2GB", "MEDIA_ACCOUNT_BYTES": "0", "MEDIA_TENANT_BYTES": "1e12", "MEDIA_KEEP": "0", "MEDIA_UPLOAD_LIFE": "1000",
		"MEDIA_TRANSFERS": "0", "RELAY_DATABASE_URL": "http://x", "WORKER_DATABASE_URL": "%", "OPERATOR_DATABASE_URL": "x", "OWNER_DATABASE_URL": "x"} {
		env := settings()
		env[name] = value
		code, _, stderr := run(t, env, "serve")
		if code != exitSetting || !strings.Contains(stderr, "setting "+name) || !strings.Contains(stderr, "expected") {
			t.Errorf("%s: code %d: %s", name, code, stderr)
		}
		if strings.Contains(stderr, "canary") {
			t.Errorf("%s: the message shows a secret", name)
		}
	}
	for _, missing := range []string{"DATABASE_URL", "MASTER_KEYS"} {
		env := settings()
		delete(env, missing)
		if code, _, stderr := run(t, env, "serve"); code != exitSetting || !strings.Contains(stderr, missing) {
			t.Errorf("%s: code %d: %s", missing, code, stderr)
		}
	}
	for _, args := range [][]string{{}, {"sing"}, {"serve", "--nonsense"}, {"serve", "extra"}, {"tenant"}, {"tenant", "explode", "--tenant", "x"}} {
		if code, _, _ := run(t, settings(), args...); code != exitSetting {
			t.Errorf("%v: code %d", args, code)
		}
	}
}

// A bucket without a name or a key is refused, by what it lacks.
func TestBucketIsAskedForWhole(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"MEDIA_S3_ENDPOINT": "http://127.0.0.1:1", "MEDIA_S3_BUCKET": "media", "MEDIA_S3_ACCESS_KEY": "key", "MEDIA_S3_SECRET_KEY": "canary"}
	for name, lacks := range map[string]string{"MEDIA_S3_BUCKET": "bucket", "MEDIA_S3_ACCESS_KEY": "access key", "MEDIA_S3_SECRET_KEY": "secret key"} {
		env := settings()
		for k, v := range whole {
			env[k] = v
		}
		env[name] = ""
		code, _, stderr := run(t, env, "serve")
		if code != exitSetting || !strings.Contains(stderr, "setting MEDIA_S3_ENDPOINT") || !strings.Contains(stderr, "for "+lacks) || strings.Contains(stderr, "canary") {
			t.Errorf("%s: code %d: %s", name, code, stderr)
		}
	}
}

// TI-03: roles with which isolation would not hold are refused, with the reason.
func TestUnsafeRoles(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"owner": database.URL("app_owner"), "superuser": database.AdminURL()} {
		env := settings()
		env["DATABASE_URL"] = url
		if code, _, stderr := run(t, env, "serve"); code != exitDatabase || !strings.Contains(stderr, "row-level security") {
			t.Errorf("%s: code %d: %s", name, code, stderr)
		}
	}
	env := settings()
	env["ALLOW_UNSAFE_DURABILITY"] = ""
	if code, _, stderr := run(t, env, "serve"); code != exitDatabase || !strings.Contains(stderr, "durability") {
		t.Errorf("durability off: code %d: %s", code, stderr)
	}
}

// Every setting says what it is, and the documentation has it all.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	code, out, _ := run(t, nil, "settings")
	if code != exitDone {
		t.Fatal(code)
	}
	for _, s := range known() {
		if s.words == "" || s.example == "" || s.standard == "" && !strings.Contains(s.words, "Required") || !strings.Contains(out, s.name) {
			t.Errorf("%s lacks words, an example or a default", s.name)
		}
	}
}

// The commands that set a tenant up, and a server that serves it, stops within
// its drain time and says where it listens.
func TestServe(t *testing.T) {
	t.Parallel()
	env := settings()
	env["MEDIA_DIR"] = t.TempDir()
	host := "h" + strings.ToLower(t.Name()) + ".example"
	object := func(args ...string) (out map[string]any) {
		t.Helper()
		code, stdout, stderr := run(t, env, args...)
		if code != exitDone || json.Unmarshal([]byte(stdout), &out) != nil {
			t.Fatalf("%v: code %d: %s%s", args, code, stdout, stderr)
		}
		return out
	}
	created := object("tenant", "create", "--name", "Chat of Members", "--host", host)
	id := created["tenant"].(string)
	key := object("tenant", "key", "--tenant", id, "--name", "site")
	for _, bad := range [][]string{{"tenant", "create", "--name", "", "--host", "x.example"}, {"tenant", "create", "--name", "X", "--host", host},
		{"tenant", "create", "--name", "X", "--host", "bad host"}, {"tenant", "key", "--tenant", "tnt_x", "--name", "n"}, {"tenant", "key", "--tenant", id, "--name", "n", "--scopes", "all"}} {
		if code, _, stderr := run(t, env, bad...); code != exitSetting || stderr == "" {
			t.Errorf("%v: code %d: %s", bad, code, stderr)
		}
	}

	keyFile := t.TempDir() + "/host.pem"
	writeKey(t, keyFile)
	draft := object("tenant", "handoff", "--tenant", id, "--issuer", "https://members.example", "--login-url", "https://members.example/login", "--key-file", keyFile)
	if draft["audience"] != id {
		t.Errorf("%v", draft)
	}
	if code, _, _ := run(t, env, "tenant", "activate", "--tenant", id); code != exitSetting {
		t.Errorf("an untried sign-in is activated: code %d", code)
	}
	if tried := object("tenant", "try", "--tenant", id, "--origin", "https://"+host); !strings.HasPrefix(tried["login_url"].(string), "https://members.example/login?nonce=") {
		t.Errorf("%v", tried)
	}
	object("tenant", "attempts", "--tenant", id)

	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	var log bytes.Buffer // read after the server has ended
	go func() {
		p := program{[]string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--drain-time", "5"}, func(name string) string { return env[name] }, writer, &log}
		ended <- p.run(ctx)
	}()
	var line listening
	if err := json.NewDecoder(reader).Decode(&line); err != nil {
		t.Fatal(err)
	}
	get := func(address, path string, header http.Header) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		for name, values := range header {
			req.Header[name] = values
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for _, path := range []string{"/livez", "/readyz", "/"} {
		if status, body := get(line.Listening, path, nil); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := get(line.Listening, "/api/v1/statistics", http.Header{"Authorization": {"Bearer " + key["secret"].(string)}}); status != 200 {
		t.Errorf("statistics: %d %s", status, body)
	}
	if status, body := get(line.Metrics, "/metrics", nil); status != 200 || !strings.Contains(body, "http_requests_total") {
		t.Errorf("metrics: %d", status)
	}
	// API-04: a revoked key ends with the next request, though the server runs on.
	object("tenant", "revoke-key", "--tenant", id, "--key", key["key"].(string))
	if status, _ := get(line.Listening, "/api/v1/statistics", http.Header{"Authorization": {"Bearer " + key["secret"].(string)}}); status != 404 {
		t.Errorf("a revoked key: %d", status)
	}
	stop()
	select {
	case code := <-ended:
		if code != exitDone {
			t.Errorf("code %d: %s", code, log.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stop")
	}
	object("tenant", "suspend", "--tenant", id)
	object("tenant", "delete", "--tenant", id)
}

func writeKey(t *testing.T, path string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The server links nothing that could read a message, and a release no test clock.
func TestWhatIsLinked(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "messaging/client") || !strings.Contains(string(out), "messaging/server/relay") {
		t.Error("the server links messaging/client, or not the relay")
	}
	source, err := os.ReadFile("clock_release.go")
	if err != nil || !strings.HasPrefix(string(source), "//go:build !testclock\n") {
		t.Errorf("the release clock has lost its tag: %v", err)
	}
	for _, s := range known() {
		if s.name == "TEST_CLOCK" {
			t.Error("this build has a test clock")
		}
	}
}
