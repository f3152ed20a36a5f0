package wire

import (
	"testing"
	"time"
)

// TestComeback is the table of docs/protocol.md section 13.
func TestComeback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code       CloseCode
		rule       Return
		first      time.Duration // earliest first attempt
		firstLimit time.Duration // latest first attempt
	}{
		{1000, ReturnNever, 0, 0},
		{1001, ReturnSpread, 500 * time.Millisecond, 10500 * time.Millisecond},
		{1002, ReturnBackoff, 30 * time.Second, time.Minute},
		{1003, ReturnBackoff, 30 * time.Second, time.Minute},
		{1006, ReturnBackoff, 250 * time.Millisecond, 1250 * time.Millisecond},
		{1007, ReturnBackoff, 30 * time.Second, time.Minute},
		{1009, ReturnBackoff, 30 * time.Second, time.Minute},
		{1011, ReturnBackoff, 2 * time.Second, 10 * time.Second},
		{1012, ReturnSpread, 500 * time.Millisecond, 10500 * time.Millisecond},
		{1013, ReturnBackoff, 2 * time.Second, 10 * time.Second},
		{4000, ReturnNever, 0, 0},
		{4001, ReturnTicket, 0, 0},
		{4002, ReturnLogin, 0, 0},
		{4003, ReturnNever, 0, 0},
		{4004, ReturnLogin, 0, 0},
		{4005, ReturnUpdate, 0, 0},
		{4006, ReturnBackoff, 30 * time.Second, time.Minute},
		{4007, ReturnBackoff, 30 * time.Second, time.Minute},
		{4008, ReturnBackoff, 250 * time.Millisecond, 1250 * time.Millisecond},
		{4009, ReturnBackoff, 250 * time.Millisecond, 1250 * time.Millisecond},
		{4010, ReturnBackoff, 2 * time.Second, 10 * time.Second},
		{4011, ReturnBackoff, 30 * time.Second, time.Minute},
		{4999, ReturnBackoff, 30 * time.Second, time.Minute}, // of a later version
	} {
		r := c.code.Comeback()
		if r.Return != c.rule {
			t.Errorf("%d: rule %d, expected %d", c.code, r.Return, c.rule)
		}
		wait, _ := r.Wait(0, 0)
		if wait != c.first {
			t.Errorf("%d: first attempt from %v on, expected %v", c.code, wait, c.first)
		}
		if last := r.Min + r.Spread; last != c.firstLimit {
			t.Errorf("%d: first attempt until %v, expected %v", c.code, last, c.firstLimit)
		}
	}
}

func TestWaitWhoComesBack(t *testing.T) {
	t.Parallel()
	for rule, want := range map[Return][2]bool{
		ReturnNever: {false, false}, ReturnLogin: {false, false}, ReturnUpdate: {false, false},
		ReturnTicket: {true, false}, ReturnSpread: {true, true}, ReturnBackoff: {true, true},
	} {
		r := Comeback{Return: rule, Min: time.Second, Spread: time.Second}
		for attempt, again := range want {
			if _, got := r.Wait(attempt, 0.5); got != again {
				t.Errorf("rule %d, attempt %d: comes back %v", rule, attempt, got)
			}
		}
	}
}

// TestBackoffGrowsAndStaysSpread: the wait never falls, never passes
// MaxBackoff, and keeps a spread of at least half of it.
func TestBackoffGrowsAndStaysSpread(t *testing.T) {
	t.Parallel()
	for code := CloseCode(1000); code < 5000; code++ {
		r := code.Comeback()
		if r.Return != ReturnBackoff {
			continue
		}
		before, last := time.Duration(0), time.Duration(0)
		for attempt := range 1000 {
			least, _ := r.Wait(attempt, 0)
			most, _ := r.Wait(attempt, 0.999999)
			if least < before || most > MaxBackoff || 2*most < 3*least {
				t.Fatalf("%d, attempt %d: %v..%v after %v", code, attempt, least, most, before)
			}
			before, last = least, most
		}
		if 2*last < MaxBackoff-time.Second { // one more doubling would fit
			t.Errorf("%d: the wait stops growing at %v", code, last)
		}
	}
}
