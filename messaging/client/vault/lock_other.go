//go:build !js && !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package vault

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock that dies with its process two owners could
// write one file, and a rename over an open file is not to be had everywhere.
func lockFile(*os.File) error { return errors.ErrUnsupported }
