package web

import (
	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/render"
)

// withHeaders sets what every answer carries, errors included, before anything
// else runs. Handlers may only narrow it: pages set their own policy of content,
// and what may be kept sets its own Cache-Control.
func withHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", render.NothingPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// withTransport tells browsers to come by TLS only, for two years, as the preload
// lists of browsers expect; localhost is served without.
func withTransport(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if host := auth.CanonicalHost(c.Request().Host); host != "" && !auth.Local(host) {
			c.Response().Header().Set("Strict-Transport-Security", "max-age=63072000")
		}
		return next(c)
	}
}
