// Package web is everything that speaks HTTP: it finds the tenant by the host
// name, sees who is asking, and hands over to pages, API and socket. It decides
// nothing about chats or invites, and its handlers hold no SQL. Every route
// stands in routes.go, every error's words in errors.go.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/web/api"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/clientapi"
	"github.com/sottochat/sotto/web/public"
	"github.com/sottochat/sotto/web/socket"
)

// Deps is what the server is made of. Every field is needed unless it says
// otherwise.
type Deps struct {
	Sites  auth.Sites
	Public public.Pages
	API    api.API
	Client clientapi.API
	Socket socket.Socket
	// Mounts are routes of other parts (media); none is fine.
	Mounts []Mount
	// Limits bounds what one address may ask of a tenant; nil: nothing is
	// bounded. It must keep its counts in this process: they are of addresses.
	Limits limit.Limiter
	// Ready says why the server should get no requests now, or nil.
	Ready func(context.Context) error
	// Log gets one line a request.
	Log *slog.Logger
	// Metrics collects the counts of requests.
	Metrics prometheus.Registerer
	// TrustedProxies may say in X-Forwarded-For whom they forward for. Nobody
	// else's word counts. Empty: the server is reached directly.
	TrustedProxies []netip.Prefix
}

// Mount adds routes under a prefix of the tenant's site. Its handlers return
// errors as all others do, and find the site by auth.SiteOf.
type Mount struct {
	Prefix string // such as "/media/v1"
	// MaxBody bounds a request in bytes, Time its duration.
	MaxBody int64
	Time    time.Duration
	Routes  func(*echo.Group)
}

// Server answers requests.
type Server struct {
	echo    *echo.Echo
	deps    Deps
	errors  []row
	metrics *metrics
}

// New makes a server; Handler is what to listen with.
func New(deps Deps) *Server {
	s := &Server{echo: echo.New(), deps: deps, errors: rows(), metrics: newMetrics(deps.Metrics)}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = ipExtractor(deps.TrustedProxies)
	s.echo.HTTPErrorHandler = s.fail
	s.routes()
	return s
}

// Handler returns the handler of the public listener.
func (s *Server) Handler() http.Handler { return s.echo }

// ipExtractor takes the connection's address, and a forwarded one only from the
// proxies that the operator named.
func ipExtractor(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// Times and sizes of the public listener. A client that sends its header or body
// drop by drop is cut off by the first two; a socket leaves them behind when it
// is upgraded.
const (
	headerTime = 5 * time.Second
	readTime   = 15 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 75 * time.Second
	maxHeader  = 16 << 10
)

// HTTPServer makes the server of the public listener. The standard library
// refuses bare line feeds, two lengths and a length beside chunked coding; HTTP/2
// without TLS is not offered.
func HTTPServer(handler http.Handler, errorLog *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		// The library's own lines hold addresses of visitors; none is kept.
		ErrorLog: slog.NewLogLogger(quiet{errorLog.Handler()}, slog.LevelDebug),
	}
}

// ErrPanic is what a handler that panicked is answered with.
var ErrPanic = errors.New("web: the handler panicked")
