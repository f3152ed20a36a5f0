package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
)

// guard looks at every request before it leaves, those of libraries that were
// given the http.Client included, and bounds every answer.
type guard struct {
	next  http.RoundTripper
	allow allowed
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL, g.allow); err != nil {
		return nil, err
	}
	res, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.ContentLength > MaxBody {
		res.Body.Close()
		return nil, ErrTooLarge
	}
	res.Body = &bounded{body: res.Body, left: MaxBody}
	return res, nil
}

// checkURL refuses what no dialler should be asked for. User information in a
// URL would be sent as a password to whoever answers.
func checkURL(u *url.URL, allow allowed) error {
	switch {
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: expected a host", ErrAddress)
	case u.User != nil:
		return fmt.Errorf("%w: expected no user information", ErrAddress)
	case allow[endpoint(u)] && (u.Scheme == "https" || u.Scheme == "http"):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("%w: expected https", ErrAddress)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !public(ip) {
		return ErrAddress
	}
	return nil
}

func endpoint(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialer judges the address after the name was resolved, on the very socket
// that will be connected: a name that answers differently the second time
// gains nothing.
func dialer(allow allowed) func(context.Context, string, string) (net.Conn, error) {
	free := &net.Dialer{}
	guarded := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return checkAddress(address) }}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if allow[address] {
			return free.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// checkAddress also holds the port: below 1024 only 443, so that no tenant can
// make us knock at mail servers or the like.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ErrAddress
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n != 443 && n < 1024 {
		return ErrAddress
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !public(ip) {
		return ErrAddress
	}
	return nil
}

// public reports whether an address is that of the public internet: none of
// the IANA special-purpose registries (RFC 6890 and its updates). An IPv4
// address inside IPv6 is judged as IPv4; the translation and tunnel prefixes,
// which carry an IPv4 address further inside, are refused whole.
func public(ip netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	special := specialIPv4
	if ip.Is6() {
		if !globalIPv6.Contains(ip) {
			return false
		}
		special = specialIPv6
	}
	for _, prefix := range special {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}

// globalIPv6 is all that IANA has opened for unicast; the NAT64 prefixes
// 64:ff9b::/96 and 64:ff9b:1::/48 lie outside it.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

var specialIPv4 = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
}

var specialIPv6 = []netip.Prefix{
	netip.MustParsePrefix("2001::/23"),     // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4
	netip.MustParsePrefix("3fff::/20"),     // documentation
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// bounded is a body that ends with ErrTooLarge where the ceiling is passed.
type bounded struct {
	body io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte past the ceiling tells a full answer from one that is too large.
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= n; b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

func (b *bounded) Close() error { return b.body.Close() }
