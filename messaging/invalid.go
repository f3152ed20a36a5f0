package messaging

import "errors"

// ErrInvalid is the one error that the outside may see for input that came from
// a stranger: malformed, truncated, oversized, replayed and forged look alike.
var ErrInvalid = errors.New("messaging: invalid input")

// Invalid wraps the precise reason for refusing a stranger's input. The text of
// the result is always that of ErrInvalid, so that a log or an answer cannot
// tell a bad length from a bad MAC; errors.Is finds both ErrInvalid and the
// reason, so that tests can. Invalid(nil) is nil, and an error that is already
// of this class is returned as it is.
func Invalid(reason error) error {
	if reason == nil || errors.Is(reason, ErrInvalid) {
		return reason
	}
	return invalid{reason}
}

type invalid struct{ reason error }

func (invalid) Error() string        { return ErrInvalid.Error() }
func (invalid) Is(target error) bool { return target == ErrInvalid }
func (e invalid) Unwrap() error      { return e.reason }
func (e invalid) GoString() string   { return "messaging.Invalid" }
