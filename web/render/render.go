// Package render sends a page: it is rendered whole before the first byte leaves,
// so that a failure still gives a clean error, and it says what the browser may
// load for it.
package render

import (
	"bytes"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

// NothingPolicy lets a browser load and do nothing; it is that of every answer
// that is no page.
const NothingPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// policy is that of a page. There is no script, and style comes from our own
// files only. A form may lead to the origins that forms lists besides our own:
// browsers apply form-action to the redirect that answers a form, too.
func policy(forms []string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'; form-action " + strings.Join(append([]string{"'self'"}, forms...), " ")
}

// Page sends a component with a status. forms are the origins that the page's
// forms may end at besides our own.
func Page(c echo.Context, status int, page templ.Component, forms ...string) error {
	var out bytes.Buffer
	if err := page.Render(c.Request().Context(), &out); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", policy(forms))
	return c.HTMLBlob(status, out.Bytes())
}
