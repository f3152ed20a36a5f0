//go:build !testclock

package main

import (
	"flag"
	"time"
)

// testClock exists in test builds only: nobody moves the clock of a release.
type testClock struct{}

func newTestClock() testClock            { return testClock{} }
func (testClock) register(*flag.FlagSet) {}
func (testClock) now() time.Time         { return time.Now() }
