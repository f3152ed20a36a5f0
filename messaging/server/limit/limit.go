// Package limit says whether somebody asks for too much in too short a time,
// by the generic cell rate algorithm (ITU-T I.371, annex A): no windows, no
// counters to reset, one number a key. It decides nothing about what is asked.
package limit

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// Rate allows one in each Every on average, and Burst at once after a pause. A
// zero Rate allows everything.
type Rate struct {
	Every time.Duration
	Burst int
}

// PerSecond is n a second, burst at once.
func PerSecond(n float64, burst int) Rate {
	return Rate{time.Duration(float64(time.Second) / n), burst}
}

// PerHour is n an hour, burst at once.
func PerHour(n float64, burst int) Rate { return PerSecond(n/3600, burst) }

func (r Rate) tolerance() time.Duration { return r.Every * time.Duration(max(r.Burst, 1)) }

// Limiter takes n from what a key is allowed. The answer is 0 when it was
// there, and else how long to wait before asking again; then nothing is taken.
type Limiter interface {
	Take(ctx context.Context, key Key, rate Rate, n int) (wait time.Duration)
}

// Key names who is limited in what.
type Key struct{ text string }

// NewKey makes the key of a tenant's subject (an account, a device, an invite
// …; none: the tenant itself). what is one of the program's own words. Everything that
// came from outside stands in hexadecimal, so that no name can pass for another.
func NewKey(id tenant.ID, what string, subject ...byte) Key {
	b := make([]byte, 0, 2*len(id)+2*len(subject)+len(what)+2)
	b = hex.AppendEncode(b, id[:])
	b = append(b, ':')
	b = append(b, what...)
	b = append(b, ':')
	return Key{string(hex.AppendEncode(b, subject))}
}

func (k Key) String() string { return k.text }
