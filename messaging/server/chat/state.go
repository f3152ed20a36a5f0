package chat

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

const (
	stateOpen     = "open"
	stateDeclined = "declined"
	stateClosed   = "closed"

	stanceOpen    = "open"
	stancePaused  = "paused"
	stanceBlocked = "blocked"

	modeFree = "free"
)

// row is a row of chat.
type row struct {
	id           messaging.ChatID
	opener, peer messaging.AccountID
	state        string
	openerStance string
	peerStance   string
	opened       time.Time
	tokenHash    [sha256.Size]byte
	peerHead     wire.LogHead // of the asker's peer; filled by selectChats
}

func (r *row) other(asker messaging.AccountID) messaging.AccountID {
	if asker == r.opener {
		return r.peer
	}
	return r.opener
}

// stance is the asker's own.
func (r *row) stance(asker messaging.AccountID) *string {
	if asker == r.opener {
		return &r.openerStance
	}
	return &r.peerStance
}

// mayWrite holds for both sides alike: who has paused or blocked a chat cannot
// write in it either.
func (r *row) mayWrite() bool {
	return r.state == stateOpen && r.openerStance == stanceOpen && r.peerStance == stanceOpen
}

// seenBy is the state as one side may know it: its own stance, never the other's.
func (r *row) seenBy(asker messaging.AccountID) wire.ChatState {
	switch stance := *r.stance(asker); {
	case stance == stanceBlocked:
		return wire.StateBlocked
	case r.state == stateClosed:
		return wire.StateClosed
	case r.state == stateDeclined:
		return wire.StateDeclined
	case stance == stancePaused:
		return wire.StatePaused
	}
	return wire.StateOpen
}

// Change is what a Set did to a chat. What the peer learns is in PeerState;
// Tell is false when it learns nothing.
type Change struct {
	Peer      messaging.AccountID
	State     wire.ChatState
	PeerState wire.ChatState
	Tell      bool
}

// Set carries out an action of one side. An action that has been carried out
// changes nothing; one that does not fit the chat's state is ErrAction.
func (s *Service) Set(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, m *wire.SetChat) (Change, error) {
	r, err := s.find(ctx, tx, asker, m.ChatID)
	if err != nil {
		return Change{}, err
	}
	peer := r.other(asker)
	before := r.seenBy(peer)
	if err := r.apply(asker, m.Action); err != nil {
		return Change{}, err
	}
	if err := updateChat(ctx, tx, r); err != nil {
		return Change{}, fmt.Errorf("set chat: %w", err)
	}
	return Change{Peer: peer, State: r.seenBy(asker), PeerState: r.seenBy(peer), Tell: r.seenBy(peer) != before}, nil
}

func (r *row) apply(asker messaging.AccountID, action wire.ChatAction) error {
	stance := r.stance(asker)
	switch action {
	case wire.ChatBlock:
		*stance = stanceBlocked
	case wire.ChatUnblock:
		return change(stance, stanceBlocked, stanceOpen)
	case wire.ChatPause:
		return change(stance, stanceOpen, stancePaused)
	case wire.ChatResume:
		return change(stance, stancePaused, stanceOpen)
	case wire.ChatDecline:
		if asker != r.peer {
			return fmt.Errorf("%w: expected to decline the account that was written to", ErrAction)
		}
		return change(&r.state, stateOpen, stateDeclined)
	case wire.ChatClose:
		if r.state == stateDeclined {
			return fmt.Errorf("%w: expected to close an open chat, received a declined one", ErrAction)
		}
		r.state = stateClosed
	default:
		return fmt.Errorf("%w: expected an action from 1 to 6, received %d", ErrAction, action)
	}
	return nil
}

// change moves from one value to the next; being there already is no error.
func change(value *string, from, to string) error {
	if *value != from && *value != to {
		return fmt.Errorf("%w: expected it to be %s, received %s", ErrAction, from, *value)
	}
	*value = to
	return nil
}

func hashOf(token []byte) [sha256.Size]byte { return sha256.Sum256(token) }
