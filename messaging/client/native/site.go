//go:build !js

package native

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

var (
	// ErrSignedOut: the server knows no such session (any more).
	ErrSignedOut = errors.New("native: not signed in, or the session has ended")
	// ErrServer is wrapped by every answer that is not what was asked for.
	ErrServer = errors.New("native: the server refused")
)

// Refused is an ErrServer with what the server says of it (RFC 9457).
type Refused struct {
	Status int
	Code   string // lower case with underscores; empty when the answer was no problem document
	Field  string
	Detail string
}

func (r Refused) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("%v with status %d", ErrServer, r.Status)
	}
	return fmt.Sprintf("%v: %s %s (%s)", ErrServer, r.Code, r.Field, r.Detail)
}

func (r Refused) Unwrap() error { return ErrServer }

// Token is a session's bearer secret. It prints nothing.
type Token struct{ text string }

// NewToken keeps a token as the server or the vault has it.
func NewToken(text string) Token { return Token{text} }

// Reveal returns the text, for the vault only.
func (t Token) Reveal() string { return t.text }

// IsZero reports whether there is none.
func (t Token) IsZero() bool { return t.text == "" }

// Format prints nothing of the token, for every verb and flag.
func (Token) Format(f fmt.State, _ rune) { io.WriteString(f, "(session)") }

// Site is one chat's server as one session sees it. The methods may be called by
// several goroutines at once.
type Site struct {
	origin string
	token  Token
	http   *http.Client
}

const (
	// callTime bounds a call that is not a transfer.
	callTime = 30 * time.Second
	// maxAnswer bounds an answer in JSON: the largest has a handful of short
	// strings.
	maxAnswer = 64 << 10
)

// NewSite makes a client of the server at an origin that ParseAddress returned.
// The zero Token is for signing in.
func NewSite(origin string, token Token) *Site {
	transport := &http.Transport{
		DialContext:           dialLocal,
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: callTime,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   4,
	}
	// A redirect would carry the session to wherever a server points.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Site{origin, token, &http.Client{Transport: transport, CheckRedirect: stay}}
}

// dialLocal reaches names under .localhost, which not every resolver knows, on
// this machine.
func dialLocal(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && Local(host) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
}

// Origin returns the chat's address.
func (s *Site) Origin() string { return s.origin }

// Close lets go of idle connections.
func (s *Site) Close() { s.http.CloseIdleConnections() }

func (s *Site) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.origin+path, body)
	if err != nil {
		return nil, err
	}
	if !s.token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+s.token.text)
	}
	return r, nil
}

// call sends in as JSON (nil: no body) and reads the answer into out (nil: none
// expected), and returns the status.
func (s *Site) call(ctx context.Context, method, path string, in, out any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	r, err := s.request(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return answer.StatusCode, refused(answer)
	}
	if out == nil || answer.StatusCode == http.StatusNoContent {
		return answer.StatusCode, nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return answer.StatusCode, fmt.Errorf("%w: an answer that is not JSON", ErrServer)
	}
	return answer.StatusCode, nil
}

// refused reads a problem document. What it says comes from the server and is
// shown only through package display.
func refused(answer *http.Response) error {
	if answer.StatusCode == http.StatusUnauthorized {
		return ErrSignedOut
	}
	var p struct{ Code, Field, Detail string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&p)
	return Refused{answer.StatusCode, p.Code, p.Field, p.Detail}
}
