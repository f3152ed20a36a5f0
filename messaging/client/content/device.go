package content

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
)

// LogNotice says what the sender saw in a device log and the member must hear
// of (docs/protocol.md section 2). From a peer it is a claim to be checked.
type LogNotice struct {
	Event   LogEvent
	Account messaging.AccountID // whose log
	Head    Head
	Other   Head // with LogFork only
}

// LogEvent is what happened to a device log.
type LogEvent uint8

// The events of a LogNotice.
const (
	LogGrew LogEvent = 1 // Head is new
	LogFork LogEvent = 2 // Head and Other cannot be in one log
)

// Retry asks the device that sent an envelope to archive the session and to
// send it again in a fresh one (docs/protocol.md section 3).
type Retry struct {
	Message    messaging.MessageID
	RatchetKey [33]byte // in the header that did not decrypt, with its type byte
	SentAt     uint64   // of the envelope, Unix milliseconds
}

// EndSession comes first in a fresh session and says that the one before it was
// archived. What it names is sent again under its own message id.
type EndSession struct {
	Resend []messaging.MessageID // at most MaxMessages, none twice
}

// Kind returns KindLogNotice.
func (LogNotice) Kind() Kind { return KindLogNotice }

// Kind returns KindRetry.
func (Retry) Kind() Kind { return KindRetry }

// Kind returns KindEndSession.
func (EndSession) Kind() Kind { return KindEndSession }

func (n LogNotice) appendFields(dst []byte) []byte {
	dst = appendInteger(dst, 1, uint64(n.Event))
	dst = appendID(dst, 2, n.Account)
	dst = appendHead(dst, 3, n.Head)
	return appendHead(dst, 4, n.Other)
}

func (r Retry) appendFields(dst []byte) []byte {
	dst = appendBytes(appendID(dst, 1, r.Message), 2, r.RatchetKey[:])
	return appendInteger(dst, 3, r.SentAt)
}

func (e EndSession) appendFields(dst []byte) []byte { return appendMessageIDs(dst, 1, e.Resend) }

func (n LogNotice) check() error {
	if n.Account == (messaging.AccountID{}) || n.Head.Hash == ([32]byte{}) {
		return fmt.Errorf("%w: account and head of the log", ErrMissing)
	}
	if n.Head.Sequence > maxInteger || n.Other.Sequence > maxInteger {
		return fmt.Errorf("%w: sequence of the log", ErrRange)
	}
	switch {
	case n.Event == LogGrew && n.Other.IsZero():
		return nil
	case n.Event == LogFork && n.Other.Hash != [32]byte{} && n.Other != n.Head:
		return nil
	}
	return fmt.Errorf("%w: event %d and the other head", ErrRange, n.Event)
}

func (r Retry) check() error {
	if r.Message == (messaging.MessageID{}) || r.SentAt == 0 {
		return fmt.Errorf("%w: message and time of the envelope", ErrMissing)
	}
	if r.RatchetKey[0] != ratchetKeyType || r.SentAt > maxInteger {
		return fmt.Errorf("%w: ratchet key or time of the envelope", ErrRange)
	}
	return nil
}

func (e EndSession) check() error { return checkMessageIDs(e.Resend) }

func decodeLogNotice(f *fields) Body {
	var n LogNotice
	for f.next() {
		switch f.number {
		case 1:
			n.Event = LogEvent(f.enum())
		case 2:
			n.Account = f.array16()
		case 3:
			n.Head = f.head()
		case 4:
			n.Other = f.head()
		default:
			f.keep()
		}
	}
	return n
}

func decodeRetry(f *fields) Body {
	var r Retry
	for f.next() {
		switch f.number {
		case 1:
			r.Message = f.array16()
		case 2:
			if key := f.bytes(); len(key) == ratchetKeySize {
				r.RatchetKey = [ratchetKeySize]byte(key)
			} else {
				f.fail(ErrMalformed)
			}
		case 3:
			r.SentAt = f.integer()
		default:
			f.keep()
		}
	}
	return r
}

func decodeEndSession(f *fields) Body {
	var e EndSession
	for f.next() {
		switch f.number {
		case 1:
			e.Resend = append(e.Resend, f.array16())
		default:
			f.keep()
		}
	}
	return e
}
