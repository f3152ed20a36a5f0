package wire

import "time"

// CloseCode is the code with which a WebSocket ends: those of RFC 6455 section
// 7.4 that occur here, and our own from 4000 on. It tells the client whether to
// come back (docs/protocol.md section 13).
type CloseCode uint16

const (
	CloseNormal      CloseCode = 1000 // the client is done
	CloseGoingAway   CloseCode = 1001 // the server stops, or the page was left
	CloseProtocol    CloseCode = 1002 // not a WebSocket conversation
	CloseUnsupported CloseCode = 1003 // a text message
	CloseLost        CloseCode = 1006 // never sent: the connection broke
	CloseText        CloseCode = 1007 // text that is not UTF-8
	CloseTooBig      CloseCode = 1009 // a frame above MaxFrame
	CloseInternal    CloseCode = 1011 // the server failed
	CloseRestart     CloseCode = 1012 // the server restarts
	CloseTryLater    CloseCode = 1013 // the server is full or its database is away

	CloseReplaced        CloseCode = 4000 // a newer connection of the same device took over
	CloseUnauthenticated CloseCode = 4001 // ticket missing, used or too old
	CloseSessionEnded    CloseCode = 4002 // logged out, or the host ended the session
	CloseDeviceRemoved   CloseCode = 4003 // the account's log no longer has the device
	CloseSuspended       CloseCode = 4004 // the account or its tenant is suspended or gone
	CloseVersion         CloseCode = 4005 // no version in common
	CloseMalformed       CloseCode = 4006 // a frame that is not canonical or above a ceiling
	CloseOutOfPlace      CloseCode = 4007 // a first frame that is no Hello, or a second Hello
	CloseNoHello         CloseCode = 4008 // no Hello in time
	CloseIdle            CloseCode = 4009 // silence for too long
	CloseSlow            CloseCode = 4010 // does not read, or does not acknowledge
	CloseFlood           CloseCode = 4011 // goes on after CodeLimited
)

// Return says when a client whose connection ended connects again.
type Return uint8

const (
	ReturnNever   Return = iota + 1 // not by itself
	ReturnLogin                     // after the member has logged in again
	ReturnUpdate                    // with another build
	ReturnTicket                    // at once, with a new ticket; the second time in a row as ReturnLogin
	ReturnSpread                    // after Min and a random part of Spread
	ReturnBackoff                   // as ReturnSpread, both doubled with each attempt in a row while within MaxBackoff
)

// MaxBackoff bounds the wait between two attempts: a server that came back is
// found within five minutes.
const MaxBackoff = 5 * time.Minute

// Comeback is the rule that a close code gives to the client.
type Comeback struct {
	Return Return
	Min    time.Duration // with ReturnSpread and ReturnBackoff
	Spread time.Duration // with ReturnSpread and ReturnBackoff, above zero
}

// Comeback returns the rule of the code. A code that this version does not know
// is a reason to come back slowly. A Draining frame before the close takes the
// place of Min and Spread.
func (c CloseCode) Comeback() Comeback {
	switch c {
	case CloseNormal, CloseReplaced, CloseDeviceRemoved:
		return Comeback{Return: ReturnNever}
	case CloseSessionEnded, CloseSuspended:
		return Comeback{Return: ReturnLogin}
	case CloseVersion:
		return Comeback{Return: ReturnUpdate}
	case CloseUnauthenticated:
		return Comeback{Return: ReturnTicket}
	case CloseGoingAway, CloseRestart:
		return Comeback{ReturnSpread, 500 * time.Millisecond, 10 * time.Second}
	case CloseLost, CloseIdle, CloseNoHello:
		return Comeback{ReturnBackoff, 250 * time.Millisecond, time.Second}
	case CloseInternal, CloseTryLater, CloseSlow:
		return Comeback{ReturnBackoff, 2 * time.Second, 8 * time.Second}
	default: // CloseProtocol, CloseUnsupported, CloseText, CloseTooBig, CloseMalformed, CloseOutOfPlace, CloseFlood: a faulty client must not hammer
		return Comeback{ReturnBackoff, 30 * time.Second, 30 * time.Second}
	}
}

// Wait returns how long to wait before attempt number attempt in a row (0 is
// the first) and whether to connect by itself at all. random is uniform in
// [0, 1).
func (r Comeback) Wait(attempt int, random float64) (wait time.Duration, again bool) {
	switch r.Return {
	case ReturnTicket:
		return 0, attempt == 0
	case ReturnSpread:
		return r.Min + time.Duration(random*float64(r.Spread)), true
	case ReturnBackoff:
		return r.backoff(attempt, random), true
	default:
		return 0, false
	}
}

func (r Comeback) backoff(attempt int, random float64) time.Duration {
	least, spread := r.Min, r.Spread
	for range attempt {
		if 2*(least+spread) > MaxBackoff { // keeps the whole spread: a cut would gather the clients again
			break
		}
		least, spread = 2*least, 2*spread
	}
	return least + time.Duration(random*float64(spread))
}
