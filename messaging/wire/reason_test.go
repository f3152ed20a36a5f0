package wire

import "errors"

// reason returns what messaging.Invalid hides.
func reason(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}
