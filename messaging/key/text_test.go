package key

import (
	"errors"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

func TestTextRoundTrip(t *testing.T) {
	t.Parallel()
	roundTrip[identity](t)
	roundTrip[signedPreKey](t)
	roundTrip[oneTime](t)
	roundTrip[base](t)
	roundTrip[ratchet](t)
}

func roundTrip[R role](t *testing.T) {
	t.Helper()
	var r R
	p := generate[R](t).Public()
	text, err := p.MarshalText()
	if err != nil || string(text) != p.String() || !strings.HasPrefix(p.String(), r.name()+":") {
		t.Fatalf("%s: text %q, %v", r.name(), text, err)
	}
	var got Public[R]
	if err := got.UnmarshalText(text); err != nil || got != p {
		t.Errorf("%s: parse then print: %v", r.name(), err)
	}
	refusesOthers(t, p, text)
}

// The text form of one role is no text of another.
func refusesOthers[R role](t *testing.T, p Public[R], text []byte) {
	t.Helper()
	accepted := 0
	for _, dst := range []interface{ UnmarshalText([]byte) error }{
		new(IdentityPublic), new(SignedPreKeyPublic), new(OneTimePreKeyPublic), new(BasePublic), new(RatchetPublic),
	} {
		err := dst.UnmarshalText(text)
		if err == nil {
			accepted++
		} else if !errors.Is(err, ErrText) || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("unexpected error %v", err)
		}
	}
	if accepted != 1 {
		t.Errorf("%s parses as %d roles", p, accepted)
	}
}

func TestTextRefuses(t *testing.T) {
	t.Parallel()
	p := generate[identity](t).Public()
	good := p.String()
	rest := strings.TrimPrefix(good, "identity:")
	for name, in := range map[string]string{
		"empty": "", "prefix alone": "identity:", "no prefix": rest, "upper-case prefix": "IDENTITY:" + rest,
		"padding": good + "=", "space": good + " ", "line break inside": good[:20] + "\n" + good[20:],
		"carriage return": good + "\r", "doubled": good + good, "cut": good[:len(good)-1], "long": good + strings.Repeat("A", 1000),
		"standard alphabet": "identity:" + strings.Repeat("+", 44), "other type byte": "identity:Bg" + rest[2:],
	} {
		kept := p
		if err := kept.UnmarshalText([]byte(in)); err == nil || !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
		if kept != p {
			t.Errorf("%s: a refused text changed the key", name)
		}
	}
}
