package messaging

import (
	"errors"
	"fmt"
	"io"
)

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
	return &invalid{func() error { return reason }}
}

// invalid keeps the reason in a function: fmt walks the fields of a value that
// stands behind an unexported field, but looks into no function.
type invalid struct{ reason func() error }

func (*invalid) Error() string        { return ErrInvalid.Error() }
func (*invalid) Is(target error) bool { return target == ErrInvalid }
func (e *invalid) Unwrap() error      { return e.reason() }

// Format prints the same text for every verb and flag.
func (*invalid) Format(f fmt.State, _ rune) { io.WriteString(f, ErrInvalid.Error()) }
