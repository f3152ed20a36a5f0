package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/sottochat/sotto/messaging/server/media"
)

// spoolError is what a failing local file means to the caller.
func spoolError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return media.ErrFull
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%w: spool: %s: %w", media.ErrStore, path.Op, path.Err)
	}
	return err // of the reader
}
