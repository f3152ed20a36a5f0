package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

const (
	// slotLife is how long a link code works (docs/protocol.md section 6).
	slotLife = 5 * time.Minute
	// maxSlots bounds the slots of an account at one time: a linking uses four.
	maxSlots = 16
)

// PutSlot leaves a sealed payload for the account's other side of a linking.
// Putting the same again changes nothing; something else is ErrSlotTaken.
func (s *Service) PutSlot(ctx context.Context, id tenant.ID, who Who, m *wire.PutSlot) error {
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		if err := lockAccount(ctx, tx, who.Account); err != nil {
			return err
		}
		if err := deleteSlots(ctx, tx, who.Account, s.now()); err != nil {
			return err
		}
		count, err := countSlots(ctx, tx, who.Account)
		if err != nil {
			return err
		}
		held, err := selectSlot(ctx, tx, who.Account, m.Slot, s.now())
		switch {
		case err == nil && bytes.Equal(held, m.Payload):
			return nil
		case err == nil:
			return ErrSlotTaken
		case !errors.Is(err, tenant.ErrNotFound):
			return err
		case count >= maxSlots:
			return ErrSlotsFull
		}
		return insertSlot(ctx, tx, who, m, s.now().Add(slotLife))
	})
	if err != nil {
		return fmt.Errorf("put link slot: %w", err)
	}
	return nil
}

// GetSlot returns a payload, or ErrUnknown when nobody has put it yet or another
// session has read it (docs/protocol.md section 13.9).
func (s *Service) GetSlot(ctx context.Context, id tenant.ID, who Who, slot [wire.SlotSize]byte) (payload []byte, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		payload, err = readSlot(ctx, tx, who, slot, s.now())
		return err
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("get link slot: %w", err)
	}
	return payload, nil
}
