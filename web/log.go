package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/web/auth"
)

const requestIDKey = "request_id"

// requestID is ours alone: one that a client sends could forge lines of a log or
// join two members' requests.
func requestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

func withRequestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var raw [8]byte
		rand.Read(raw[:])
		id := hex.EncodeToString(raw[:])
		c.Set(requestIDKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// withLog writes one line a request: the route's pattern and never its path, no
// query, no header, no address. Paths hold invite tokens, and the rest holds what
// tells people apart.
func (s *Server) withLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err) // answers now, so that the line has the status
		}
		took := time.Since(start)
		route := routeOf(c)
		s.metrics.seen(c.Request().Method, route, c.Response().Status, took)
		s.deps.Log.LogAttrs(c.Request().Context(), levelOf(c.Response().Status), "request", s.attributes(c, route, took, err)...)
		return nil
	}
}

func (s *Server) attributes(c echo.Context, route string, took time.Duration, err error) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("id", requestID(c)),
		slog.String("method", knownMethod(c.Request().Method)),
		slog.String("route", route),
		slog.Int("status", c.Response().Status),
		slog.Int64("bytes", c.Response().Size),
		slog.Int64("took_us", took.Microseconds()),
	}
	if site, ok := auth.HasSite(c); ok {
		attrs = append(attrs, slog.String("tenant", site.Tenant.String()))
	}
	// Only faults of the server are spelled out; what a client did wrong is in its answer.
	if err != nil && c.Response().Status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	return attrs
}

func levelOf(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// routeOf returns the pattern of the route, "-" when none matched.
func routeOf(c echo.Context) string {
	if matched := c.Path(); matched != "" && matched != "/*" {
		return matched
	}
	return "-"
}

// knownMethod keeps the labels of logs and metrics few, whatever is sent.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// withRecover turns a panic into ErrPanic. The log gets the functions on the
// stack without their arguments, and not the value of the panic: it may be made of
// what somebody sent.
func (s *Server) withRecover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler:
				panic(value)
			default:
				s.deps.Log.Error("panic", "id", requestID(c), "type", fmt.Sprintf("%T", value), "at", callers())
				err = ErrPanic
			}
		}()
		return next(c)
	}
}

func callers() (names []string) {
	pcs := make([]uintptr, 24)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	for {
		frame, more := frames.Next()
		names = append(names, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		if !more {
			return names
		}
	}
}

// quiet lets no record through: it ends the lines of net/http, which name the
// addresses of visitors.
type quiet struct{ slog.Handler }

func (quiet) Enabled(context.Context, slog.Level) bool { return false }
