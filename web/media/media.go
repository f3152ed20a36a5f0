// Package media is how apps bring ciphertexts and fetch them: uploads by tus
// 1.0.0 (core, creation, termination, checksum, expiration; see
// https://tus.io/protocols/resumable-upload), downloads by ranges, and the call
// with which a device says that it has one. It decides nothing about who may:
// package messaging/server/media does. Why this is no library stands in
// docs/adr/0004-media.md.
package media

import (
	"encoding"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/problem"
)

const (
	// Prefix is where the routes stand on a tenant's site.
	Prefix = "/media/v1"
	// RequestTime bounds a download; who needs longer goes on with a range.
	// Uploads have media.MaxChunkTime.
	RequestTime = time.Hour
	// MaxBody leaves the bound to uploads, each of which takes what it lacks and
	// no more; a refusal before that would go without the protocol's headers.
	MaxBody = math.MaxInt64
	// defaultIdle is how long a transfer may stand still.
	defaultIdle = 30 * time.Second
)

// API are the handlers.
type API struct {
	Accounts auth.Sessions
	Blobs    *media.Service
	// Idle is how long a transfer may stand still; 0 means 30 seconds.
	Idle time.Duration
}

// Routes adds the routes to a group that stands at Prefix of a tenant's site.
func (a API) Routes(g *echo.Group) {
	uploads := g.Group("/uploads", a.withTus)
	uploads.OPTIONS("", a.options)
	uploads.OPTIONS("/:blob", a.options)
	uploads.POST("", a.create)
	uploads.HEAD("/:blob", a.offset)
	uploads.PATCH("/:blob", a.patch)
	uploads.DELETE("/:blob", a.terminate)
	uploads.POST("/:blob", a.override)

	g.GET("/blobs/:blob", a.download)
	g.HEAD("/blobs/:blob", a.download)
	g.POST("/blobs/:blob/delivered", a.delivered)
}

// who is the device that asks: an app by its token, a browser's page by its
// cookie.
func (a API) who(c echo.Context) (messaging.Address, error) {
	find := auth.ByCookie
	if c.Request().Header.Get("Authorization") != "" {
		find = auth.ByBearer
	}
	p, err := find(c, a.Accounts)
	if err != nil {
		return messaging.Address{}, err
	}
	return p.Address()
}

// asked is who asks for which blob. Text that is no identifier is a blob that
// nobody has.
func (a API) asked(c echo.Context) (messaging.Address, messaging.BlobID, error) {
	var blob messaging.BlobID
	who, err := a.who(c)
	if err == nil && parse(&blob, c.Param("blob")) != nil {
		err = media.ErrUnknown
	}
	return who, blob, err
}

func parse(dst encoding.TextUnmarshaler, text string) error { return dst.UnmarshalText([]byte(text)) }

func (a API) idle() time.Duration {
	if a.Idle == 0 {
		return defaultIdle
	}
	return a.Idle
}

// badHeader refuses a request for one header's value.
func badHeader(name, expected, received string) error {
	p := problem.Field(name, expected, received)
	p.Status, p.Title, p.Code = http.StatusBadRequest, http.StatusText(http.StatusBadRequest), "invalid_header"
	return p
}

var errControl = errors.New("media: the connection takes no deadlines")
