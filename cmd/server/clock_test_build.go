//go:build testclock

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// testConfig is what only test builds can be told.
type testConfig struct{ clock string }

// build adds the clock of tests. It exists in builds with the tag testclock only.
func build() []setting {
	return []setting{{name: "TEST_CLOCK", unit: "Unix milliseconds, or + and a duration", standard: "the machine's clock", example: "+24h",
		words: "Tests only: where the server's clock starts, or how far ahead it is.",
		set: func(c *config, v string) error {
			c.clock = v
			_, err := offset(v)
			return err
		}}}
}

func offset(v string) (time.Duration, error) {
	if strings.HasPrefix(v, "+") || strings.HasPrefix(v, "-") {
		return time.ParseDuration(v)
	}
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("expected Unix milliseconds or a duration such as +24h, received %q", v)
	}
	return time.Until(time.UnixMilli(ms)), nil
}

func (c testConfig) now() func() time.Time {
	ahead, _ := offset(c.clock) // checked when it was set; 0 when it was not
	return func() time.Time { return time.Now().Add(ahead) }
}
