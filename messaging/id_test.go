package messaging

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// text is what every identifier does.
type identifier interface {
	comparable
	encoding.TextMarshaler
	String() string
}

// kind is one type of identifier with its prefix.
type kind struct {
	prefix string
	sample func() (text string)
	parse  func(text []byte) (again string, err error)
}

func kindOf[T identifier, P interface {
	*T
	encoding.TextUnmarshaler
}](prefix string, fresh func() T) kind {
	return kind{
		prefix: prefix,
		sample: func() string { return fresh().String() },
		parse: func(text []byte) (string, error) {
			kept := fresh()
			id := kept
			if err := P(&id).UnmarshalText(text); err != nil {
				if id != kept {
					return "", errors.New("a refused text changed the identifier")
				}
				return "", err
			}
			again, err := id.MarshalText()
			return string(again), err
		},
	}
}

func kinds() map[string]kind {
	return map[string]kind{
		"tenant":  kindOf("tnt_", NewTenantID),
		"account": kindOf("acct_", NewAccountID),
		"chat":    kindOf("chat_", NewChatID),
		"message": kindOf("msg_", NewMessageID),
		"blob":    kindOf("blob_", NewBlobID),
	}
}

func TestIDRoundTrip(t *testing.T) {
	t.Parallel()
	for name, k := range kinds() {
		text := k.sample()
		if !strings.HasPrefix(text, k.prefix) || len(text) != len(k.prefix)+26 {
			t.Errorf("%s: text %q", name, text)
		}
		if again, err := k.parse([]byte(text)); err != nil || again != text {
			t.Errorf("%s: parse then print gives %q, %v", name, again, err)
		}
		if text == k.sample() {
			t.Errorf("%s: two new identifiers are equal", name)
		}
		for other, o := range kinds() {
			if _, err := o.parse([]byte(text)); (err == nil) != (name == other) {
				t.Errorf("%s parses as %s: %v", name, other, err)
			}
			if _, err := o.parse([]byte(o.prefix + strings.TrimPrefix(text, k.prefix))); err != nil {
				t.Errorf("%s under the prefix of %s: %v", name, other, err)
			}
		}
	}
}

// The text form is fixed: it stands in addresses and databases.
func TestIDVector(t *testing.T) {
	t.Parallel()
	id := AccountID{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	const want = "acct_008i4cq4alj7f24platspnfevs"
	if id.String() != want {
		t.Errorf("text %q", id)
	}
	if a := (Address{id, 7}); a.String() != want+".7" {
		t.Errorf("address %q", a)
	}
	raw, err := json.Marshal(map[AccountID]AccountID{id: id})
	if err != nil || string(raw) != `{"`+want+`":"`+want+`"}` {
		t.Errorf("JSON %s, %v", raw, err)
	}
}

func TestIDRefuses(t *testing.T) {
	t.Parallel()
	for name, k := range kinds() {
		text := k.sample()
		rest := strings.TrimPrefix(text, k.prefix)
		for change, bad := range map[string]string{
			"empty": "", "prefix alone": k.prefix, "no prefix": rest, "cut": text[:len(text)-1], "one more": text + "0",
			"doubled": text + text, "upper-case prefix": strings.ToUpper(k.prefix) + rest, "letter w": k.prefix + "w" + rest[1:],
			"upper case": k.prefix + "A" + rest[1:], "space before": " " + text[:len(text)-1], "space in front": " " + text,
			"line break inside": text[:10] + "\n" + text[11:], "line break after": text + "\n", "padding": text[:len(text)-1] + "=",
			"spare bits set": text[:len(text)-1] + "1", "long": text + strings.Repeat("0", 1<<16), "NUL": text[:9] + "\x00" + text[10:],
		} {
			if _, err := k.parse([]byte(bad)); !errors.Is(err, ErrID) {
				t.Errorf("%s, %s: got %v", name, change, err)
			} else if len(err.Error()) > 200 || len(rest) > 0 && strings.Contains(err.Error(), rest[:8]) {
				t.Errorf("%s, %s: the error quotes its input: %v", name, change, err)
			}
		}
	}
}

func TestDeviceID(t *testing.T) {
	t.Parallel()
	for id := range 256 {
		if got := DeviceID(id).Valid(); got != (id >= 1 && id <= 127) {
			t.Errorf("%d: valid is %t", id, got)
		}
	}
}

func FuzzID(f *testing.F) {
	for _, k := range kinds() {
		f.Add([]byte(k.sample()))
	}
	f.Add([]byte("acct_00000000000000000000000001"))
	f.Add([]byte("acct_\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted := 0
		for name, k := range kinds() {
			again, err := k.parse(b)
			if err == nil {
				accepted++
				if !bytes.Equal([]byte(again), b) {
					t.Errorf("%s: %q parses, and prints as %q", name, b, again)
				}
			} else if !errors.Is(err, ErrID) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if accepted > 1 {
			t.Errorf("%q is an identifier of %d kinds", b, accepted)
		}
	})
}
