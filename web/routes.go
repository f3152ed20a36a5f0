package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/public"
	"github.com/sottochat/sotto/web/qr"
	"github.com/sottochat/sotto/web/static"
)

const (
	apiPrefix    = "/api/v1"
	clientPrefix = "/client/v1"
)

// routes is every route there is. What stands before a route is read from the
// outside in: every answer has an id, headers and a line in the log; then a panic
// is caught, second spellings of paths are refused, and only then is a route
// looked for.
func (s *Server) routes() {
	e := s.echo
	e.Pre(withRequestID, withHeaders, withTransport, s.withLog, s.withRecover, onePath)

	limits := withLimits(maxBody, requestTime)
	e.GET("/livez", live, limits)
	e.GET("/readyz", s.ready, limits)

	site := e.Group("", auth.WithSite(s.deps.Sites))

	files := site.Group("", limits)
	get(files, static.Page().Path, public.Static(static.Page()))
	get(files, "/brand/:file", public.Brand)

	p := s.deps.Public
	perAddress := s.limited("page", pageRate())
	pages := site.Group("", limits, perAddress, sameOrigin)
	get(pages, "/", p.Home)
	pages.POST("/sign-in", p.SignIn)
	pages.POST("/sign-out", p.SignOut)
	get(pages, "/i/:token", p.Invite)
	pages.POST("/i/:token", p.SignInFromInvite)
	get(pages, "/i/:token/qr.svg", p.QR(qr.SVG))
	get(pages, "/i/:token/qr.png", p.QR(qr.PNG))

	get(pages, public.EnterPath, p.Enter)
	pages.POST(public.EnterPath, p.Approve)
	get(pages, public.DonePath, p.Done)
	pages.GET(public.FinishPath, p.Finish)
	pages.GET(sso.AnswerPath, p.Answer)
	// The host's page posts here from its own site: what it brings is signed and of one use.
	site.POST(public.HandOffPath, p.HandOff, limits, perAddress)

	c := s.deps.Client
	client := site.Group(clientPrefix, limits, perAddress, sameOrigin)
	client.POST("/visits", c.Begin)
	client.POST("/visits/poll", c.Poll)
	client.GET("/me", c.Me)
	client.POST("/sign-out", c.SignOut)
	client.POST("/tickets", c.Ticket)
	site.GET(clientPrefix+"/socket", s.deps.Socket.Serve, perAddress)

	a := s.deps.API
	host := site.Group(apiPrefix, limits, s.limited("host", hostRate()), sameOrigin)
	host.GET("/openapi.yaml", a.Contract)
	host.POST("/members", a.Resolve())
	host.GET("/members/:member", a.Member())
	host.DELETE("/members/:member", a.Delete())
	host.POST("/members/:member/suspend", a.Suspend())
	host.POST("/members/:member/resume", a.Resume())
	host.GET("/members/:member/profile", a.Profile())
	host.GET("/members/:member/invites", a.ListInvites())
	host.POST("/members/:member/invites", a.CreateInvite())
	host.GET("/members/:member/invites/:invite", a.Invite())
	host.DELETE("/members/:member/invites/:invite", a.RevokeInvite())
	host.POST("/members/:member/invites/:invite/rotate", a.RotateInvite())
	host.GET("/members/:member/invites/:invite/qr.svg", a.InviteQR(qr.SVG))
	host.GET("/members/:member/invites/:invite/qr.png", a.InviteQR(qr.PNG))
	host.GET("/statistics", a.Statistics())
	host.GET("/webhooks", a.ListWebhooks())
	host.POST("/webhooks", a.CreateWebhook())
	host.GET("/webhooks/:webhook", a.Webhook())
	host.PATCH("/webhooks/:webhook", a.UpdateWebhook())
	host.DELETE("/webhooks/:webhook", a.DeleteWebhook())
	host.POST("/webhooks/:webhook/secret", a.RotateWebhook())
	host.POST("/webhooks/:webhook/ping", a.PingWebhook())
	host.GET("/webhooks/:webhook/deliveries", a.Deliveries())
	host.POST("/webhooks/:webhook/deliveries/:delivery/replay", a.Replay())

	for _, m := range s.deps.Mounts {
		m.Routes(site.Group(m.Prefix, withLimits(m.MaxBody, m.Time), sameOrigin))
	}

	// Whatever else is asked of a tenant's site gets its own clean page, and of no site, bare problem details.
	site.RouteNotFound("/*", func(echo.Context) error { return echo.ErrNotFound })
}

// get serves HEAD as well, which previews and monitors send.
func get(g *echo.Group, path string, h echo.HandlerFunc) {
	g.GET(path, h)
	g.HEAD(path, h)
}

// sameOrigin refuses what another site's page makes a browser send, by
// Sec-Fetch-Site or Origin; programs send neither.
func sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if protection.Check(c.Request()) != nil {
			return errOrigin
		}
		return next(c)
	}
}
