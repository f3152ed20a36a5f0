package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/server/media"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/once"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
	"github.com/sottochat/sotto/tenant/webhook"
	"github.com/sottochat/sotto/web/api"
	"github.com/sottochat/sotto/web/auth"
	"github.com/sottochat/sotto/web/problem"
	"github.com/sottochat/sotto/web/qr"
	"github.com/sottochat/sotto/web/share"
	"github.com/sottochat/sotto/web/socket"
)

// row gives one error its status, its code for programs and its words.
type row struct {
	err    error
	status int
	code   string
	words  string
}

var (
	errTooLarge = errors.New("web: request body above the route's limit")
	errOrigin   = errors.New("web: request of another site's page")
)

// The answers that must not tell causes apart share their words.
const (
	nothingHere = "Nothing is here for this request. It never was, is no more, or is another's: check the id, the host name and the key."
	ourFault    = "The server failed. Nothing was changed; the request can be repeated."
	tryLater    = "The server cannot answer now. Nothing was changed; try again shortly."
)

// rows is every error that a handler can return. The first that errors.Is finds
// counts, so the precise ones stand above the general ones.
func rows() []row {
	return []row{
		// The edge itself.
		{auth.ErrHost, 404, "not_found", nothingHere},
		{auth.ErrNoSession, 401, "unauthenticated", "Sign in first: there is no session, or it has ended."},
		{auth.ErrForm, 403, "foreign_form", "The form was not made for this session. Open the page again."},
		{errOrigin, 403, "foreign_origin", "The request comes from another site's page."},
		{errTooLarge, 413, "too_large", "The request body is larger than this route takes."},
		{ErrPanic, 500, "internal", ourFault},
		{qr.ErrTooLong, 422, "link_too_long", "The host name is too long for a QR code of version 6 at level M."},
		{share.ErrNoDevice, 409, "no_device", "The member has not started the app on any device, so there is no link yet."},

		{socket.ErrOrigin, 403, "foreign_origin", "The request comes from another site's page."},
		{socket.ErrSubprotocol, 400, "subprotocol", "Expected the WebSocket subprotocol chat.v1."},
		{socket.ErrUpgrade, 426, "upgrade_required", "This route is a WebSocket."},

		// The API of hosts.
		{api.ErrNoKey, 401, "unauthenticated", "Expected an API key in Authorization: Bearer."},
		{apikey.ErrMalformed, 401, "unauthenticated", "Expected an API key, which begins with hostkey_ and is used whole."},
		{apikey.ErrUnknown, 404, "not_found", nothingHere},
		{apikey.ErrScope, 403, "missing_scope", "The key's scopes do not reach this route. openapi.yaml names the scope of each."},
		{apikey.ErrName, 422, "invalid_name", "Expected a name of 1 to 64 visible characters."},
		{apikey.ErrScopes, 422, "invalid_scopes", "Expected one or more known scopes, each once."},
		{apikey.ErrFull, 409, "full", "The tenant has all the keys it may have. Revoke one."},
		{once.ErrKey, 422, "invalid_idempotency_key", "Expected an Idempotency-Key of 1 to 64 printable ASCII characters."},
		{once.ErrReuse, 422, "idempotency_key_reused", "This idempotency key was used for another request. Use a new one."},
		{webhook.ErrUnknown, 404, "not_found", nothingHere},
		{webhook.ErrEvents, 422, "invalid_events", "Expected one or more known events, each once."},
		{webhook.ErrFull, 409, "full", "The tenant has all the webhooks it may have. Delete one."},
		{webhook.ErrPending, 409, "pending", "The delivery is still being tried."},

		// Accounts, invites, chats.
		{account.ErrSubject, 422, "invalid_subject", "Expected a subject of 1 to 255 bytes."},
		{account.ErrSuspended, 403, "suspended", "This account is suspended or deleted."},
		{account.ErrSession, 401, "unauthenticated", "Sign in first: there is no session, or it has ended."},
		{account.ErrTicket, 401, "unauthenticated", "The ticket is unknown, used or too old."},
		{account.ErrTickets, 429, "too_many_tickets", "Too many tickets of this session wait. Use one, or wait 30 seconds."},
		{account.ErrNotLinked, 409, "not_linked", "This session belongs to no device of the account yet."},
		{account.ErrLinked, 409, "linked", "This session belongs to a device already."},
		{account.ErrUnknown, 404, "not_found", nothingHere},
		{account.ErrEntry, 422, "invalid_entry", "The device log does not take this entry."},
		{account.ErrKeys, 422, "invalid_keys", "The published keys do not fit the device."},
		{account.ErrKeyReused, 409, "conflict", "Another key was published under this id."},
		{account.ErrKeysFull, 409, "full", "No room for more one-time keys."},
		{account.ErrSlotsFull, 409, "full", "No room for more link slots."},
		{account.ErrSlotTaken, 409, "conflict", "The link slot holds something else."},
		{invite.ErrUnknown, 404, "not_found", nothingHere},
		{invite.ErrFull, 409, "full", "This profile has all the invites it may have. Revoking one makes no room; use fewer placements."},
		{invite.ErrPermanent, 409, "permanent_invite", "The permanent invite can be rotated, not revoked."},
		{invite.ErrConflict, 409, "conflict", "This idempotency key was used for another request."},
		{invite.ErrCursor, 422, "invalid_cursor", "Expected a cursor of this list, as an earlier page gave it."},
		{invite.ErrHost, 422, "link_too_long", "The host name is too long for an invite link."},
		{chat.ErrUnknown, 404, "not_found", nothingHere},
		{chat.ErrNotOpen, 409, "not_open", "Writing is not open in this chat."},
		{chat.ErrOwn, 409, "own_invite", "An account cannot open a chat with itself."},
		{chat.ErrAction, 409, "not_now", "This account cannot do that to this chat now."},
		{chat.ErrPayment, 402, "payment_required", "The opening is not covered."},
		{chat.ErrPrice, 409, "price_changed", "The price is another one now. Look again."},
		{chat.ErrConflict, 409, "conflict", "This idempotency key was used for another opening."},
		{chat.ErrReset, 409, "no_device", "The other account has no device yet."},
		{messaging.ErrInvalid, 422, "invalid", "The input is malformed."},

		// Signing in.
		{sso.ErrNoSetting, 409, "sign_in_not_set_up", "Signing in is not set up for this tenant yet."},
		{sso.ErrSetting, 422, "invalid_sign_in", "Expected a usable sign-in setting."},
		{sso.ErrKey, 422, "invalid_key", "Expected a usable key."},
		{sso.ErrKeysFull, 409, "full", "A sign-in setting has at most two keys. Remove one."},
		{sso.ErrUntested, 409, "untested", "No login has gone through with this setting yet. Try one first."},
		{sso.ErrRefused, 403, "sign_in_refused", "The host's word is not accepted. The tenant's console shows which claim failed."},
		{sso.ErrVisit, 410, "sign_in_over", "There is no such sign-in, or it is over. Start again."},
		{sso.ErrPending, 202, "pending", "The member has not finished signing in yet."},
		{sso.ErrCode, 422, "wrong_code", "That is not the code that the terminal shows."},

		// Media. 460 is what the tus protocol's extension "checksum" calls a mismatch.
		{media.ErrUnknown, 404, "not_found", nothingHere},
		{media.ErrTooLarge, 413, "too_large", "The ciphertext is larger than this server keeps."},
		{media.ErrSize, 422, "invalid_size", "Expected a size of at least one byte."},
		{media.ErrQuota, 413, "quota", "This account stores all that it may. Room comes when devices have fetched what waits for them, or when it expires."},
		{media.ErrTenantFull, 507, "storage_full", "There is no room for more at the moment. Nothing was changed."},
		{media.ErrFull, 507, "storage_full", "There is no room for more at the moment. What was taken before stays; go on later."},
		{media.ErrNobody, 409, "nobody", "There is no other device that could fetch it."},
		{media.ErrOffset, 409, "offset", "The upload goes on at another offset. Ask for it with HEAD."},
		{media.ErrTooLong, 413, "too_large", "The body is longer than what the upload lacks."},
		{media.ErrSlow, 408, "too_slow", "The body came too slowly. What came is kept; ask with HEAD where to go on."},
		{media.ErrCut, 400, "cut", "The body ended early. What came is kept; ask with HEAD where to go on."},
		{media.ErrPieces, 409, "too_many_pieces", "The upload came in too many small chunks. Begin again, with larger ones."},
		{media.ErrChecksum, 460, "checksum_mismatch", "The body has another checksum than its header says. Nothing of it is kept."},
		{media.ErrDigest, 422, "digest_mismatch", "The whole ciphertext has another SHA-256 than was said. The upload is gone."},
		{media.ErrDigestChanged, 409, "digest_changed", "Another SHA-256 was said before."},
		{media.ErrBusy, 503, "busy", "As many transfers as this server takes are going on. Try again shortly."},
		{media.ErrTooMany, 429, "too_many_transfers", "This account has as many transfers going on as it may. Let one end."},
		{media.ErrMissing, 500, "internal", ourFault},
		{media.ErrStore, 503, "unavailable", tryLater},

		// The registry and what leaves the server.
		{registry.ErrUnknown, 404, "not_found", nothingHere},
		{registry.ErrSuspended, 404, "not_found", nothingHere},
		{registry.ErrActive, 409, "active_tenant", "The tenant is active. Suspend it first."},
		{registry.ErrHostTaken, 409, "host_taken", "The host name belongs to a tenant already."},
		{registry.ErrBrand, 422, "invalid_brand", "Expected a usable name, colour, language and mode."},
		{registry.ErrHosts, 409, "full", "The tenant has all the hosts it may have."},
		{registry.ErrHost, 422, "invalid_host", "Expected a usable host name."},
		{egress.ErrAddress, 422, "invalid_address", "Expected a public https address."},
		{egress.ErrRedirect, 502, "redirect", "The other server answers with a redirect, which is not followed."},
		{egress.ErrTooLarge, 502, "answer_too_large", "The other server's answer is too large."},
		{egress.ErrTimeout, 504, "timeout", "The other server did not answer in time."},
		{egress.ErrTLS, 502, "certificate", "The other server's certificate does not verify."},
		{egress.ErrUnreachable, 502, "unreachable", "The other server cannot be reached."},
		{egress.ErrStatus, 502, "bad_status", "The other server answers with another status than 200."},
		{secret.ErrKeyring, 500, "internal", ourFault},
		{secret.ErrUnknown, 500, "internal", ourFault},
		{secret.ErrSealed, 500, "internal", ourFault},
		{secret.ErrTooLong, 422, "too_long", "The value is too long to be kept."},

		// The database, last: whatever nobody above has judged.
		{tenant.ErrNotFound, 404, "not_found", nothingHere},
		{tenant.ErrConflict, 409, "conflict", "This exists already."},
		{tenant.ErrReference, 404, "not_found", nothingHere},
		{tenant.ErrCheck, 422, "out_of_bounds", "A value is outside its bounds."},
		{tenant.ErrAgain, 503, "try_again", tryLater},
		{tenant.ErrUnavailable, 503, "unavailable", tryLater},
		{tenant.ErrDenied, 500, "internal", ourFault},
		{tenant.ErrStatement, 500, "internal", ourFault},
		{context.DeadlineExceeded, 503, "unavailable", tryLater},
		{context.Canceled, statusClosed, "canceled", "The client went away."},
	}
}

// statusClosed marks a request whose client did not wait for the answer.
const statusClosed = 499

// retryAfter goes with every 503 and 429 that names no time of its own.
const retryAfter = 2 * time.Second

// problemOf finds the words for an error. What no row knows is our fault, and
// its text stays in the log.
func (s *Server) problemOf(err error) *problem.Problem {
	var told *problem.Problem
	var edge *echo.HTTPError
	var tooLarge *http.MaxBytesError
	for _, r := range s.errors {
		if errors.Is(err, r.err) {
			return problem.New(r.status, r.code, r.words)
		}
	}
	switch {
	case errors.As(err, &told):
		copied := *told
		return &copied
	case errors.As(err, &tooLarge):
		return problem.New(http.StatusRequestEntityTooLarge, "too_large", "The request body is larger than this route takes.")
	case errors.As(err, &edge):
		return ofEcho(edge.Code)
	}
	return problem.New(http.StatusInternalServerError, "internal", ourFault)
}

// ofEcho gives words to what the router answers.
func ofEcho(status int) *problem.Problem {
	switch status {
	case http.StatusNotFound:
		return problem.New(status, "not_found", nothingHere)
	case http.StatusMethodNotAllowed:
		return problem.New(status, "method_not_allowed", "This method is not served here.")
	case http.StatusUnsupportedMediaType:
		return problem.New(status, "unsupported_media_type", "Expected another content type.")
	case http.StatusBadRequest:
		return problem.New(status, "bad_request", "The request is malformed.")
	case http.StatusUpgradeRequired:
		return problem.New(status, "upgrade_required", "This route is a WebSocket.")
	}
	return problem.New(http.StatusInternalServerError, "internal", ourFault)
}

// fail answers a request that ended in an error: a page for people, problem
// details for programs, with the same status.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := s.problemOf(err)
	p.RequestID = requestID(c)
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(max(p.RetryAfter, retryAfter).Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if sent := s.send(c, p); sent != nil {
		s.deps.Log.Error("answer not sent", "id", requestID(c), "error", fmt.Sprintf("%T", sent))
	}
}

func (s *Server) send(c echo.Context, p *problem.Problem) error {
	if c.Request().Method == http.MethodHead {
		return c.NoContent(p.Status)
	}
	if wantsPage(c) {
		return s.deps.Public.Problem(c, p)
	}
	c.Response().Header().Set(echo.HeaderContentType, problem.ContentType)
	return c.JSON(p.Status, p)
}

// wantsPage reports whether a person looks at the answer: the route is no
// program's, the site is known, and the client takes HTML.
func wantsPage(c echo.Context) bool {
	_, known := auth.HasSite(c)
	path := c.Request().URL.Path
	return known && !strings.HasPrefix(path, apiPrefix+"/") && !strings.HasPrefix(path, clientPrefix+"/") &&
		strings.Contains(c.Request().Header.Get("Accept"), "text/html")
}
