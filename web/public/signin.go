package public

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/templates/publicpage"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/render"
	"github.com/sottochat/sotto/web/words"
)

// SSO is what the pages ask of package sso.
type SSO interface {
	Begin(ctx context.Context, id tenant.ID, req sso.BeginRequest) (sso.Visit, error)
	HandOff(ctx context.Context, id tenant.ID, token string) (sso.Arrival, error)
	Answer(ctx context.Context, id tenant.ID, origin string, a sso.Answer) (sso.Arrival, error)
	Redeem(ctx context.Context, id tenant.ID, secret, ticket sso.Secret) (sso.Identity, error)
	Approve(ctx context.Context, id tenant.ID, ticket sso.Secret, code string) error
	Settings(ctx context.Context, id tenant.ID) (current, next *sso.Setting, err error)
}

// Where a sign-in passes. sso.AnswerPath is the fourth.
const (
	HandOffPath = "/login/handoff"
	FinishPath  = "/login/finish"
	EnterPath   = "/enter"
	DonePath    = "/enter/done"
)

// A visit's two secrets wait in the browser, each in a cookie of its own, for as
// long as the visit lasts.
const (
	visitCookie  = "visit"
	ticketCookie = "ticket"
	visitLife    = 10 * time.Minute
)

// loginOrigins returns where a sign-in leads, for the pages whose form begins
// one. Browsers hold every redirect that follows a form to form-action, and
// identity providers send people through origins that nobody can list: what is
// left to ask is that all of them have TLS.
func (p Pages) loginOrigins(c echo.Context) ([]string, error) {
	live, _, err := p.SSO.Settings(c.Request().Context(), auth.SiteOf(c).Tenant)
	if err != nil || live == nil {
		return nil, err
	}
	u, err := url.Parse(live.LoginURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		return []string{"https:"}, nil
	}
	return []string{u.Scheme + "://" + u.Host}, nil
}

// SignInFromInvite begins a sign-in that comes back to the invite.
func (p Pages) SignInFromInvite(c echo.Context) error {
	if _, _, err := p.resolve(c, nil); err != nil {
		return err
	}
	return p.begin(c, c.Request().URL.Path)
}

// SignIn begins a sign-in that comes back to the front page.
func (p Pages) SignIn(c echo.Context) error { return p.begin(c, "/") }

func (p Pages) begin(c echo.Context, back string) error {
	site := auth.SiteOf(c)
	visit, err := p.SSO.Begin(c.Request().Context(), site.Tenant, sso.BeginRequest{Return: back, Origin: site.Origin()})
	if err != nil {
		return err
	}
	auth.SetCookie(c, visitCookie, visit.Secret.Reveal(), visitLife)
	return c.Redirect(http.StatusSeeOther, visit.LoginURL)
}

// HandOff takes the host's signed word from the form that the host's page sends
// across sites. It comes without our cookies, so nobody is signed in here: the
// browser gets the ticket and goes on to where its own cookies come along.
func (p Pages) HandOff(c echo.Context) error {
	arrival, err := p.SSO.HandOff(c.Request().Context(), auth.SiteOf(c).Tenant, c.FormValue("token"))
	return p.arrive(c, arrival, err)
}

// Answer is where an identity provider sends the browser back to.
func (p Pages) Answer(c echo.Context) error {
	for _, values := range c.QueryParams() {
		if len(values) != 1 {
			return sso.ErrRefused
		}
	}
	site := auth.SiteOf(c)
	arrival, err := p.SSO.Answer(c.Request().Context(), site.Tenant, site.Origin(), sso.Answer{
		State: c.QueryParam("state"), Code: c.QueryParam("code"), Issuer: c.QueryParam("iss"), Error: c.QueryParam("error")})
	return p.arrive(c, arrival, err)
}

func (p Pages) arrive(c echo.Context, arrival sso.Arrival, err error) error {
	if err != nil {
		return err
	}
	if arrival.Test {
		return p.message(c, http.StatusOK, p.words(c).Tested, "")
	}
	auth.SetCookie(c, ticketCookie, arrival.Ticket.Reveal(), visitLife)
	if arrival.Terminal {
		return c.Redirect(http.StatusSeeOther, EnterPath)
	}
	return c.Redirect(http.StatusSeeOther, FinishPath)
}

// Finish signs in the browser that holds both secrets of a visit. Both are used
// up, so a repeated or forged request finds nothing; the session is always a new
// one, and the one that the browser had before ends.
func (p Pages) Finish(c echo.Context) error {
	ctx, id := c.Request().Context(), auth.SiteOf(c).Tenant
	secret, err := sso.ParseSecret(auth.Cookie(c, visitCookie))
	if err != nil {
		return err
	}
	ticket, err := sso.ParseSecret(auth.Cookie(c, ticketCookie))
	if err != nil {
		return err
	}
	who, err := p.SSO.Redeem(ctx, id, secret, ticket)
	if err != nil {
		return err
	}
	if before, err := auth.ByCookie(c, p.Accounts); err == nil {
		if err := p.Accounts.SignOut(ctx, id, before.Who); err != nil {
			return err
		}
	}
	token, member, err := p.Accounts.SignIn(ctx, id, who.Subject)
	if err != nil {
		return err
	}
	if p.SignedIn != nil {
		p.SignedIn(ctx, id, member)
	}
	auth.SetCookie(c, visitCookie, "", 0)
	auth.SetCookie(c, ticketCookie, "", 0)
	auth.SignIn(c, token)
	return c.Redirect(http.StatusSeeOther, sso.SafeReturn(who.Return))
}

// Enter asks for the code of a terminal whose sign-in this browser has brought
// so far.
func (p Pages) Enter(c echo.Context) error {
	if _, err := sso.ParseSecret(auth.Cookie(c, ticketCookie)); err != nil {
		return err
	}
	return p.enter(c, http.StatusOK, "", "")
}

func (p Pages) enter(c echo.Context, status int, typed, wrong string) error {
	w := p.words(c)
	return render.Page(c, status, publicpage.EnterPage(publicpage.Enter{
		Shell: shell(c, w, w.Enter.Title, w.Enter.Lead), Heading: w.Enter.Heading, Lead: w.Enter.Lead, Label: w.Enter.Label,
		Hint: w.Enter.Hint, Typed: typed, Problem: wrong, Warning: w.Enter.Warning,
		FormToken: auth.FormToken(auth.Cookie(c, ticketCookie)), Button: w.Enter.Button,
	}))
}

// maxTyped bounds what of a typed code is shown again.
const maxTyped = 24

// Approve checks the code. A wrong one gives the same form with what was typed.
func (p Pages) Approve(c echo.Context) error {
	cookie := auth.Cookie(c, ticketCookie)
	ticket, err := sso.ParseSecret(cookie)
	if err != nil {
		return err
	}
	if err := auth.CheckForm(c, cookie); err != nil {
		return err
	}
	typed := c.FormValue("code")
	err = p.SSO.Approve(c.Request().Context(), auth.SiteOf(c).Tenant, ticket, typed)
	switch {
	case errors.Is(err, sso.ErrCode):
		return p.enter(c, http.StatusUnprocessableEntity, typed[:min(len(typed), maxTyped)], p.words(c).Enter.Wrong)
	case err != nil:
		return err
	}
	auth.SetCookie(c, ticketCookie, "", 0)
	return c.Redirect(http.StatusSeeOther, DonePath)
}

// Done says that the terminal goes on by itself.
func (p Pages) Done(c echo.Context) error {
	w := p.words(c)
	return p.message(c, http.StatusOK, w.Done, w.Done.Hint)
}

// Home is the front page, with or without a session.
func (p Pages) Home(c echo.Context) error {
	person, err := auth.ByCookie(c, p.Accounts)
	if err == nil {
		return p.home(c, person)
	}
	if !errors.Is(err, auth.ErrNoSession) {
		return err
	}
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

// home is honest about what the browser cannot do yet.
func (p Pages) home(c echo.Context, person auth.Person) error {
	site, w := auth.SiteOf(c), p.words(c)
	return render.Page(c, http.StatusOK, publicpage.HomePage(publicpage.Home{
		Shell: shell(c, w, w.Home.Title, w.Home.Lead), Heading: w.Home.Heading, Lead: w.Home.Lead,
		Steps:     []string{w.Home.StepOpen, w.Home.StepAddress, w.Home.StepCode},
		AddressOf: w.Home.Address, Address: site.Origin(), FormToken: person.FormToken(), SignOut: w.Home.SignOut,
	}))
}

// SignOut ends the session of the browser.
func (p Pages) SignOut(c echo.Context) error {
	person, err := auth.ByCookie(c, p.Accounts)
	if err != nil {
		return err
	}
	if err := person.CheckForm(c); err != nil {
		return err
	}
	if err := p.Accounts.SignOut(c.Request().Context(), auth.SiteOf(c).Tenant, person.Who); err != nil {
		return err
	}
	auth.SignOut(c)
	c.Response().Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
	return c.Redirect(http.StatusSeeOther, "/")
}
