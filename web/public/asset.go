package public

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/web/brand"
	"github.com/sottochat/sotto/web/static"
)

// forever is for what carries its content in its name.
const forever = "public, max-age=31536000, immutable"

// Static returns the handler of one embedded file.
func Static(f static.File) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", forever)
		return c.Blob(http.StatusOK, f.ContentType, f.Body)
	}
}

// Brand serves "<six digits>.css", the colours of pages in that brand, and
// "<six digits>.svg", their icon. It depends on nothing but its name.
func Brand(c echo.Context) error {
	hex, extension, _ := strings.Cut(c.Param("file"), ".")
	color, ok := brand.Parse(hex)
	if !ok || color.Hex() != hex {
		return echo.ErrNotFound
	}
	body, contentType := color.CSS(), "text/css; charset=utf-8"
	switch extension {
	case "css":
	case "svg":
		body, contentType = color.Icon(), "image/svg+xml"
	default:
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", forever)
	return c.Blob(http.StatusOK, contentType, []byte(body))
}
