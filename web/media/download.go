package media

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/web/auth"
)

// download answers GET and HEAD of a blob, whole or one range of it. What it
// gives is never shown: a browser saves it, runs nothing of it and keeps
// nothing of it.
func (a API) download(c echo.Context) error {
	who, blob, err := a.asked(c)
	if err != nil {
		return err
	}
	b, err := a.Blobs.Open(c.Request().Context(), auth.SiteOf(c).Tenant, who, blob)
	if err != nil {
		return err
	}
	defer b.Close()
	control := http.NewResponseController(c.Response())
	// The server's time for reading a request is over long before a download is;
	// when it runs out, the request's context ends.
	if control.SetReadDeadline(time.Time{}) != nil {
		return errControl
	}
	h := c.Response().Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", `"`+blob.String()+`"`) // what a blob holds never changes
	w := &pacedWriter{ResponseWriter: c.Response(), control: control, idle: a.idle()}
	http.ServeContent(w, oneRange(c.Request()), "", time.Time{}, b)
	return nil
}

// oneRange takes the Range header out of a request for several: each would be
// answered with a header of its own, many times what was asked for. A server
// may ignore ranges (RFC 9110 section 14.2).
func oneRange(r *http.Request) *http.Request {
	asked := r.Header.Get("Range")
	switch {
	case strings.Contains(asked, ",") || len(r.Header.Values("Range")) > 1:
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	case noSuffix(asked):
		r = r.Clone(r.Context())
		r.Header.Set("Range", beyondEveryBlob)
	}
	return r
}

// beyondEveryBlob begins where no blob is.
const beyondEveryBlob = "bytes=9223372036854775806-"

// noSuffix reports whether a range asks for the last 0 bytes. That is
// unsatisfiable (RFC 9110 section 14.1.2), but net/http answers it with 206 and
// a Content-Range that ends before it begins.
func noSuffix(asked string) bool {
	digits, ok := strings.CutPrefix(strings.ReplaceAll(asked, " ", ""), "bytes=-")
	return ok && digits != "" && strings.Trim(digits, "0") == ""
}

// delivered takes a device's word that it has a blob.
func (a API) delivered(c echo.Context) error {
	who, blob, err := a.asked(c)
	if err != nil {
		return err
	}
	if err := a.Blobs.Delivered(c.Request().Context(), auth.SiteOf(c).Tenant, who, blob); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
