package media

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/problem"
)

// What the tus protocol calls things.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,termination,checksum,expiration"
	tusAlgorithms = "sha256,sha1"
	chunkType     = "application/offset+octet-stream"
)

// withTus names the version in every answer and asks for it in every request
// but OPTIONS, as the protocol's section "Tus-Resumable" wants.
func (a API) withTus(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		h.Set("Tus-Resumable", tusVersion)
		if received := r.Header.Get("Tus-Resumable"); r.Method != http.MethodOptions && received != tusVersion {
			h.Set("Tus-Version", tusVersion)
			p := problem.Field("Tus-Resumable", tusVersion, received)
			p.Status, p.Title, p.Code = http.StatusPreconditionFailed, http.StatusText(http.StatusPreconditionFailed), "tus_version"
			return p
		}
		return next(c)
	}
}

func (a API) options(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Max-Size", strconv.FormatInt(a.Blobs.MaxSize(), 10))
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Checksum-Algorithm", tusAlgorithms)
	return c.NoContent(http.StatusNoContent)
}

// create answers POST of the extension "creation".
func (a API) create(c echo.Context) error {
	who, err := a.who(c)
	if err != nil {
		return err
	}
	intent, err := intentOf(c.Request().Header)
	if err != nil {
		return err
	}
	u, err := a.Blobs.Create(c.Request().Context(), auth.SiteOf(c).Tenant, who, intent)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", Prefix+"/uploads/"+u.ID.String())
	describe(c, u)
	return c.NoContent(http.StatusCreated)
}

func intentOf(h http.Header) (in media.Intent, err error) {
	if h.Get("Upload-Defer-Length") != "" {
		return in, badHeader("Upload-Defer-Length", "no such header: the ciphertext's size is known", h.Get("Upload-Defer-Length"))
	}
	if in.Size, err = number(h, "Upload-Length"); err != nil {
		return in, err
	}
	told, err := parseMetadata(h)
	in.Chat, in.Digest = told.chat, told.digest
	return in, err
}

// offset answers HEAD: where an upload goes on.
func (a API) offset(c echo.Context) error {
	who, blob, err := a.asked(c)
	if err != nil {
		return err
	}
	u, err := a.Blobs.Find(c.Request().Context(), auth.SiteOf(c).Tenant, who, blob)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Upload-Length", strconv.FormatInt(u.Size, 10))
	if text := metadataOf(u); text != "" {
		h.Set("Upload-Metadata", text)
	}
	describe(c, u)
	return c.NoContent(http.StatusOK)
}

// describe says how far an upload is.
func describe(c echo.Context, u media.Upload) {
	h := c.Response().Header()
	h.Set("Upload-Offset", strconv.FormatInt(u.Received, 10))
	if !u.Finished {
		h.Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	}
}

func (a API) terminate(c echo.Context) error {
	who, blob, err := a.asked(c)
	if err != nil {
		return err
	}
	if err := a.Blobs.Cancel(c.Request().Context(), auth.SiteOf(c).Tenant, who, blob); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// override serves clients whose surroundings know no PATCH and DELETE.
func (a API) override(c echo.Context) error {
	switch method := c.Request().Header.Get("X-HTTP-Method-Override"); method {
	case http.MethodPatch:
		return a.patch(c)
	case http.MethodDelete:
		return a.terminate(c)
	case http.MethodHead:
		return a.offset(c)
	}
	return echo.ErrMethodNotAllowed
}

// patch answers PATCH: the next bytes.
func (a API) patch(c echo.Context) error {
	who, blob, err := a.asked(c)
	if err != nil {
		return err
	}
	r := c.Request()
	chunk, err := chunkOf(r)
	if err != nil {
		return err
	}
	control := http.NewResponseController(c.Response())
	start := time.Now()
	if control.SetWriteDeadline(start.Add(media.MaxChunkTime+time.Minute)) != nil {
		return errControl
	}
	chunk.Body = &pacedBody{body: r.Body, control: control, idle: a.idle(), end: start.Add(media.MaxChunkTime)}
	u, err := a.Blobs.Append(r.Context(), auth.SiteOf(c).Tenant, who, blob, chunk)
	if err != nil {
		return err
	}
	describe(c, u)
	return c.NoContent(http.StatusNoContent)
}

func chunkOf(r *http.Request) (chunk media.Chunk, err error) {
	if r.Header.Get("Content-Type") != chunkType {
		return chunk, echo.ErrUnsupportedMediaType
	}
	if chunk.Offset, err = number(r.Header, "Upload-Offset"); err != nil {
		return chunk, err
	}
	told, err := parseMetadata(r.Header)
	if err != nil {
		return chunk, err
	}
	chunk.Length, chunk.Digest = r.ContentLength, told.digest
	chunk.Checksum, chunk.Sum, err = parseChecksum(r.Header.Get("Upload-Checksum"))
	return chunk, err
}

// maxDigits are those of 2^63-1.
const maxDigits = 19

// number reads a header that is a count of bytes: digits, nothing else.
func number(h http.Header, name string) (int64, error) {
	text := h.Get(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(h.Values(name)) != 1 || len(text) > maxDigits || strings.ContainsAny(text, "+-") {
		return 0, badHeader(name, "a number of bytes, once", text)
	}
	return n, nil
}

func decodeBase64(text string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(text) }
