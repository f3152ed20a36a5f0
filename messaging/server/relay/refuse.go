package relay

import (
	"errors"

	"github.com/sottochat/sotto/messaging/server/account"
	"github.com/sottochat/sotto/messaging/server/chat"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

var errKind = errors.New("relay: a kind of frame without a handler")

// refusals has one row for each error that a request can meet. What is not
// here is the server's fault: CodeUnavailable.
var refusals = []struct {
	err    error
	code   wire.Code
	detail wire.Detail
}{
	{account.ErrNotLinked, wire.CodeNotLinked, 0},
	{account.ErrUnknown, wire.CodeNotFound, 0},
	{account.ErrEntry, wire.CodeInvalid, 0},
	{account.ErrKeys, wire.CodeInvalid, 0},
	{account.ErrLinked, wire.CodeConflict, 0},
	{account.ErrKeyReused, wire.CodeConflict, 0},
	{account.ErrSlotTaken, wire.CodeConflict, 0},
	{account.ErrKeysFull, wire.CodeFull, wire.DetailKeys},
	{account.ErrSlotsFull, wire.CodeFull, wire.DetailSlots},
	{chat.ErrUnknown, wire.CodeNotFound, 0},
	{chat.ErrReset, wire.CodeNotFound, 0},
	{chat.ErrNotOpen, wire.CodeNotOpen, 0},
	{chat.ErrOwn, wire.CodeInvalid, 0},
	{chat.ErrAction, wire.CodeInvalid, 0},
	{chat.ErrPayment, wire.CodePayment, 0},
	{chat.ErrPrice, wire.CodePrice, 0},
	{chat.ErrConflict, wire.CodeConflict, 0},
	{invite.ErrUnknown, wire.CodeNotFound, 0},
	{invite.ErrPermanent, wire.CodeInvalid, 0},
	{invite.ErrCursor, wire.CodeInvalid, 0},
	{invite.ErrConflict, wire.CodeConflict, 0},
	{invite.ErrFull, wire.CodeFull, wire.DetailInvites},
	{tenant.ErrNotFound, wire.CodeNotFound, 0},
	{errKind, wire.CodeUnsupported, 0},
}

// refuse turns an error into its answer, or into the end of the connection.
func refuse(err error) (*wire.Refused, wire.CloseCode) {
	var stale account.Stale
	switch {
	case errors.As(err, &stale):
		return &wire.Refused{Code: wire.CodeStale, Detail: wire.DetailHead, OwnHead: stale.Head}, 0
	case errors.Is(err, account.ErrSession):
		return nil, wire.CloseSessionEnded
	case errors.Is(err, account.ErrSuspended):
		return nil, wire.CloseSuspended
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return &wire.Refused{Code: r.code, Detail: r.detail}, 0
		}
	}
	return &wire.Refused{Code: wire.CodeUnavailable, RetryAfterMS: unavailableRetryMS}, 0
}
