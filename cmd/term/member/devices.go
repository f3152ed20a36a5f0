package member

import (
	"context"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/safety"
	"github.com/sottochat/sotto/messaging/devicelog"
)

// Found makes this device the first of the account and returns the recovery code,
// which is shown to the member once and kept nowhere.
func (m *Member) Found(ctx context.Context) (code string, err error) {
	switch m.Now().Standing {
	case Unfounded:
	case Unlinked, Ready:
		return "", ErrHasDevices
	default:
		return "", ErrSignedOut
	}
	c, err := m.Core().Found(ctx)
	if err != nil {
		return "", err
	}
	return c.Reveal(), nil
}

// NewRecoveryCode replaces the recovery code of the account.
func (m *Member) NewRecoveryCode(ctx context.Context) (string, error) {
	c, err := m.Core().NewRecoveryCode(ctx)
	if err != nil {
		return "", err
	}
	return c.Reveal(), nil
}

// RequestLink asks to be let in. It returns the code to show to another device.
func (m *Member) RequestLink(ctx context.Context) (code string, wait func(context.Context) error, err error) {
	if m.Now().Standing == Unfounded {
		return "", nil, ErrNoDevices
	}
	return m.Core().RequestLink(ctx)
}

// ConfirmLink lets the new device in whose digits the member compared, and begins
// to send it the history; wait tells how that ended.
func (m *Member) ConfirmLink(ctx context.Context) (id messaging.DeviceID, wait func(context.Context) error, err error) {
	own, err := m.SelfID(ctx)
	if err != nil {
		return 0, nil, err
	}
	before, err := m.Core().Devices(ctx, own.Account)
	if err != nil {
		return 0, nil, err
	}
	if err := m.Core().ConfirmLink(ctx); err != nil {
		return 0, nil, err
	}
	after, err := m.Core().Devices(ctx, own.Account)
	if err != nil {
		return 0, nil, err
	}
	if id = added(before, after); id == 0 {
		return 0, nil, client.ErrLinkEnded
	}
	outcome := make(chan error, 1)
	m.tasks.Go(func() { outcome <- m.offerHistory(id) })
	return id, func(ctx context.Context) error {
		select {
		case err := <-outcome:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil
}

func added(before, after []devicelog.Device) messaging.DeviceID {
	old := make(map[messaging.DeviceID]bool)
	for _, d := range before {
		old[d.ID] = true
	}
	for _, d := range after {
		if !old[d.ID] {
			return d.ID
		}
	}
	return 0
}

const (
	// historyTries is how often a transfer of history is begun again.
	historyTries = 5
	// historyPause lies between two tries.
	historyPause = 2 * time.Second
)

// offerHistory uploads the history for a device that was just let in.
func (m *Member) offerHistory(to messaging.DeviceID) error {
	return m.insist(func() error { return m.Core().OfferHistory(m.ctx, m.ownBlobs(), to) })
}

// fetchHistory takes over what another device offered.
func (m *Member) fetchHistory() {
	_ = m.insist(func() error {
		ready, err := m.Core().HistoryReady(m.ctx)
		if err == nil && !ready {
			err = errChatsUnknown
		}
		if err == nil {
			err = m.Core().FetchHistory(m.ctx, m.ownBlobs())
		}
		if errors.Is(err, client.ErrNoHistory) {
			return nil
		}
		return err
	})
}

// errChatsUnknown: the history names chats that the server has not listed yet.
var errChatsUnknown = errors.New("chats are not known yet")

func (m *Member) insist(try func() error) (err error) {
	for range historyTries {
		if err = try(); err == nil || m.ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(historyPause)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			timer.Stop()
			return m.ctx.Err()
		}
	}
	return err
}

// Devices returns the devices of the own account.
func (m *Member) Devices(ctx context.Context) (own messaging.DeviceID, all []devicelog.Device, err error) {
	a, err := m.SelfID(ctx)
	if err != nil {
		return 0, nil, err
	}
	all, err = m.Core().Devices(ctx, a.Account)
	return a.Device, all, err
}

// SafetyNumber returns that of a chat, and whether the member compared it.
func (m *Member) SafetyNumber(ctx context.Context, chat messaging.ChatID) (safety.Number, client.Chat, error) {
	c, err := m.Chat(ctx, chat)
	if err != nil {
		return safety.Number{}, c, err
	}
	n, err := m.Core().SafetyNumber(ctx, c.Peer)
	return n, c, err
}
