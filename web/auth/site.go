// Package auth says who is asking: which tenant by the host name, which member
// by cookie or bearer token, which host's software by API key, and whether a
// browser's form came from our own page. It opens no page and knows no route.
package auth

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/registry"
)

// ErrHost says that no tenant is served under the host name of a request.
var ErrHost = errors.New("auth: no tenant is served under this host name")

// Site is a tenant as the visitors of its domain see it.
type Site struct {
	Tenant   tenant.ID
	Host     string // as in the address, with a port where it is not the scheme's own
	Name     string
	Color    string // #rrggbb
	Language string // two letters
	Paid     bool
	// Secure says that browsers reach the site by TLS; false only on localhost.
	Secure bool
}

// Origin is the site's origin as browsers write it.
func (s Site) Origin() string {
	if s.Secure {
		return "https://" + s.Host
	}
	return "http://" + s.Host
}

// Sites finds the tenant of a host name.
type Sites interface {
	Lookup(ctx context.Context, host string) (registry.Site, error)
}

const siteKey = "site"

// SiteOf returns the site of a request that passed WithSite.
func SiteOf(c echo.Context) Site { return c.Get(siteKey).(Site) }

// HasSite reports whether the request has reached a tenant's site.
func HasSite(c echo.Context) (Site, bool) {
	site, ok := c.Get(siteKey).(Site)
	return site, ok
}

// WithSite lets only requests through that name a tenant's host in the one way
// that counts. An address in absolute form (RFC 9112 section 3.2.2) is for
// proxies, and a forwarded host that differs is a proxy that would serve one
// tenant under another's name: both are ErrHost, as an unknown name is.
func WithSite(sites Sites) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			host := CanonicalHost(r.Host)
			if host == "" || r.URL.IsAbs() || r.URL.Host != "" {
				return ErrHost
			}
			for _, forwarded := range r.Header.Values("X-Forwarded-Host") {
				if CanonicalHost(forwarded) != host {
					return ErrHost
				}
			}
			found, err := sites.Lookup(r.Context(), host)
			if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrSuspended) || err == nil && found.Purpose != registry.Chat {
				return ErrHost
			}
			if err != nil {
				return err
			}
			c.Set(siteKey, siteOf(found))
			return next(c)
		}
	}
}

func siteOf(found registry.Site) Site {
	return Site{Tenant: found.Tenant, Host: found.Host, Name: found.Brand.Name, Color: found.Brand.Color,
		Language: found.Brand.Language, Paid: found.Mode == registry.Paid, Secure: !Local(found.Host)}
}

// maxHost is the longest host name of the DNS (RFC 1035 section 2.3.4) with a port.
const maxHost = 253 + len(":65535")

// CanonicalHost returns a Host header in lower case without the port that its
// scheme implies, or "" when it is no host name.
func CanonicalHost(host string) string {
	if len(host) > maxHost {
		return ""
	}
	host = strings.ToLower(host)
	for i := range len(host) {
		b := host[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && !strings.ContainsRune(".-:[]", rune(b)) {
			return ""
		}
	}
	if name, port, err := net.SplitHostPort(host); err == nil && (port == "443" || port == "80") {
		return name
	}
	return host
}

// Local reports whether a host name means this machine: such hosts are served
// without TLS.
func Local(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || name == "127.0.0.1" || strings.HasSuffix(name, ".localhost")
}
