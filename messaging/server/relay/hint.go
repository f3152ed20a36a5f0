package relay

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
)

// Owner is a device of a tenant; device 0 means all of an account, a zero
// account all of the tenant.
type Owner struct {
	Tenant tenant.ID
	messaging.Address
}

// HintKind says what a hint is about. A lost hint only delays: whatever must
// not be lost is in the database.
type HintKind uint8

const (
	HintWake     HintKind = iota + 1 // something is in the mailbox
	HintFrame                        // a frame that is not stored (typing, notices that are hints)
	HintCut                          // the connections end with Code
	HintReplaced                     // a newer connection of the device is elsewhere
	HintSlot                         // a link slot of the account was filled
	hintBeat                         // a node hears itself
)

// Hint is what nodes tell each other.
type Hint struct {
	Kind  HintKind
	To    Owner
	Code  wire.CloseCode // of HintCut
	At    int64          // Unix microseconds of what caused it, 0: unknown
	Frame []byte         // of HintFrame, at most wire.MaxFrame bytes
	moved bool           // was sent on once already
}

// maxHints bounds the hints of one message on the bus.
const maxHints = 1024

// errHints reports a message on the bus that is none of ours.
var errHints = errors.New("relay: malformed hints")

// hintHeader: kind, moved, tenant, account, device, code, time, length of the frame.
const hintHeader = 1 + 1 + 16 + 16 + 1 + 2 + 8 + 4

func appendHint(b []byte, h *Hint) []byte {
	moved := byte(0)
	if h.moved {
		moved = 1
	}
	b = append(b, byte(h.Kind), moved)
	b = append(b, h.To.Tenant[:]...)
	b = append(b, h.To.Account[:]...)
	b = append(b, byte(h.To.Device))
	b = binary.BigEndian.AppendUint16(b, uint16(h.Code))
	b = binary.BigEndian.AppendUint64(b, uint64(h.At))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Frame)))
	return append(b, h.Frame...)
}

func parseHints(b []byte) (hints []Hint, err error) {
	for len(b) > 0 {
		if len(b) < hintHeader || len(hints) == maxHints {
			return nil, errHints
		}
		h := Hint{Kind: HintKind(b[0]), moved: b[1] == 1, Code: wire.CloseCode(binary.BigEndian.Uint16(b[35:])), At: int64(binary.BigEndian.Uint64(b[37:]))}
		h.To = Owner{tenant.ID(b[2:18]), messaging.Address{Account: messaging.AccountID(b[18:34]), Device: messaging.DeviceID(b[34])}}
		n := binary.BigEndian.Uint32(b[45:])
		b = b[hintHeader:]
		if uint64(n) > uint64(len(b)) || n > wire.MaxFrame {
			return nil, errHints
		}
		if n > 0 {
			h.Frame = b[:n:n]
		}
		b = b[n:]
		hints = append(hints, h)
	}
	return hints, nil
}

// since returns how long ago At was; clocks of nodes may differ, and a step
// back counts as nothing.
func since(now time.Time, at int64) time.Duration {
	return max(0, now.Sub(time.UnixMicro(at)))
}
