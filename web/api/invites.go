package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/webhook"
	"github.com/sottochat/sotto/web/problem"
	"github.com/sottochat/sotto/web/qr"
	"github.com/sottochat/sotto/web/share"
)

type shownInvite struct {
	ID        string      `json:"id"`
	Profile   string      `json:"profile"`
	Kind      invite.Kind `json:"kind"`
	Label     string      `json:"label"`
	Link      *string     `json:"link"` // null: revoked, or the member has no device
	CreatedOn string      `json:"created_on"`
	ExpiresAt *time.Time  `json:"expires_at"`
	MaxUses   *int        `json:"max_uses"`
	Uses      int         `json:"uses"`
	Revoked   bool        `json:"revoked"`
}

type profile struct {
	ID     string      `json:"id"`
	Member string      `json:"member"`
	Invite shownInvite `json:"invite"`
}

type inviteList struct {
	Invites    []shownInvite `json:"invites"`
	NextCursor *string       `json:"next_cursor"`
}

// show describes invites of one account, with their links.
func (a API) show(r *call, owner messaging.AccountID, invites ...invite.Invite) ([]shownInvite, error) {
	fragment, err := share.Fragment(r.ctx, r.tx, a.Accounts, owner)
	linked := err == nil
	if err != nil && !errors.Is(err, share.ErrNoDevice) {
		return nil, err
	}
	out := make([]shownInvite, len(invites))
	for n, i := range invites {
		s := shownInvite{ID: i.ID.String(), Profile: i.Profile.String(), Kind: i.Kind, Label: i.Label,
			CreatedOn: i.Created.Format(day), Uses: i.Uses, Revoked: i.Revoked}
		if !i.Expires.IsZero() {
			at := i.Expires.UTC().Truncate(time.Second)
			s.ExpiresAt = &at
		}
		if i.MaxUses > 0 {
			s.MaxUses = &i.MaxUses
		}
		if linked && !i.Revoked {
			if s.Link, err = link(r, i, fragment); err != nil {
				return nil, err
			}
		}
		out[n] = s
	}
	return out, nil
}

func link(r *call, i invite.Invite, fragment devicelog.Fragment) (*string, error) {
	text, err := invite.Link(r.site.Host, i.Token, fragment)
	return &text, err
}

func (a API) showOne(r *call, owner messaging.AccountID, i invite.Invite, status int) (reply, error) {
	shown, err := a.show(r, owner, i)
	if err != nil {
		return reply{}, err
	}
	return reply{status: status, body: shown[0]}, nil
}

// owned reads the member of the path and checks that it exists.
func (a API) owned(r *call) (messaging.AccountID, error) {
	id, err := r.member()
	if err != nil {
		return id, err
	}
	_, err = a.Accounts.Describe(r.ctx, r.tx, id)
	return id, err
}

// Profile shows a member's profile with its permanent invite, and makes both at
// the first time.
func (a API) Profile() echo.HandlerFunc {
	return a.handle(apikey.InvitesRead, func(r *call) (reply, error) {
		owner, err := a.owned(r)
		if err != nil {
			return reply{}, err
		}
		i, err := a.Invites.Permanent(r.ctx, r.tx, owner)
		if err != nil {
			return reply{}, err
		}
		shown, err := a.show(r, owner, i)
		if err != nil {
			return reply{}, err
		}
		return ok(profile{i.Profile.String(), owner.String(), shown[0]})
	})
}

// ListInvites shows a page of a member's invites.
func (a API) ListInvites() echo.HandlerFunc {
	return a.handle(apikey.InvitesRead, func(r *call) (reply, error) {
		owner, err := a.owned(r)
		if err != nil {
			return reply{}, err
		}
		list := "invites/" + owner.String()
		after, limit, err := a.page(r, list)
		if err != nil {
			return reply{}, err
		}
		page, next, err := a.Invites.List(r.ctx, r.tx, owner, invite.ID(after), limit)
		if err != nil {
			return reply{}, err
		}
		var out inviteList
		if out.Invites, err = a.show(r, owner, page...); err != nil {
			return reply{}, err
		}
		if out.NextCursor, err = a.cursor(r, list, [16]byte(next)); err != nil {
			return reply{}, err
		}
		return ok(out)
	})
}

type newInvite struct {
	Label     string `json:"label"`
	MaxUses   *int   `json:"max_uses"`
	ExpiresIn *int   `json:"expires_in"`
}

func (in newInvite) frame() (m wire.CreateInvite, err error) {
	if n := utf8.RuneCountInString(in.Label); len(in.Label) > wire.MaxLabel || !printable(in.Label) {
		return m, problem.Field("label", fmt.Sprintf("at most %d bytes of visible text", wire.MaxLabel), strconv.Itoa(n)+" characters")
	}
	m.Label = in.Label
	uses, err := bounded("max_uses", in.MaxUses, wire.MaxUses)
	if err != nil {
		return m, err
	}
	seconds, err := bounded("expires_in", in.ExpiresIn, wire.MaxInviteSeconds)
	m.MaxUses, m.ExpirySeconds = uint32(uses), uint32(seconds)
	return m, err
}

func bounded(field string, value *int, limit int) (int, error) {
	if value == nil {
		return 0, nil
	}
	if *value < 1 || *value > limit {
		return 0, problem.Field(field, fmt.Sprintf("a whole number from 1 to %d, or nothing", limit), strconv.Itoa(*value))
	}
	return *value, nil
}

func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

type inviteEvent struct {
	Member string `json:"member"`
	Invite string `json:"invite"`
}

// CreateInvite makes an invite.
func (a API) CreateInvite() echo.HandlerFunc {
	return a.handle(apikey.InvitesWrite, func(r *call) (reply, error) {
		owner, err := a.owned(r)
		if err != nil {
			return reply{}, err
		}
		var in newInvite
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		m, err := in.frame()
		if err != nil {
			return reply{}, err
		}
		rand.Read(m.IdempotencyKey[:]) // repetitions are caught by package once
		i, err := a.Invites.Create(r.ctx, r.tx, owner, &m)
		if err != nil {
			return reply{}, err
		}
		if err := a.emit(r, webhook.InviteCreated, inviteEvent{owner.String(), i.ID.String()}); err != nil {
			return reply{}, err
		}
		return a.showOne(r, owner, i, http.StatusCreated)
	})
}

// invite reads member and invite of the path.
func (a API) invite(r *call) (messaging.AccountID, invite.ID, error) {
	owner, err := a.owned(r)
	if err != nil {
		return owner, invite.ID{}, err
	}
	id, err := invite.ParseID(r.Param("invite"))
	if err != nil {
		err = invite.ErrUnknown
	}
	return owner, id, err
}

// Invite shows one invite.
func (a API) Invite() echo.HandlerFunc {
	return a.handle(apikey.InvitesRead, func(r *call) (reply, error) {
		owner, id, err := a.invite(r)
		if err != nil {
			return reply{}, err
		}
		i, err := a.Invites.Get(r.ctx, r.tx, owner, id)
		if err != nil {
			return reply{}, err
		}
		return a.showOne(r, owner, i, http.StatusOK)
	})
}

// RotateInvite gives an invite a new link; the old one reaches nobody.
func (a API) RotateInvite() echo.HandlerFunc {
	return a.handle(apikey.InvitesWrite, func(r *call) (reply, error) {
		owner, id, err := a.invite(r)
		if err == nil {
			err = r.empty()
		}
		if err != nil {
			return reply{}, err
		}
		var key [16]byte
		rand.Read(key[:])
		i, err := a.Invites.Rotate(r.ctx, r.tx, owner, id, key)
		if err != nil {
			return reply{}, err
		}
		if err := a.emit(r, webhook.InviteRotated, inviteEvent{owner.String(), id.String()}); err != nil {
			return reply{}, err
		}
		return a.showOne(r, owner, i, http.StatusOK)
	})
}

// RevokeInvite ends an invite; open chats stay.
func (a API) RevokeInvite() echo.HandlerFunc {
	return a.handle(apikey.InvitesWrite, func(r *call) (reply, error) {
		owner, id, err := a.invite(r)
		if err != nil {
			return reply{}, err
		}
		if err := a.Invites.Revoke(r.ctx, r.tx, owner, id); err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusNoContent}, a.emit(r, webhook.InviteRevoked, inviteEvent{owner.String(), id.String()})
	})
}

// InviteQR draws an invite's link.
func (a API) InviteQR(format qr.Format) echo.HandlerFunc {
	return a.handle(apikey.InvitesRead, func(r *call) (reply, error) {
		owner, id, err := a.invite(r)
		if err != nil {
			return reply{}, err
		}
		i, err := a.Invites.Get(r.ctx, r.tx, owner, id)
		if err == nil && i.Revoked {
			err = invite.ErrUnknown
		}
		if err != nil {
			return reply{}, err
		}
		options, err := qr.Parse(r.QueryParams())
		if err != nil {
			return reply{}, err
		}
		text, err := share.Link(r.ctx, r.tx, a.Accounts, r.site.Host, owner, i.Token)
		if err != nil {
			return reply{}, err
		}
		body, contentType, err := qr.Draw(text, format, options)
		return reply{status: http.StatusOK, body: body, contentType: contentType}, err
	})
}
