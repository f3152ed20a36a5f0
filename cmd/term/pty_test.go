//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// person is somebody at a real pseudo-terminal, with a terminal behind it that
// keeps the screen as a person would see it.
type person struct {
	t    *testing.T
	tty  *os.File
	vt   vt10x.Terminal
	mu   sync.Mutex
	raw  bytes.Buffer // all that the terminal got
	news chan struct{}
}

func sitDown(t *testing.T, cmd *exec.Cmd, cols, rows int) *person {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, tty: f, vt: vt10x.New(vt10x.WithSize(cols, rows)), news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() { defer close(done); p.look() }()
	t.Cleanup(func() { f.Close(); <-done })
	return p
}

// look takes in what comes until the program has ended.
func (p *person) look() {
	b := make([]byte, 4096)
	for {
		n, err := p.tty.Read(b)
		p.mu.Lock()
		p.raw.Write(b[:n])
		p.mu.Unlock()
		_, _ = p.vt.Write(b[:n])
		select {
		case p.news <- struct{}{}:
		default:
		}
		if err != nil { // EIO when the program has ended
			return
		}
	}
}

func (p *person) resize(cols, rows int) {
	p.t.Helper()
	p.vt.Resize(cols, rows)
	if err := pty.Setsize(p.tty, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.tty, keys); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until the screen shows what matches, and returns it.
func (p *person) sees(pattern string) string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(testPatience)
	for {
		if found := want.FindString(p.vt.String()); found != "" {
			return found
		}
		select {
		case <-p.news:
		case <-deadline:
			p.t.Fatalf("waited for %q; the screen is\n%s", pattern, p.vt.String())
		}
	}
}

// TestFullScreen is a newcomer at a terminal, from an empty folder to a sent
// message, with a resize in between.
func TestFullScreen(t *testing.T) {
	t.Parallel()
	w := needWorld(t)
	yuki := w.device(t, "yuki")
	yuki.login("yuki")
	yuki.do("found", nil, nil)
	var link gotLink
	yuki.do("invite", nil, &link)

	dir := filepath.Join(t.TempDir(), "leila")
	cmd := exec.Command(w.term, "--dir", dir, "--files", t.TempDir(), "login", w.Chat)
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	leila := sitDown(t, cmd, 80, 24)

	const passphrase = "nine roofs of honey"
	leila.sees("Choose a passphrase")
	leila.types("short\r")
	leila.sees("(?s)At least 8.*Choose a passphrase")
	leila.types(passphrase + "\r")
	leila.sees("Once more")
	leila.types(passphrase + "\r")
	page := leila.sees(`http://\S+nonce=[A-Za-z0-9_-]{22}`)
	code := leila.sees(`[A-Z]{4}-[A-Z]{4}`)
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	if err := w.approveIn(ctx, "leila", page, code); err != nil {
		t.Fatal(err)
	}
	recovery := leila.sees(`([0-9A-Z]{4}-){7}[0-9A-Z]{4}`)
	leila.sees("last four")
	leila.types("nope\r")
	leila.sees("not the last four")
	leila.types(recovery[len(recovery)-4:] + "\r")
	leila.sees("No chats yet")
	leila.sees("● connected")
	leila.types("\x1bOP") // F1
	leila.sees("Keys and commands")
	leila.types("\x1b")
	leila.sees("No chats yet")
	leila.types("/open " + link.Link + "\r")
	leila.sees("Write a message")
	leila.types("Is the kiln on? 日本\r")
	var got gotMessage
	yuki.do("recv", nil, &got)
	if got.Text != "Is the kiln on? 日本" {
		t.Fatalf("yuki received %+v", got)
	}
	leila.resize(40, 12)
	leila.sees("(?m)^.{0,12}Is the kiln on")
	leila.sees("● connected")
	yuki.do("send", fields{"chat": got.Chat, "text": "\x1b]52;c;aGk=\x07\x1b[2Jstill \u202ehere"}, nil)
	leila.sees("still")
	leila.types("\x11") // Ctrl+Q
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	leila.mu.Lock()
	defer leila.mu.Unlock()
	all := leila.raw.String()
	for name, never := range map[string]string{
		"the passphrase": passphrase, "a title or a clipboard": "\x1b]52", "a title": "\x1b]0;", "another title": "\x1b]2;",
		"a cleared screen from a message": "\x1b[2Jstill", "a turned line": "\u202e",
	} {
		if strings.Contains(all, never) {
			t.Errorf("the terminal got %s", name)
		}
	}
	yuki.quit()
}
