package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sottochat/sotto/tenant/egress"
)

// serve starts a server on loopback and returns a client that may reach it.
func serve(t *testing.T, handler http.HandlerFunc) (*egress.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	return client(t, server, server.Listener.Addr().String()), server
}

func client(t *testing.T, server *httptest.Server, allow ...string) *egress.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if server != nil && server.Certificate() != nil {
		roots.AddCert(server.Certificate())
	}
	c, err := egress.New(egress.Config{Allow: allow, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	return c
}

func TestGet(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", egress.MaxBody)
	c, server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, full) })
	body, err := c.Get(t.Context(), server.URL)
	if err != nil || string(body) != full {
		t.Fatalf("got %d bytes, %v", len(body), err)
	}
}

// What a hostile server may try (attacks SSO-14), through Get and through the
// http.Client that libraries are given.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	cases := map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"one byte too many, length told": {func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, egress.MaxBody+1))
		}, egress.ErrTooLarge},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, egress.ErrTooLarge},
		"huge length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			w.Write([]byte("x"))
		}, egress.ErrTooLarge},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/next" {
				elsewhere.Add(1)
			}
			http.Redirect(w, r, "/next", http.StatusFound)
		}, egress.ErrRedirect},
		"not found": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, egress.ErrStatus},
		"headers without end": {func(w http.ResponseWriter, _ *http.Request) {
			for range 2000 {
				w.Header().Add("X-Filler", strings.Repeat("y", 100))
			}
		}, egress.ErrUnreachable},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, egress.ErrUnreachable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := serve(t, c.handler)
			if body, err := client.Get(t.Context(), server.URL+"/?secret=hunter2"); !errors.Is(err, c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %d bytes, %v", len(body), err)
			}
		})
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// A bomb stays as small as it was sent.
func TestNothingUnfolds(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 16<<20))
	z.Close()
	c, server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	})
	body, err := c.Get(t.Context(), server.URL)
	if err != nil || !bytes.Equal(body, bomb.Bytes()) {
		t.Errorf("read %d bytes of %d, %v", len(body), bomb.Len(), err)
	}
}

func TestSlowServer(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		<-done // not the request's context: the end of the answer may overtake the client's closing
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c, err := egress.New(egress.Config{Allow: []string{server.Listener.Addr().String()}, Roots: roots, Time: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), server.URL); !errors.Is(err, egress.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, server.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled by the caller: %v", err)
	}
}

func TestTimeIsNeverMoreThanTheCeiling(t *testing.T) {
	t.Parallel()
	for _, given := range []time.Duration{0, -1, time.Hour} {
		c, err := egress.New(egress.Config{Time: given})
		if err != nil || c.HTTP().Timeout != egress.MaxTime {
			t.Errorf("%v: %v, %v", given, c.HTTP().Timeout, err)
		}
	}
}

func TestCertificateMustVerify(t *testing.T) {
	t.Parallel()
	_, server := serve(t, func(http.ResponseWriter, *http.Request) {})
	stranger := client(t, nil, server.Listener.Addr().String())
	if _, err := stranger.Get(t.Context(), server.URL); !errors.Is(err, egress.ErrTLS) {
		t.Errorf("got %v", err)
	}
}

// Nothing on loopback is reached without the exact pair, however it is written,
// and a name that resolves to loopback is caught when it is dialled.
func TestPrivateAddressesAreNotReached(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	_, server := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	c := client(t, server, "127.0.0.1:1", "localhost:1")
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1."} {
		_, err := c.Get(t.Context(), "https://"+host+":"+port+"/?secret=hunter2")
		if !errors.Is(err, egress.ErrAddress) && !errors.Is(err, egress.ErrUnreachable) {
			t.Errorf("%s: got %v", host, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the query: %v", host, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("a private address was reached")
	}
	// The same name is an address error by the dialler, not by the URL.
	if err := c.CheckURL("https://localhost:" + port); err != nil {
		t.Errorf("the URL alone: %v", err)
	}
	if _, err := c.Get(t.Context(), "https://localhost:"+port); !errors.Is(err, egress.ErrAddress) {
		t.Errorf("dialled: %v", err)
	}
}

func TestRefusedURLs(t *testing.T) {
	t.Parallel()
	c := client(t, nil, "127.0.0.1:5556")
	for _, bad := range []string{
		"", "https://", "http://example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com",
		"https:example.com", "//example.com", "https://user:pass@example.com", "http://127.0.0.1:5557", "https://10.0.0.1",
		"https://[fe80::1%25eth0]", "https://169.254.169.254/latest", "http://127.0.0.1:5556@example.com", "https://:443",
		"ftp://127.0.0.1:5556", "https://example.com/" + strings.Repeat("x", 2048), "https://a b", "https://%zz",
	} {
		if err := c.CheckURL(bad); !errors.Is(err, egress.ErrAddress) {
			t.Errorf("CheckURL(%q) = %v", bad, err)
		}
		if _, err := c.Get(t.Context(), bad); len(bad) < 2048 && !errors.Is(err, egress.ErrAddress) {
			t.Errorf("Get(%q) = %v", bad, err)
		}
	}
	for _, good := range []string{"https://example.com", "https://example.com:8443/x?y", "http://127.0.0.1:5556", "https://127.0.0.1:5556/x", "https://8.8.8.8"} {
		if err := c.CheckURL(good); err != nil {
			t.Errorf("CheckURL(%q) = %v", good, err)
		}
	}
}

func TestAllowListIsExact(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "localhost", ":80", "localhost:", "localhost:0", "localhost:65536", "localhost:http", "::1:80", "*"} {
		if _, err := egress.New(egress.Config{Allow: []string{bad}}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestReasonRepeatsNothing(t *testing.T) {
	t.Parallel()
	secret := &url.Error{Op: "Get", URL: "https://x/?code=hunter2", Err: errors.New("hunter2")}
	if got := egress.Reason(secret); got != egress.ErrUnreachable {
		t.Errorf("got %v", got)
	}
	if egress.Reason(nil) != nil {
		t.Error("no error became one")
	}
}
