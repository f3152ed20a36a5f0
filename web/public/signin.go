package public

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/templates/publicpage"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/render"
	"github.com/sottochat/sotto/web/words"
)

// SSO is what the pages ask of package sso.
type SSO interface {
	// LoginOrigin is the origin of the page that a sign-in leads to.
	LoginOrigin(ctx context.Context, id tenant.ID) (string, error)
}

func (p Pages) loginOrigins(c echo.Context) ([]string, error) {
	if p.SSO == nil {
		return nil, nil
	}
	origin, err := p.SSO.LoginOrigin(c.Request().Context(), auth.SiteOf(c).Tenant)
	if err != nil || origin == "" {
		return nil, err
	}
	return []string{origin}, nil
}

// Home is the front page.
func (p Pages) Home(c echo.Context) error {
	site, w := auth.SiteOf(c), p.words(c)
	forms, err := p.loginOrigins(c)
	if err != nil {
		return err
	}
	return render.Page(c, http.StatusOK, publicpage.WelcomePage(publicpage.Welcome{
		Shell:   shell(c, w, w.Welcome.Title, w.Welcome.Lead),
		Heading: w.Welcome.Heading, Lead: words.Fill(w.Welcome.Lead, site.Name),
		Button: words.Fill(w.Welcome.Button, site.Name), Points: points(w, site.Name),
	}), forms...)
}
