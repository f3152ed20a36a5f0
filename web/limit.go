package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
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
