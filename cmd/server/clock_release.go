//go:build !testclock

package main

import "time"

// testConfig is empty in a release.
type testConfig struct{}

// build adds nothing: a release has no clock to turn.
func build() []setting { return nil }

func (testConfig) now() func() time.Time { return time.Now }
