// Package share makes what a member passes on: the link of an invite with the
// commitment to the member's device log behind the #, from which the QR code is
// drawn. Without a device there is no log, and so no link yet.
package share

import (
	"context"
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/server/invite"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// ErrNoDevice says that the member has not started the app on any device.
var ErrNoDevice = errors.New("share: the member has no device yet")

// Logs is what this package asks of accounts.
type Logs interface {
	Log(ctx context.Context, tx tenant.Tx, account messaging.AccountID, from uint64) (*wire.Log, error)
}

// Fragment returns what stands behind the # of an account's links.
func Fragment(ctx context.Context, tx tenant.Tx, logs Logs, account messaging.AccountID) (devicelog.Fragment, error) {
	log, err := logs.Log(ctx, tx, account, 0)
	if err != nil {
		return devicelog.Fragment{}, err
	}
	if len(log.Entries) == 0 {
		return devicelog.Fragment{}, ErrNoDevice
	}
	return devicelog.Fingerprint(devicelog.Hash(log.Entries[0])).Fragment(), nil
}

// Link returns the whole link of an invite at a tenant's chat host.
func Link(ctx context.Context, tx tenant.Tx, logs Logs, host string, account messaging.AccountID, token invite.Token) (string, error) {
	fragment, err := Fragment(ctx, tx, logs, account)
	if err != nil {
		return "", err
	}
	return invite.Link(host, token, fragment)
}
