//go:build testclock

package main

import (
	"errors"
	"flag"
	"strconv"
	"strings"
	"time"
)

// testClock is --test-clock: another time, fixed as Unix milliseconds or an offset
// to the machine's.
type testClock struct {
	offset time.Duration
	fixed  time.Time
}

func newTestClock() *testClock { return new(testClock) }

func (c *testClock) register(f *flag.FlagSet) {
	f.Func("test-clock", "Unix milliseconds, or +/-`offset` such as +36h", func(text string) (err error) {
		if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
			c.offset, err = time.ParseDuration(text)
			return err
		}
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("expected Unix milliseconds or an offset")
		}
		c.fixed = time.UnixMilli(ms)
		return nil
	})
}

func (c *testClock) now() time.Time {
	if !c.fixed.IsZero() {
		return c.fixed
	}
	return time.Now().Add(c.offset)
}
