package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/limit"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/problem"
)

const (
	// maxBody bounds what a form or a JSON request carries: the longest is a
	// webhook with a URL of 2 KiB, and hand-offs are signed tokens of few KiB.
	maxBody = 64 << 10
	// requestTime bounds what a request may keep waiting for the database.
	requestTime = 10 * time.Second
	// maxTarget bounds path and query: the longest is a QR code's options.
	maxTarget = 4 << 10
)

// withLimits bounds body and time of a request.
func withLimits(body int64, wait time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if r.ContentLength > body {
				return errTooLarge
			}
			ctx, cancel := context.WithTimeout(r.Context(), wait)
			defer cancel()
			defer c.SetRequest(r) // whoever answers an error has time of its own
			r = r.WithContext(ctx)
			r.Body = http.MaxBytesReader(c.Response(), r.Body, body)
			c.SetRequest(r)
			return next(c)
		}
	}
}

// onePath refuses every second spelling of a path: escaped, doubled or dotted
// parts would let one route be reached under a name that nothing else checks. No
// route of ours has a character that needs escaping.
func onePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if u.RawPath != "" || strings.Contains(u.EscapedPath(), "%") || strings.Contains(u.Path, "//") ||
			strings.Contains(u.Path, "/.") && !strings.HasPrefix(u.Path, "/.well-known/") || len(c.Request().RequestURI) > maxTarget {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

// pageRate is what one address may ask of one tenant. People behind one address are many;
// who guesses invite tokens or keys needs 2^127 tries whatever the rate is, and
// is kept from being a load.
func pageRate() limit.Rate { return limit.PerSecond(10, 200) }

// hostRate is for a host's server, which asks for all its members.
func hostRate() limit.Rate { return limit.PerSecond(100, 1000) }

// limited refuses an address that asks for too much. The address is hashed under
// a key that this process made and forgets: it is kept nowhere.
func (s *Server) limited(what string, rate limit.Rate) echo.MiddlewareFunc {
	var key [sha256.Size]byte
	rand.Read(key[:])
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if s.deps.Limits == nil {
				return next(c)
			}
			mac := hmac.New(sha256.New, key[:])
			mac.Write([]byte(c.RealIP()))
			subject := mac.Sum(nil)[:16]
			if wait := s.deps.Limits.Take(c.Request().Context(), limit.NewKey(auth.SiteOf(c).Tenant, what, subject...), rate, 1); wait > 0 {
				told := problem.New(http.StatusTooManyRequests, "too_many_requests", "Too many requests from this address. Try again later.")
				told.RetryAfter = wait
				return told
			}
			return next(c)
		}
	}
}
