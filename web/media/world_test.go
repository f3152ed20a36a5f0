package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	blobs "github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/messaging/server/media/disk"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/pgtest"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/web"
	"github.com/sottochat/sotto/web/media"
)

var database *pgtest.Database

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	pgtest.Main(m, func(db *pgtest.Database) { database = db })
}

// setup is what tests vary.
type setup struct {
	blobs.Config
	idle    time.Duration
	reserve uint64
}

// node is one server over a directory.
type node struct {
	accounts *account.Service
	handler  *http.Server
}

func newNode(db *tenant.DB, dir string, s setup) (*node, error) {
	ring, err := secret.ParseKeyring("test:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		return nil, err
	}
	objects, err := disk.New(disk.Config{Dir: dir, Reserve: max(s.reserve, 1)})
	if err != nil {
		return nil, err
	}
	now := s.Now
	if now == nil {
		now = time.Now
	}
	n := &node{accounts: account.New(db, secret.New(ring), now)}
	service := blobs.New(db, objects, chat.New(nil, nil, nil, now), s.Config)
	api := media.API{Accounts: n.accounts, Blobs: service, Idle: s.idle}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	server := web.New(web.Deps{Sites: registry.New(db, time.Now), Log: log, Metrics: prometheus.NewRegistry(), Ready: db.Ping,
		Mounts: []web.Mount{{Prefix: media.Prefix, MaxBody: media.MaxBody, Time: media.RequestTime, Routes: api.Routes}}})
	n.handler = web.HTTPServer(server.Handler(), log)
	return n, nil
}

// bench is a node, and a tenant on it with two members in an open chat.
type bench struct {
	testing.TB
	*node
	db     *tenant.DB
	dir    string
	url    string
	tenant tenant.ID
	host   string
	http   *httptest.Server

	alice, bob, bob2 member
	chat             messaging.ChatID

	mu    sync.Mutex
	clock time.Duration
}

// member is a device and its token.
type member struct {
	messaging.Address
	token string
}

func newBench(t testing.TB, s setup) *bench {
	t.Helper()
	b := &bench{TB: t, db: database.Open(t), dir: t.TempDir(), tenant: database.Tenant(t)}
	s.Now = b.now
	var err error
	b.node, err = newNode(b.db, b.dir, s)
	must(t, err)
	b.http = httptest.NewUnstartedServer(nil)
	b.http.Config = b.handler
	b.http.Start()
	t.Cleanup(b.http.Close)
	b.url = b.http.URL
	b.host = b.addHost(b.tenant)
	b.alice, b.bob = b.join("alice"), b.join("bob")
	b.bob2 = b.join("bob")
	b.chat = messaging.NewChatID()
	b.exec(`insert into chat (tenant_id, chat_id, opener_id, peer_id, opening_key, token_hash, opened_on) values ($1, $2, $3, $4, $2, $5, '2030-01-01')`,
		[16]byte(b.chat), [16]byte(b.alice.Account), [16]byte(b.bob.Account), make([]byte, 32))
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.clock)
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock += d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) addHost(of tenant.ID) string {
	b.Helper()
	operator, err := tenant.OpenOperator(b.Context(), tenant.Config{URL: database.URL("app_operator"), MaxConns: 1, AllowUnsafeDurability: true})
	must(b, err)
	defer operator.Close()
	host := strings.ToLower(id.Text("h", id.Random()))[:20] + ".localhost"
	_, err = registry.NewOperator(operator, time.Now).AddHost(b.Context(), of, host, registry.Chat, true)
	must(b, err)
	return host
}

func (b *bench) exec(sql string, args ...any) {
	b.Helper()
	must(b, b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		_, err := tx.Exec(b.Context(), sql, append([]any{b.tenant}, args...)...)
		return err
	}))
}

// join signs a subject in and makes the session its next device.
func (b *bench) join(subject string) member {
	b.Helper()
	token, who, err := b.accounts.SignIn(b.Context(), b.tenant, subject)
	must(b, err)
	m := member{messaging.Address{Account: who.Account}, token.Reveal()}
	must(b, b.db.In(b.Context(), b.tenant, func(tx tenant.Tx) error {
		return tx.QueryRow(b.Context(), `
			insert into device (tenant_id, account_id, device_id, registration_id, identity_key, signed_prekey_id, signed_prekey,
				signed_prekey_sig, last_resort_id, last_resort, last_resort_sig, last_seen_on)
			select $1, $2, count(*) + 1, 1, $3, 1, $3, $4, 1, $5, $4, '2030-01-01' from device where tenant_id = $1 and account_id = $2
			returning device_id`,
			b.tenant, [16]byte(who.Account), make([]byte, 33), make([]byte, 64), make([]byte, 1569)).Scan(&m.Device)
	}))
	b.exec(`update session set device_id = $3, expires_at = '2100-01-01' where tenant_id = $1 and account_id = $2 and device_id is null`,
		[16]byte(who.Account), m.Device)
	return m
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// header is pairs of names and values; a value that is empty takes the name
// out.
type header map[string]string

func (b *bench) request(by member, method, path string, h header, body io.Reader) *http.Request {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.url+path, body)
	must(b, err)
	r.Host = b.host
	r.Header.Set("Tus-Resumable", "1.0.0")
	r.Header.Set("Authorization", "Bearer "+by.token)
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for name, value := range h {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
		if name == "Host" {
			r.Host = value
		}
	}
	return r
}

// serverSide is a request as the server's handler sees it.
func serverSide(b *bench, method, path string, h header, body []byte) *http.Request {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, path, bytes.NewReader(body))
	client := b.request(b.alice, method, path, h, nil)
	r.Host, r.Header = client.Host, client.Header
	return r
}

// do sends a request and returns the answer with its body read.
func (b *bench) do(by member, method, path string, h header, body io.Reader) (*http.Response, []byte) {
	b.Helper()
	return b.send(b.request(by, method, path, h, body))
}

func (b *bench) send(r *http.Request) (*http.Response, []byte) {
	b.Helper()
	answer, err := http.DefaultClient.Do(r)
	must(b, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(b, err)
	return answer, text
}

func (b *bench) expect(want int, by member, method, path string, h header, body io.Reader) *http.Response {
	b.Helper()
	answer, text := b.do(by, method, path, h, body)
	if answer.StatusCode != want {
		b.Fatalf("%s %s %v: expected %d, got %d %s", method, path, h, want, answer.StatusCode, text)
	}
	return answer
}

func (b *bench) metadata(ciphertext []byte) string {
	sum := sha256.Sum256(ciphertext)
	return "chat " + encode([]byte(b.chat.String())) + ",sha256 " + encode(sum[:])
}

// create begins an upload of alice's and returns its path.
func (b *bench) create(ciphertext []byte) string {
	b.Helper()
	return b.expect(201, b.alice, "POST", "/media/v1/uploads",
		header{"Upload-Length": strconv.Itoa(len(ciphertext)), "Upload-Metadata": b.metadata(ciphertext)}, nil).Header.Get("Location")
}

func (b *bench) patch(upload string, offset int, body []byte) *http.Response {
	b.Helper()
	return b.expect(204, b.alice, "PATCH", upload, header{"Upload-Offset": strconv.Itoa(offset)}, bytes.NewReader(body))
}

// upload is a finished blob; it returns where to fetch it.
func (b *bench) upload(ciphertext []byte) string {
	b.Helper()
	at := b.create(ciphertext)
	b.patch(at, 0, ciphertext)
	return blobOf(at)
}

func blobOf(upload string) string { return strings.Replace(upload, "/uploads/", "/blobs/", 1) }

func (b *bench) offset(upload string) int {
	b.Helper()
	n, err := strconv.Atoi(b.expect(200, b.alice, "HEAD", upload, nil, nil).Header.Get("Upload-Offset"))
	must(b, err)
	return n
}

func (b *bench) files() (names []string) {
	b.Helper()
	must(b, filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

// raw opens a connection and sends the head of a PATCH by hand.
func (b *bench) raw(upload string, offset int, length string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	must(b, err)
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\n"+
		"Content-Type: application/offset+octet-stream\r\nUpload-Offset: %d\r\n%s\r\n\r\n", upload, b.host, b.alice.token, offset, length)
	must(b, err)
	return conn
}

// child is a node in a process of its own, for the test that kills it.
func child() {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	db, err := tenant.Open(ctx, tenant.Config{URL: os.Getenv(childDatabase), AllowUnsafeDurability: true})
	fail(err)
	n, err := newNode(db, os.Getenv(childDir), setup{})
	fail(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println("http://" + listener.Addr().String())
	fail(n.handler.Serve(listener))
}

const (
	childDir      = "SOTTO_TEST_MEDIA_DIR"
	childDatabase = "SOTTO_TEST_MEDIA_DATABASE"
)
