package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/tenant"
)

// What a request without a valid credential meets.
var (
	ErrNoSession = errors.New("auth: expected a session")
	ErrForm      = errors.New("auth: the form's token does not belong to this session")
)

// Person is a signed-in member and the token of the session.
type Person struct {
	account.Who
	token account.Token
}

// Sessions is what this package asks of accounts.
type Sessions interface {
	Authenticate(ctx context.Context, id tenant.ID, token account.Token) (account.Who, error)
}

// sessionLife bounds the cookie; the session itself may end earlier.
const sessionLife = 60 * 24 * time.Hour

// CookieName returns the name of a cookie of this site. The prefix __Host-
// (RFC 6265bis section 4.1.3.2) pins it to the exact host, path / and TLS;
// browsers refuse it without TLS, so localhost goes without.
func CookieName(site Site, name string) string {
	if site.Secure {
		return "__Host-" + name
	}
	return name
}

// SetCookie keeps a value in the visitor's browser: no script reads it, and it
// comes with navigations from other sites only when they change nothing. A life
// of zero ends it.
func SetCookie(c echo.Context, name, value string, life time.Duration) {
	site := SiteOf(c)
	cookie := &http.Cookie{Name: CookieName(site, name), Value: value, Path: "/", Secure: site.Secure,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)}
	if life <= 0 {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(c.Response(), cookie)
}

// Cookie returns a cookie's value, or "" when it is absent or there twice.
func Cookie(c echo.Context, name string) string {
	cookies := c.Request().CookiesNamed(CookieName(SiteOf(c), name))
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

const sessionCookie = "session"

// SignIn puts a new session into the visitor's browser.
func SignIn(c echo.Context, token account.Token) {
	SetCookie(c, sessionCookie, token.Reveal(), sessionLife)
}

// SignOut takes it out again.
func SignOut(c echo.Context) { SetCookie(c, sessionCookie, "", 0) }

// HasSession reports whether the browser sent a session's cookie, good or not.
func HasSession(c echo.Context) bool { return Cookie(c, sessionCookie) != "" }

// ByCookie returns the member of the browser's session, or ErrNoSession.
func ByCookie(c echo.Context, sessions Sessions) (Person, error) {
	return person(c, sessions, Cookie(c, sessionCookie))
}

// ByBearer returns the member of the Authorization header, or ErrNoSession.
func ByBearer(c echo.Context, sessions Sessions) (Person, error) {
	text, ok := Bearer(c.Request())
	if !ok {
		return Person{}, ErrNoSession
	}
	return person(c, sessions, text)
}

func person(c echo.Context, sessions Sessions, text string) (Person, error) {
	token, err := account.ParseToken(text)
	if err != nil {
		return Person{}, ErrNoSession
	}
	who, err := sessions.Authenticate(c.Request().Context(), SiteOf(c).Tenant, token)
	if errors.Is(err, account.ErrSession) {
		return Person{}, ErrNoSession
	}
	return Person{who, token}, err
}

// Bearer returns the token of the one Authorization header of a request.
func Bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// FormField is the name of the field that carries FormToken.
const FormField = "form_token"

// FormToken is what the forms of a session carry: derived from the secret in the
// browser's cookie, so there is nothing to store and no other session's fits.
func FormToken(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("sotto/form/v1"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form that was not made for the holder of a secret.
func CheckForm(c echo.Context, secret string) error {
	if subtle.ConstantTimeCompare([]byte(c.FormValue(FormField)), []byte(FormToken(secret))) != 1 {
		return ErrForm
	}
	return nil
}

// FormToken is that of the session.
func (p Person) FormToken() string { return FormToken(p.token.Reveal()) }

// CheckForm refuses a form that this session's page did not make.
func (p Person) CheckForm(c echo.Context) error { return CheckForm(c, p.token.Reveal()) }
