package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/census"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/webhook"
)

const day = "2006-01-02"

type member struct {
	ID        messaging.AccountID `json:"id"`
	Status    account.Status      `json:"status"`
	HasDevice bool                `json:"has_device"`
	CreatedOn string              `json:"created_on"`
}

func shownMember(m account.Member) member {
	return member{m.ID, m.Status, m.Founded, m.Created.Format(day)}
}

// Resolve turns the host's subject into the member's id, making the account at
// the first time. The subject is in the body: paths and queries end up in logs.
func (a API) Resolve() echo.HandlerFunc {
	return a.handle(apikey.MembersWrite, func(r *call) (reply, error) {
		var in struct {
			Subject string `json:"subject"`
		}
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		id, err := a.Accounts.Ensure(r.ctx, r.tx, in.Subject)
		if err != nil {
			return reply{}, err
		}
		return a.showMember(r, id)
	})
}

// Member shows a member.
func (a API) Member() echo.HandlerFunc {
	return a.handle(apikey.MembersRead, func(r *call) (reply, error) {
		id, err := r.member()
		if err != nil {
			return reply{}, err
		}
		return a.showMember(r, id)
	})
}

func (a API) showMember(r *call, id messaging.AccountID) (reply, error) {
	m, err := a.Accounts.Describe(r.ctx, r.tx, id)
	if err != nil {
		return reply{}, err
	}
	return ok(shownMember(m))
}

// member reads the id of the path. One that does not parse is as unknown as one
// that does not exist.
func (r *call) member() (id messaging.AccountID, err error) {
	if err := id.UnmarshalText([]byte(r.Param("member"))); err != nil {
		return id, account.ErrUnknown
	}
	return id, nil
}

type memberEvent struct {
	Member messaging.AccountID `json:"member"`
}

// Suspend ends a member's sessions and sockets until Resume.
func (a API) Suspend() echo.HandlerFunc {
	return a.handle(apikey.MembersWrite, func(r *call) (reply, error) {
		id, err := a.end(r, a.Accounts.Suspend, webhook.MemberSuspended)
		if err != nil {
			return reply{}, err
		}
		return a.showMember(r, id)
	})
}

// Resume lets a suspended member in again.
func (a API) Resume() echo.HandlerFunc {
	return a.handle(apikey.MembersWrite, func(r *call) (reply, error) {
		id, err := r.member()
		if err == nil {
			err = r.empty()
		}
		if err == nil {
			err = a.Accounts.Resume(r.ctx, r.tx, id)
		}
		if err == nil {
			err = a.emit(r, webhook.MemberResumed, memberEvent{id})
		}
		if err != nil {
			return reply{}, err
		}
		return a.showMember(r, id)
	})
}

// Delete ends a member for good.
func (a API) Delete() echo.HandlerFunc {
	return a.handle(apikey.MembersWrite, func(r *call) (reply, error) {
		_, err := a.end(r, a.Accounts.Delete, webhook.MemberDeleted)
		return reply{status: http.StatusNoContent}, err
	})
}

// end takes a member's sessions away and, once that is committed, cuts the
// sockets that are left.
func (a API) end(r *call, how ending, event webhook.Event) (messaging.AccountID, error) {
	id, err := r.member()
	if err == nil {
		err = r.empty()
	}
	if err == nil {
		err = how(r.ctx, r.tx, id)
	}
	if err != nil {
		return id, err
	}
	tenant := r.site.Tenant
	r.after = append(r.after, func() { a.Cut(tenant, id) })
	return id, a.emit(r, event, memberEvent{id})
}

func (a API) emit(r *call, event webhook.Event, data any) error {
	tenant := r.site.Tenant
	r.after = append(r.after, func() { a.Wake(tenant) })
	return a.Webhooks.Emit(r.ctx, r.tx, event, data)
}

type statistics struct {
	Members   int `json:"members"`
	Suspended int `json:"suspended_members"`
	Devices   int `json:"devices"`
	Invites   int `json:"invites"`
	Chats     int `json:"chats"`
	OpenChats int `json:"open_chats"`
}

// Statistics shows counts.
func (a API) Statistics() echo.HandlerFunc {
	return a.handle(apikey.Statistics, func(r *call) (reply, error) {
		c, err := census.Count(r.ctx, r.tx)
		if err != nil {
			return reply{}, err
		}
		return ok(statistics(c))
	})
}

// ending is a method of accounts that ends one.
type ending = func(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error
