package messaging

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var errReason = errors.New("the MAC differs at byte 7")

type detailed struct{ secret string }

func (d detailed) Error() string { return d.secret }

func TestInvalidSaysNothing(t *testing.T) {
	t.Parallel()
	err := Invalid(fmt.Errorf("message 3: %w", errReason))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if got := fmt.Sprintf(verb, err); got != ErrInvalid.Error() {
			t.Errorf("%s prints %q", verb, got)
		}
		// Behind an unexported field fmt calls no method.
		for _, reason := range []error{errReason, detailed{errReason.Error()}, fmt.Errorf("x: %w", errReason)} {
			got := fmt.Sprintf(verb, struct{ err error }{Invalid(reason)}) + fmt.Sprintf(verb, []any{&struct{ err error }{Invalid(reason)}})
			if strings.Contains(got, "MAC") || strings.Contains(got, fmt.Sprintf("%x", "MAC")) {
				t.Errorf("%s behind a field tells the reason: %q", verb, got)
			}
		}
	}
	if err.Error() != ErrInvalid.Error() {
		t.Errorf("text %q", err)
	}
}

func TestInvalidIsFoundByTests(t *testing.T) {
	t.Parallel()
	inner := fmt.Errorf("message 3: %w", detailed{"x"})
	err := Invalid(errors.Join(inner, errReason))
	var d detailed
	if !errors.Is(err, ErrInvalid) || !errors.Is(err, errReason) || !errors.As(err, &d) {
		t.Error("the reason is lost")
	}
	if errors.Is(err, errors.New("the MAC differs at byte 7")) || errors.Is(errReason, ErrInvalid) {
		t.Error("reasons are found that are not there")
	}
	if Invalid(nil) != nil {
		t.Error("Invalid(nil) is an error")
	}
	if again := Invalid(err); again != err {
		t.Error("an error of the class is wrapped again")
	}
	if wrapped := fmt.Errorf("open the log: %w", err); Invalid(wrapped) != wrapped {
		t.Error("an error around one of the class is wrapped again")
	}
}
