package public

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/templates/publicpage"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/qr"
	"github.com/sottochat/sotto/web/render"
	"github.com/sottochat/sotto/web/share"
	"github.com/sottochat/sotto/web/words"
)

// Invite shows where an invite leads. It only reads, so a preview or a crawler
// uses nothing up, and it shows the same for every invite that works.
func (p Pages) Invite(c echo.Context) error {
	if _, _, err := p.resolve(c, nil); err != nil {
		return err
	}
	site, w := auth.SiteOf(c), p.words(c)
	price := w.Invite.Free
	if site.Paid {
		price = w.Invite.Paid
	}
	signedIn, err := p.signedIn(c)
	if err != nil {
		return err
	}
	forms, err := p.loginOrigins(c)
	if err != nil {
		return err
	}
	fill := func(text string) string { return words.Fill(text, site.Name) }
	return render.Page(c, http.StatusOK, publicpage.InvitePage(publicpage.Invite{
		Shell:   shell(c, w, w.Invite.Title, w.Invite.Description),
		Heading: w.Invite.Heading, Lead: fill(w.Invite.Lead), Price: price,
		Action: c.Request().URL.Path, Button: fill(w.Invite.Button), Note: fill(w.Invite.Note), SignedIn: signedIn,
		Points: points(w, site.Name),
	}), forms...)
}

// signedIn returns what a member reads instead of the button, "" without a
// session.
func (p Pages) signedIn(c echo.Context) (string, error) {
	_, err := auth.ByCookie(c, p.Accounts)
	if errors.Is(err, auth.ErrNoSession) {
		return "", nil
	}
	return p.words(c).Invite.SignedIn, err
}

func points(w words.Catalogue, name string) []string {
	return []string{w.Invite.PointDevice, words.Fill(w.Invite.PointNobody, name), w.Invite.PointPrivate}
}

// resolve finds whom the token of the path reaches, or invite.ErrUnknown. Text
// that is no token is looked up too, as the token of zeros, so that it costs what
// an unknown one does. with runs in the same transaction.
func (p Pages) resolve(c echo.Context, with func(context.Context, tenant.Tx, invite.Target, invite.Token) error) (invite.Target, invite.Token, error) {
	token, malformed := invite.ParseToken(c.Param("token"))
	ctx := c.Request().Context()
	var target invite.Target
	err := p.DB.In(ctx, auth.SiteOf(c).Tenant, func(tx tenant.Tx) (err error) {
		if target, err = p.Invites.Resolve(ctx, tx, token); err != nil || malformed != nil || with == nil {
			return err
		}
		return with(ctx, tx, target, token)
	})
	return target, token, errors.Join(malformed, err)
}

// qrAge is how long a browser keeps a code, in its own cache only: a page of the
// host shows it many times, and a withdrawn link should not live on.
const qrAge = "private, max-age=300"

// QR draws the code of an invite. It holds the whole link, with the commitment
// behind the #, which only the owner's log gives.
func (p Pages) QR(format qr.Format) echo.HandlerFunc {
	return func(c echo.Context) error {
		link := ""
		_, _, err := p.resolve(c, func(ctx context.Context, tx tenant.Tx, target invite.Target, token invite.Token) (err error) {
			link, err = share.Link(ctx, tx, p.Accounts, auth.SiteOf(c).Host, target.Account, token)
			if errors.Is(err, share.ErrNoDevice) {
				err = invite.ErrUnknown
			}
			return err
		})
		if err != nil {
			return err
		}
		options, err := qr.Parse(c.QueryParams())
		if err != nil {
			return err
		}
		body, contentType, err := qr.Draw(link, format, options)
		if err != nil {
			return err
		}
		return picture(c, body, contentType)
	}
}

// picture sends a QR code: pages of other sites may show it as an image.
func picture(c echo.Context, body []byte, contentType string) error {
	h := c.Response().Header()
	h.Set("Cache-Control", qrAge)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("ETag", qr.ETag(body))
	if c.Request().Header.Get("If-None-Match") == qr.ETag(body) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, contentType, body)
}
