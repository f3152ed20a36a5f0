package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sottochat/sotto/cmd/dev/demohost"
	"github.com/sottochat/sotto/tenant/pglocal"
)

// program and terminal are the built commands; "" where there is no PostgreSQL to
// run them with.
var program, terminal string

func TestMain(m *testing.M) {
	code, err := withProgram(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		code = 1
	}
	os.Exit(code)
}

func withProgram(run func() int) (int, error) {
	if err := postgres(); errors.Is(err, pglocal.ErrMissing) && os.Getenv("CI") == "" {
		return run(), nil
	}
	dir, err := os.MkdirTemp("", "sotto-dev-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program, terminal = filepath.Join(dir, "dev"), filepath.Join(dir, "term")
	if out, err := exec.Command("go", "build", "-o", dir+"/", ".", "../term").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("%w: %s", err, out)
	}
	return run(), nil
}

// postgres asks whether there are server programs, without starting one: a path
// that is too long is refused right after they are found.
func postgres() error {
	_, err := pglocal.Start(context.Background(), pglocal.Config{Dir: "/" + strings.Repeat("d", maxSocket)})
	return err
}

// dependOnSources looks into every folder that the program and the server are
// built from: `go test` repeats an old verdict unless a file changed that this
// process has opened in a test, and the programs are other processes.
var dependOnSources = sync.OnceValue(func() error {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", ".", "../server", "../term").Output()
	if err != nil {
		return fmt.Errorf("list the packages of the programs: %w", err)
	}
	for dir := range strings.Lines(string(out)) {
		if _, err := os.ReadDir(strings.TrimSpace(dir)); err != nil {
			return err
		}
	}
	return nil
})

// command is one run of the program.
type command struct {
	*exec.Cmd
	stderr text
	out    *bufio.Reader
	at     Addresses
}

// text is what a running program has written so far.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// begin starts the program and does not wait for it.
func begin(t *testing.T, dir string, more ...string) *command {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole programs, into which the race detector does not look")
	}
	if program == "" {
		t.Skip(pglocal.ErrMissing)
	}
	if err := dependOnSources(); err != nil {
		t.Fatal(err)
	}
	c := &command{Cmd: exec.Command(program, append([]string{"--dir", dir, "--listen", "127.0.0.1:0", "--json"}, more...)...)}
	c.Stderr = &c.stderr
	// What somebody exported for another server must not reach this one.
	c.Env = append(os.Environ(), "WORKER_DATABASE_URL=postgres://production.invalid/sotto")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
		}
	})
	return c
}

// up starts the program and waits until it says where everything is.
func up(t *testing.T, dir string, more ...string) *command {
	t.Helper()
	c := begin(t, dir, more...)
	line, err := c.out.ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &c.at) != nil {
		c.Wait()
		t.Fatalf("printed %q, %v; on standard error:\n%s", line, err, c.stderr.String())
	}
	return c
}

// end signals the program and returns its exit code.
func (c *command) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := c.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	return c.ProcessState.ExitCode()
}

// folder is a run's home that the database's user may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto-run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		(&home{dir: dir}).removePlaces()
		os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// left returns the processes that have the folder on their command line.
func left(t *testing.T, dir string) (found []string) {
	t.Helper()
	out, err := exec.Command("ps", "-ww", "-A", "-o", "pid=,stat=,command=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		// A dead process that nobody has waited for yet is none.
		if f := strings.Fields(line); strings.Contains(line, dir) && len(f) > 1 && !strings.HasPrefix(f[1], "Z") {
			found = append(found, line)
		}
	}
	return found
}

// TestRuns is the life of a newcomer's folder: first run, a second at the same
// time, Ctrl-C, another run on the same data, a SIGKILL and a run after it, reset.
func TestRuns(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := up(t, dir)
	mira := signInBrowser(t, first.at, "mira")
	if again := signInTerminal(t, first.at, "mira"); again != mira {
		t.Errorf("mira is %s in the browser and %s in the terminal", mira, again)
	}
	if other := signInTerminal(t, first.at, "yuki"); other == mira {
		t.Error("yuki is mira")
	}
	checkDemoHost(t, first.at)
	checkSecretsAreClosed(t, dir)

	twice := begin(t, dir)
	if io.Copy(io.Discard, twice.out); twice.Wait() == nil || !strings.Contains(twice.stderr.String(), "already running") ||
		!strings.Contains(twice.stderr.String(), strconv.Itoa(first.Process.Pid)) {
		t.Errorf("a second run at the same time says %q", twice.stderr.String())
	}

	if code := first.end(t, os.Interrupt); code != 0 {
		t.Errorf("after Ctrl-C: exit code %d, %s", code, first.stderr.String())
	}
	checkNothingRuns(t, dir, first.at)

	second := up(t, dir)
	if again := signInTerminal(t, second.at, "mira"); again != mira {
		t.Errorf("mira was %s and is %s after another start", mira, again)
	}
	second.end(t, syscall.SIGKILL)
	if found := left(t, dir); len(found) == 0 {
		t.Fatal("SIGKILL left nothing, so the rest of the test shows nothing")
	}

	third := up(t, dir)
	if !strings.Contains(third.stderr.String(), "that an earlier run left") {
		t.Errorf("says %q", third.stderr.String())
	}
	if again := signInTerminal(t, third.at, "mira"); again != mira {
		t.Errorf("mira was %s and is %s after a SIGKILL", mira, again)
	}
	third.end(t, syscall.SIGTERM)
	checkNothingRuns(t, dir, third.at)

	fresh := up(t, dir, "--reset")
	if signInTerminal(t, fresh.at, "mira") == mira {
		t.Error("--reset kept the accounts")
	}
	fresh.end(t, os.Interrupt)
	checkNothingRuns(t, dir, fresh.at)
}

// A run that is stopped while it starts stops, and the next one starts.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := begin(t, dir)
	for left(t, dir+"/db") == nil { // initdb or postgres
	}
	if code := c.end(t, os.Interrupt); code != 0 {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
	if found := left(t, dir); found != nil {
		t.Errorf("left running: %s", found)
	}
	again := up(t, dir)
	again.end(t, os.Interrupt)
	checkNothingRuns(t, dir, again.at)
}

// When a part dies, the run ends and says so.
func TestPartDies(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"server": serverPID, "Redis": "db/redis.pid", "PostgreSQL": "db/data/postmaster.pid"} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			c := up(t, dir)
			pid, err := readPID(filepath.Join(dir, file))
			if name == "Redis" && pid == 0 && os.Getenv("CI") == "" {
				t.Skip("no Redis here")
			}
			if err != nil || pid == 0 {
				t.Fatal(pid, err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if c.Wait() == nil || !strings.Contains(c.stderr.String(), name+" ended by itself") {
				t.Errorf("says %q", c.stderr.String())
			}
			checkNothingRuns(t, dir, c.at)
		})
	}
}

func checkNothingRuns(t *testing.T, dir string, at Addresses) {
	t.Helper()
	if found := left(t, dir); found != nil {
		t.Errorf("left running: %s", found)
	}
	for _, origin := range []string{at.Demo, at.Chat} {
		u, _ := url.Parse(origin)
		if conn, err := net.Dial("tcp", "127.0.0.1:"+u.Port()); err == nil {
			conn.Close()
			t.Errorf("%s still answers", origin)
		}
	}
}

// checkSecretsAreClosed: nobody else reads a key, and none is on a command line.
func checkSecretsAreClosed(t *testing.T, dir string) {
	t.Helper()
	running := strings.Join(left(t, dir), "")
	for _, name := range []string{"master.key", "handoff.key", "api.key", "server.log", "lock"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
			continue
		}
		secret, err := os.ReadFile(filepath.Join(dir, name))
		if strings.HasSuffix(name, ".key") && (err != nil || strings.Contains(running, strings.TrimPrefix(string(secret), "dev:"))) {
			t.Errorf("%s is on a command line (or %v)", name, err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, serverLog))
	key, _ := os.ReadFile(filepath.Join(dir, "api.key"))
	if err != nil || bytes.Contains(log, bytes.TrimSpace(key)) {
		t.Errorf("the server's log holds the API key (or %v)", err)
	}
}

// browser is an HTTP client that keeps cookies and knows localhost's names.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}
}

// page is an answer that was read.
type page struct {
	status int
	at     *url.URL
	body   string
}

func fetch(t *testing.T, c *http.Client, method, address, contentType, body string) page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", "text/html, application/json")
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{response.StatusCode, response.Request.URL, string(b)}
}

const formType = "application/x-www-form-urlencoded"

// form is the page's form whose action ends so, with its fields.
func (p page) form(t *testing.T, action string) (at string, fields url.Values) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(n *html.Node, key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || !strings.HasSuffix(attribute(n, "action"), action) {
			continue
		}
		fields = url.Values{}
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && d.Data == "input" {
				fields.Add(attribute(d, "name"), attribute(d, "value"))
			}
		}
		to, err := p.at.Parse(attribute(n, "action"))
		if err != nil {
			t.Fatal(err)
		}
		return to.String(), fields
	}
	t.Fatalf("%s (%d) has no form to %s:\n%s", p.at, p.status, action, p.body)
	return "", nil
}

// signInBrowser goes the way of a person: chat, demo host, member, button, chat.
// It returns the account.
func signInBrowser(t *testing.T, at Addresses, member string) string {
	t.Helper()
	c := browser(t)
	start, fields := fetch(t, c, http.MethodGet, at.Chat+"/", "", "").form(t, "/sign-in")
	choose := fetch(t, c, http.MethodPost, start, formType, fields.Encode())
	if !strings.HasPrefix(choose.at.String(), at.Demo+"/sign-in") {
		t.Fatalf("the chat leads to %s", choose.at)
	}
	to, fields := choose.form(t, "/sign-in")
	fields.Set("member", member)
	handOff := fetch(t, c, http.MethodPost, to, formType, fields.Encode())
	to, fields = handOff.form(t, "/login/handoff")
	home := fetch(t, c, http.MethodPost, to, formType, fields.Encode())
	if home.status != http.StatusOK || home.at.String() != at.Chat+"/" {
		t.Fatalf("signed in, but at %s with %d:\n%s", home.at, home.status, home.body)
	}
	home.form(t, "/sign-out") // only a member is offered to leave
	u, _ := url.Parse(at.Chat)
	for _, cookie := range c.Jar.Cookies(u) {
		if cookie.Name == "session" {
			return accountOf(t, c, at, cookie.Value)
		}
	}
	t.Fatal("no session")
	return ""
}

// signInTerminal goes the way of an app without a browser.
func signInTerminal(t *testing.T, at Addresses, member string) string {
	t.Helper()
	c := browser(t)
	var visit struct {
		Secret   string `json:"secret"`
		LoginURL string `json:"login_url"`
		Code     string `json:"code"`
	}
	decode(t, fetch(t, c, http.MethodPost, at.Chat+"/client/v1/visits", "", ""), http.StatusCreated, &visit)
	approve(t, at, member, visit.LoginURL, visit.Code)
	var polled struct {
		Token string `json:"token"`
	}
	secret, _ := json.Marshal(map[string]string{"secret": visit.Secret})
	decode(t, fetch(t, c, http.MethodPost, at.Chat+"/client/v1/visits/poll", "application/json", string(secret)), http.StatusOK, &polled)
	return accountOf(t, c, at, polled.Token)
}

// approve does what a member does in a browser with the page and the code that an
// app shows: the script at the demo host's endpoint stands for the sign-in there.
func approve(t *testing.T, at Addresses, member, page, code string) {
	t.Helper()
	c := browser(t)
	login, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	order, _ := json.Marshal(demohost.Order{Member: member, Nonce: login.Query().Get("nonce")})
	var handOff demohost.HandOff
	decode(t, fetch(t, c, http.MethodPost, at.HandOff, "application/json", string(order)), http.StatusOK, &handOff)
	fields := url.Values{}
	for name, value := range handOff.Fields {
		fields.Set(name, value)
	}
	enter, fields := fetch(t, c, http.MethodPost, handOff.Action, formType, fields.Encode()).form(t, "/enter")
	fields.Set("code", code)
	if done := fetch(t, c, http.MethodPost, enter, formType, fields.Encode()); done.status != http.StatusOK {
		t.Fatalf("the code gives %d:\n%s", done.status, done.body)
	}
}

func accountOf(t *testing.T, c *http.Client, at Addresses, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.Chat+"/client/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var me struct {
		Account string `json:"account"`
	}
	if err := json.NewDecoder(response.Body).Decode(&me); err != nil || response.StatusCode != http.StatusOK || me.Account == "" {
		t.Fatalf("who am I: %d %+v, %v", response.StatusCode, me, err)
	}
	return me.Account
}

func decode(t *testing.T, p page, status int, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.body), to); err != nil || p.status != status {
		t.Fatalf("%s: %d %s, %v", p.at, p.status, p.body, err)
	}
}

// checkDemoHost: the host reads a member's profile with its key. Before mira has a
// device there is no link to show, and the page says so; afterwards it shows the
// link that mira's own device has, and the chat draws its code.
func checkDemoHost(t *testing.T, at Addresses) {
	t.Helper()
	c := browser(t)
	before := fetch(t, c, http.MethodGet, at.Demo+"/members/mira", "", "")
	if before.status != http.StatusOK || !strings.Contains(before.body, "Mira has no private address yet") {
		t.Errorf("mira's page before: %d\n%s", before.status, before.body)
	}
	link := foundDevice(t, at, "mira")
	after := fetch(t, c, http.MethodGet, at.Demo+"/members/mira", "", "")
	if !strings.HasPrefix(link, at.Chat+"/i/") || !strings.Contains(after.body, `href="`+link+`"`) {
		t.Errorf("mira's device has the link %q and her page:\n%s", link, after.body)
	}
	invite, _, _ := strings.Cut(link, "#")
	if !strings.Contains(after.body, `src="`+invite+`/qr.svg"`) {
		t.Errorf("no QR code on mira's page:\n%s", after.body)
	}
	if code := fetch(t, c, http.MethodGet, invite+"/qr.svg", "", ""); code.status != http.StatusOK || !strings.HasPrefix(code.body, "<svg") {
		t.Errorf("the QR code: %d %.60s", code.status, code.body)
	}
}

// foundDevice signs a member in on the terminal client, makes the first device
// and returns the member's link.
func foundDevice(t *testing.T, at Addresses, member string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(terminal, "--script", "--dir", filepath.Join(dir, "vault"), "--key-file", filepath.Join(dir, "key"))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	lines := bufio.NewScanner(out)
	var link string
	fmt.Fprintf(in, "{\"do\":\"login\",\"address\":%q}\n", at.Chat)
	for lines.Scan() {
		var l struct {
			Event, Page, Code, Do string
			OK                    bool
			Answer                struct{ Link string }
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		switch {
		case l.Event == "sign_in":
			approve(t, at, member, l.Page, l.Code)
		case l.Event != "":
		case !l.OK:
			t.Fatalf("the terminal answers %s", lines.Text())
		case l.Do == "login":
			fmt.Fprintln(in, `{"do":"found"}`)
		case l.Do == "found":
			fmt.Fprintln(in, `{"do":"invite"}`)
		case l.Do == "invite":
			link = l.Answer.Link
			fmt.Fprintln(in, `{"do":"quit"}`)
		}
	}
	return link
}
