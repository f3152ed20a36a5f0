// Package public holds the pages of a tenant's chat domain that need no device:
// the landing page of an invite with its QR code, signing in, and what a member
// sees right after. All of it works without a script, and no page carries the
// platform's name.
package public

import (
	"context"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/templates/publicpage"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/brand"
	"github.com/sottochat/sotto/web/static"
	"github.com/sottochat/sotto/web/words"
)

// Pages are the handlers.
type Pages struct {
	DB       *tenant.DB
	Accounts *account.Service
	Invites  *invite.Service
	SSO      SSO
	Words    []words.Catalogue
	// SignedIn tells the member's devices of a new session; nil: nobody is told.
	SignedIn func(ctx context.Context, id tenant.ID, who account.Who)
}

// words returns the catalogue for a visitor.
func (p Pages) words(c echo.Context) words.Catalogue {
	fallback := "en"
	if site, ok := auth.HasSite(c); ok {
		fallback = site.Language
	}
	return words.Choose(p.Words, c.Request().Header.Get("Accept-Language"), fallback)
}

// shell is what every page of a site has.
func shell(c echo.Context, w words.Catalogue, title, description string) publicpage.Shell {
	site := auth.SiteOf(c)
	c.Response().Header().Set("Content-Language", w.Language)
	c.Response().Header().Add("Vary", "Accept-Language")
	return publicpage.Shell{Language: w.Language, Direction: w.Direction, Title: title, Description: words.Fill(description, site.Name),
		Name: site.Name, Initial: initial(site.Name), StyleURL: static.Page().Path,
		BrandURL: brandPath(site.Color, "css"), IconURL: brandPath(site.Color, "svg"), Skip: w.Skip}
}

// initial returns the first letter or digit of a name.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	r, _ := utf8.DecodeRuneInString(name)
	return string(r)
}

func brandPath(hex, extension string) string {
	color, _ := brand.Parse(hex) // the registry checked it; black otherwise
	return "/brand/" + color.Hex() + "." + extension
}
