//go:build !js

package native

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/wire"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	const token, fragment = "AAAAAAAAAAAAAAAAAAAAAA", "bpZIVKhlA-IZaRuXTkHqqA"
	good := map[string]string{
		"chat.example": "https://chat.example", " https://Chat.Example/ ": "https://chat.example", "chat.example:8443": "https://chat.example:8443",
		"demo.localhost:8701": "http://demo.localhost:8701", "http://localhost": "http://localhost", "127.0.0.1:80": "http://127.0.0.1:80",
		"https://chat.example/i/" + token + "#" + fragment: "https://chat.example", "demo.localhost:1/i/" + token + "#" + fragment: "http://demo.localhost:1",
	}
	for text, want := range good {
		origin, invite, err := ParseAddress(text)
		if err != nil || origin != want || (invite != nil) != strings.Contains(text, "/i/") {
			t.Errorf("%q: %q, %v, %v", text, origin, invite, err)
		}
		if invite != nil && InviteLink(origin, invite.Token, invite.Fragment) != origin+"/i/"+token+"#"+fragment {
			t.Errorf("%q does not print as it was read", text)
		}
		if invite != nil && strings.Contains(fmt.Sprintf("%v %+v %s", invite, invite, invite), "0 0 0") {
			t.Error("an invite prints its token")
		}
	}
	bad := []string{
		"", "http://chat.example", "ftp://chat.example", "https://", "https://user@chat.example", "https://u:p@chat.example/", "https://chat.example/x",
		"https://chat.example/?q", "https://chat.example/?", "https://chat.example/#frag", "https://chat.example/i/" + token, "https://chat.example/i/#" + fragment,
		"https://chat.example/i/" + token + "#" + fragment + "A", "https://chat.example/i/short#" + fragment, "DEVICE-LINK:AAAA", "SAFETY-NUMBER:AA",
		"https://chat.example/i/" + token + "/x#" + fragment, "https:chat.example", "javascript:alert(1)", "https://chat.example\x00", strings.Repeat("a", 600),
		"http://localhost.evil.example", "http://evil.example/localhost",
	}
	for _, text := range bad {
		if origin, _, err := ParseAddress(text); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %q, %v", text, origin, err)
		}
	}
}

func TestTokenPrintsNothing(t *testing.T) {
	t.Parallel()
	token := NewToken("very-secret")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, token); strings.Contains(text, "secret") || strings.Contains(text, "7665") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// TestRedirect: a session never follows a server to another place.
func TestRedirect(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other server was asked %s with %q", r.URL.Path, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	site := NewSite(server.URL, NewToken("t"))
	defer site.Close()
	if err := site.SignOut(t.Context()); !errors.Is(err, ErrServer) {
		t.Errorf("a redirect gives %v", err)
	}
}

// flaky is a server of uploads and downloads that breaks off in the middle of
// everything, and keeps what it got.
type flaky struct {
	mu     sync.Mutex
	id     messaging.BlobID
	size   int
	got    []byte
	digest string
	chat   string
	breaks int // requests that are still to be broken
}

// set looks at the server, or changes it, between its requests.
func (f *flaky) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer t" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method {
	case http.MethodPost:
		f.size, _ = strconv.Atoi(r.Header.Get("Upload-Length"))
		f.chat = r.Header.Get("Upload-Metadata")
		w.Header().Set("Location", "/media/v1/uploads/"+f.id.String())
		w.WriteHeader(http.StatusCreated)
	case http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.Itoa(len(f.got)))
	case http.MethodPatch:
		f.patch(w, r)
	case http.MethodGet:
		f.get(w, r)
	}
}

func (f *flaky) patch(w http.ResponseWriter, r *http.Request) {
	if at, _ := strconv.Atoi(r.Header.Get("Upload-Offset")); at != len(f.got) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	body, _ := io.ReadAll(r.Body)
	if f.breaks > 0 {
		f.breaks--
		f.got = append(f.got, body[:len(body)/2]...)
		panic(http.ErrAbortHandler)
	}
	f.got = append(f.got, body...)
	f.digest = r.Header.Get("Upload-Metadata")
	w.WriteHeader(http.StatusNoContent)
}

func (f *flaky) get(w http.ResponseWriter, r *http.Request) {
	from := 0
	if text := r.Header.Get("Range"); text != "" {
		_, _ = fmt.Sscanf(text, "bytes=%d-", &from)
		w.Header().Set("Content-Length", strconv.Itoa(len(f.got)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.got)))
	}
	end := len(f.got)
	if f.breaks > 0 {
		f.breaks--
		end = from + (end-from)/2
	}
	_, _ = w.Write(f.got[from:end])
	if end < len(f.got) {
		panic(http.ErrAbortHandler)
	}
}

// TestTransfers: what breaks in the middle goes on there, in both directions.
func TestTransfers(t *testing.T) {
	t.Parallel()
	f := &flaky{id: messaging.NewBlobID(), breaks: 1}
	server := httptest.NewServer(f)
	defer server.Close()
	site := NewSite(server.URL, NewToken("t"))
	defer site.Close()
	blobs := site.Blobs(messaging.ChatID{7})
	plain := bytes.Repeat([]byte("0123456789abcdef"), (chunkBytes+chunkBytes/2)/16)
	id, err := blobs.Put(t.Context(), bytes.NewReader(plain), uint64(len(plain)))
	if err != nil || id != f.id {
		t.Fatal(id, err)
	}
	sum := sha256.Sum256(plain)
	f.set(func() {
		if want := "sha256 " + base64.StdEncoding.EncodeToString(sum[:]); !bytes.Equal(f.got, plain) || f.digest != want {
			t.Errorf("the server has %d bytes and digest %q, expected %d and %q", len(f.got), f.digest, len(plain), want)
		}
		if want := "chat " + base64.StdEncoding.EncodeToString([]byte(messaging.ChatID{7}.String())); f.chat != want {
			t.Errorf("the upload is for %q", f.chat)
		}
	})
	f.set(func() { f.breaks = 1 })
	r, err := blobs.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	// A source that is shorter than it was said to be ends the upload.
	f.set(func() { f.got = nil })
	if _, err := blobs.Put(t.Context(), strings.NewReader("short"), 100); err == nil {
		t.Error("a short source was uploaded")
	}
	if _, err := NewSite(server.URL, NewToken("wrong")).Blobs(messaging.ChatID{}).Get(t.Context(), id); !errors.Is(err, ErrSignedOut) {
		t.Errorf("a wrong session gives %v", err)
	}
}

// TestSocket: frames, close codes, text and oversize.
func TestSocket(t *testing.T) {
	t.Parallel()
	serve := func(do func(ctx context.Context, ws *websocket.Conn)) client.Transport {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer t" || r.URL.Path != "/client/v1/socket" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
			if err != nil {
				return
			}
			ws.SetReadLimit(wire.MaxFrame)
			do(r.Context(), ws)
		}))
		t.Cleanup(server.Close)
		c, err := NewSite(server.URL, NewToken("t")).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ends := func(name string, c client.Transport, want wire.CloseCode) {
		t.Helper()
		_, err := c.Read(t.Context())
		var closed client.Closed
		if !errors.As(err, &closed) || closed.Code != want {
			t.Errorf("%s ends with %v, expected %d", name, err, want)
		}
	}
	echo := serve(func(ctx context.Context, ws *websocket.Conn) {
		for {
			kind, b, err := ws.Read(ctx)
			if err != nil || ws.Write(ctx, kind, b) != nil {
				return
			}
		}
	})
	if err := echo.Write(t.Context(), []byte("frame")); err != nil {
		t.Fatal(err)
	}
	if b, err := echo.Read(t.Context()); err != nil || string(b) != "frame" {
		t.Errorf("%q, %v", b, err)
	}
	_ = echo.Close(wire.CloseMalformed)
	ends("our own close", echo, wire.CloseMalformed)
	ends("a server's code", serve(func(_ context.Context, ws *websocket.Conn) {
		_ = ws.Close(websocket.StatusCode(wire.CloseDeviceRemoved), "")
	}), wire.CloseDeviceRemoved)
	ends("a lost connection", serve(func(_ context.Context, ws *websocket.Conn) { _ = ws.CloseNow() }), wire.CloseLost)
	ends("text", serve(func(ctx context.Context, ws *websocket.Conn) {
		_ = ws.Write(ctx, websocket.MessageText, []byte("x"))
		_, _, _ = ws.Read(ctx)
	}), wire.CloseUnsupported)
	ends("an oversize frame", serve(func(ctx context.Context, ws *websocket.Conn) {
		_ = ws.Write(ctx, websocket.MessageBinary, make([]byte, wire.MaxFrame+1))
		_, _, _ = ws.Read(ctx)
	}), wire.CloseTooBig)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer server.Close()
	c, err := NewSite(server.URL, NewToken("t")).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends("an ended session", c, wire.CloseSessionEnded)
}
