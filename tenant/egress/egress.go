// Package egress is the one way out for a request whose address comes from a
// tenant or from a remote document: identity providers, key sets, webhooks. It
// speaks https to public addresses only, judged on the address that is dialled
// and not on the name, follows no redirect, and bounds size and time. It is not
// for addresses that the operator configured (PostgreSQL, Redis, object store).
package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxBody is the most that is read of an answer, in bytes: a key set of 100
	// RSA keys has a tenth of it.
	MaxBody = 1 << 20
	// MaxTime bounds a whole exchange, from dialling to the last byte.
	MaxTime = 10 * time.Second

	maxHeader     = 64 << 10
	maxURL        = 2048
	maxIdle       = 32
	idleTime      = 30 * time.Second
	handshakeTime = 5 * time.Second
)

// What a request can meet. The errors of this package repeat neither the query
// of a URL nor anything that was sent or received.
var (
	ErrAddress     = errors.New("egress: not a public https address")
	ErrRedirect    = errors.New("egress: the server answers with a redirect, which is not followed")
	ErrTooLarge    = errors.New("egress: the answer is larger than 1 MiB")
	ErrTimeout     = errors.New("egress: no complete answer within the time allowed")
	ErrTLS         = errors.New("egress: the server's certificate does not verify")
	ErrUnreachable = errors.New("egress: no connection, or it broke")
	ErrStatus      = errors.New("egress: the server answers with another status than 200")
)

// Config says what tests may reach besides the public internet. The zero value
// is that of production.
type Config struct {
	// Allow lists exact "host:port" pairs that may be private and spoken to
	// without TLS (--test-egress-allow). Example: 127.0.0.1:5556.
	Allow []string
	// Time bounds an exchange; 0 means MaxTime, more is cut to it.
	Time time.Duration
	// Roots verifies servers; nil means the system's.
	Roots *x509.CertPool
}

// Client sends requests under the rules of this package. It is safe for many
// goroutines and starts none that outlives its idle connections (30 s).
type Client struct{ http *http.Client }

// New makes a client.
func New(cfg Config) (*Client, error) {
	allow, err := parseAllow(cfg.Allow)
	if err != nil {
		return nil, err
	}
	limit := cfg.Time
	if limit <= 0 || limit > MaxTime {
		limit = MaxTime
	}
	return &Client{&http.Client{
		Transport:     guard{transport(cfg.Roots, allow), allow},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
		Timeout:       limit,
	}}, nil
}

// transport takes no proxy from the environment: behind one, the address that
// is dialled would be the proxy's and the check below would see nothing.
func transport(roots *x509.CertPool, allow allowed) *http.Transport {
	return &http.Transport{
		DialContext:            dialer(allow),
		TLSClientConfig:        tlsConfig(roots),
		TLSHandshakeTimeout:    handshakeTime,
		DisableCompression:     true, // what is read is what was sent: no bomb unfolds
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// HTTP returns the client for a library that wants one. Pass errors that come
// back through Reason before they are kept or shown.
func (c *Client) HTTP() *http.Client { return c.http }

// Get reads a document. An error names the host and nothing more of the URL.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: expected a URL, received one that does not parse", ErrAddress)
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: received %d from %s", ErrStatus, res.StatusCode, req.URL.Host)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, Reason(err)
	}
	return body, nil
}

// Do sends a request. The caller closes the body; a read of it past MaxBody
// gives ErrTooLarge.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", Reason(err), req.URL.Host)
	}
	return res, nil
}

// CheckURL says whether Get and Do would try an address at all. The host may
// still turn out to be private when it is dialled.
func (c *Client) CheckURL(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("%w: expected at most %d bytes, received %d", ErrAddress, maxURL, len(address))
	}
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%w: expected a URL, received one that does not parse", ErrAddress)
	}
	return checkURL(u, c.http.Transport.(guard).allow)
}

// Reason reduces an error of net/http, which repeats URLs, to a sentinel of
// this package.
func Reason(err error) error {
	var network net.Error
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid):
		return ErrTLS
	}
	for _, known := range []error{ErrAddress, ErrRedirect, ErrTooLarge, ErrStatus, ErrTimeout, ErrTLS} {
		if errors.Is(err, known) {
			return known
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return ErrTimeout
	}
	return ErrUnreachable
}

// allowed is a set of "host:port".
type allowed map[string]bool

func parseAllow(pairs []string) (allowed, error) {
	set := allowed{}
	for _, pair := range pairs {
		host, port, err := net.SplitHostPort(pair)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("egress allow-list: expected host:port, received %q", pair)
		}
		set[pair] = true
	}
	return set, nil
}
