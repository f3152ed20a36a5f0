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
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// testPatience bounds each wait of these tests; nothing is expected to take so long.
const testPatience = 45 * time.Second

// world is the real thing: what `make run` starts, and the real client.
type world struct {
	Demo    string `json:"demo"`
	Chat    string `json:"chat"`
	HandOff string `json:"hand_off"`

	term string // path of the binary
}

// theWorld is started once, by the first test that needs it, and stopped by
// TestMain.
var theWorld = sync.OnceValues(startWorld)

var stopWorld = func() error { return nil }

func startWorld() (*world, error) {
	dir, err := os.MkdirTemp("", "term-world-")
	if err != nil {
		return nil, err
	}
	w := &world{term: filepath.Join(dir, "term")}
	dev := filepath.Join(dir, "dev")
	for path, pkg := range map[string]string{w.term: ".", dev: "../dev"} {
		if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			return nil, errors.Join(err, errors.New(string(out)))
		}
	}
	var log bytes.Buffer
	cmd := exec.Command(dev, "--json", "--listen", "127.0.0.1:0", "--dir", filepath.Join(dir, "world"))
	cmd.Dir = "../.."
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stopWorld = func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		return errors.Join(err, cmd.Wait(), os.RemoveAll(dir))
	}
	if err := json.NewDecoder(out).Decode(w); err != nil {
		return nil, errors.Join(err, stopWorld(), errors.New(log.String()))
	}
	return w, nil
}

// suite runs the tests and stops what they started. testscript.Main runs the
// program itself instead where a script asks for it.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	code := s.m.Run()
	if err := stopWorld(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the world:", err)
		code = max(code, 1)
	}
	return code
}

func TestMain(m *testing.M) { testscript.Main(suite{m}, map[string]func(){"term": termMain}) }

func needWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a database and a server")
	}
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// approveIn is the member's part of a sign-in, in a browser: sign in with the host,
// come back with its word, and type the code.
func (w *world) approveIn(ctx context.Context, member, page, code string) error {
	u, err := url.Parse(page)
	if err != nil {
		return err
	}
	order, _ := json.Marshal(map[string]string{"member": member, "nonce": u.Query().Get("nonce")})
	browser := newBrowser()
	var form struct {
		Action string            `json:"action"`
		Fields map[string]string `json:"fields"`
	}
	answer, err := browser.send(ctx, http.MethodPost, w.HandOff, "application/json", string(order))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, &form); err != nil {
		return err
	}
	fields := url.Values{}
	for name, value := range form.Fields {
		fields.Set(name, value)
	}
	const formType = "application/x-www-form-urlencoded"
	enter, err := browser.send(ctx, http.MethodPost, form.Action, formType, fields.Encode())
	if err != nil {
		return err
	}
	token := regexp.MustCompile(`name="form_token" value="([^"]+)"`).FindSubmatch(enter)
	if token == nil {
		return errors.New("the page asks for no code: " + string(enter))
	}
	typed := url.Values{"form_token": {string(token[1])}, "code": {strings.ToLower(code)}}
	_, err = browser.send(ctx, http.MethodPost, w.Chat+"/enter", formType, typed.Encode())
	return err
}

// browser keeps cookies and follows redirects, and finds .localhost here.
type browser struct{ http.Client }

func newBrowser() *browser {
	jar, _ := cookiejar.New(nil)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return &browser{http.Client{Jar: jar, Transport: &http.Transport{DialContext: dial}, Timeout: testPatience}}
}

func (b *browser) send(ctx context.Context, method, address, kind, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", kind)
	answer, err := b.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(method + " " + address + ": " + answer.Status + ": " + string(text))
	}
	return text, err
}

// device is one term in script mode.
type device struct {
	t     *testing.T
	w     *world
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte
	dir   string
	errs  *bytes.Buffer
}

// line is what term prints: an answer or an event.
type printed struct {
	OK     bool            `json:"ok"`
	Do     string          `json:"do"`
	Event  string          `json:"event"`
	Page   string          `json:"page"`
	Code   string          `json:"code"`
	Digits string          `json:"digits"`
	Error  json.RawMessage `json:"error"`
	Answer json.RawMessage `json:"answer"`
}

func (w *world) device(t *testing.T, name string) *device {
	t.Helper()
	d := &device{t: t, w: w, name: name, dir: t.TempDir()}
	d.start()
	return d
}

func (d *device) start() {
	d.t.Helper()
	d.errs = new(bytes.Buffer)
	d.cmd = exec.Command(d.w.term, "--script", "--dir", filepath.Join(d.dir, "store"), "--key-file", filepath.Join(d.dir, "key"))
	d.cmd.Stderr = d.errs
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	lines := make(chan []byte, 64)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			lines <- bytes.Clone(scanner.Bytes())
		}
	}()
	d.lines = lines
	d.t.Cleanup(func() { d.in.Close(); _ = d.cmd.Wait() })
}

// next returns the next line.
func (d *device) next() printed {
	d.t.Helper()
	select {
	case line, ok := <-d.lines:
		d.t.Logf("%s %-7s %.200s", time.Now().Format("05.000"), d.name, line)
		if !ok {
			d.t.Fatalf("%s ended: %s", d.name, d.errs)
		}
		var p printed
		if err := json.Unmarshal(line, &p); err != nil {
			d.t.Fatalf("%s printed %q: %v", d.name, line, err)
		}
		return p
	case <-time.After(testPatience):
		d.t.Fatalf("%s says nothing: %s", d.name, d.errs)
	}
	return printed{}
}

type fields map[string]any

// tell sends a command without waiting.
func (d *device) tell(do string, in fields) {
	d.t.Helper()
	all := fields{"do": do}
	for k, v := range in {
		all[k] = v
	}
	line, _ := json.Marshal(all)
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		d.t.Fatalf("%s: %v: %s", d.name, err, d.errs)
	}
}

// answer waits for the answer of a command and reads it into out.
func (d *device) answer(do string, out any) {
	d.t.Helper()
	p := d.next()
	for p.Event != "" {
		p = d.next()
	}
	if !p.OK || p.Do != do {
		d.t.Fatalf("%s: %s answered %q: %s", d.name, do, p.Do, p.Error)
	}
	if out != nil {
		if err := json.Unmarshal(p.Answer, out); err != nil {
			d.t.Fatalf("%s: %s answered %s: %v", d.name, do, p.Answer, err)
		}
	}
}

func (d *device) do(do string, in fields, out any) {
	d.t.Helper()
	d.tell(do, in)
	d.answer(do, out)
}

// event waits for an event.
func (d *device) event(name string) printed {
	d.t.Helper()
	p := d.next()
	if p.Event != name {
		d.t.Fatalf("%s: expected %s, received %+v %s", d.name, name, p, p.Error)
	}
	return p
}

// login signs in as a member of the demo host.
func (d *device) login(member string) {
	d.t.Helper()
	d.tell("login", fields{"address": d.w.Chat})
	p := d.event("sign_in")
	ctx, cancel := context.WithTimeout(d.t.Context(), testPatience)
	defer cancel()
	if err := d.w.approveIn(ctx, member, p.Page, p.Code); err != nil {
		d.t.Fatal(err)
	}
	d.answer("login", nil)
}

// quit ends the program and checks its exit code.
func (d *device) quit() {
	d.t.Helper()
	d.do("quit", nil, nil)
	if err := d.cmd.Wait(); err != nil {
		d.t.Fatalf("%s: %v: %s", d.name, err, d.errs)
	}
}
