package public

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/templates/publicpage"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/problem"
	"github.com/sottochat/sotto/web/render"
	"github.com/sottochat/sotto/web/words"
)

// Problem shows a person that a request was refused. The page depends on
// status and code alone, so that causes which share them cannot be told apart.
func (p Pages) Problem(c echo.Context, told *problem.Problem) error {
	w := p.words(c)
	m := messageFor(w, told)
	return p.message(c, told.Status, m, strings.ReplaceAll(m.Hint, "{id}", told.RequestID))
}

func messageFor(w words.Catalogue, told *problem.Problem) words.Message {
	status := told.Status
	switch {
	case strings.HasPrefix(told.Code, "sign_in_") || told.Code == "suspended":
		return w.SignIn
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return w.Missing
	case status == http.StatusTooManyRequests:
		return w.Limited
	case status == http.StatusUnauthorized:
		return w.SignIn
	case status >= http.StatusInternalServerError:
		return w.Failed
	default:
		return w.Refused
	}
}

func (p Pages) message(c echo.Context, status int, m words.Message, hint string) error {
	w, name := p.words(c), auth.SiteOf(c).Name
	return render.Page(c, status, publicpage.MessagePage(publicpage.Message{
		Shell:   shell(c, w, m.Heading, m.Text),
		Heading: m.Heading, Text: words.Fill(m.Text, name), Hint: hint, LinkURL: "/", Link: w.Back,
	}))
}
