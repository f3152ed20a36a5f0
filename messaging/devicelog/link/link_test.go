package link

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type device struct {
	new devicelog.Newcomer
	log *key.LogPrivate
}

// member has an account with one device, and one that wants to join.
type member struct {
	rand     io.Reader
	tenant   messaging.TenantID
	account  messaging.AccountID
	old, new device
	log      *devicelog.Log
	code     *Code
}

func newDevice(t testing.TB, rand io.Reader) device {
	t.Helper()
	identity, err := key.Generate[key.RoleIdentity](rand)
	if err != nil {
		t.Fatal(err)
	}
	log, err := key.GenerateLog(rand)
	if err != nil {
		t.Fatal(err)
	}
	return device{devicelog.Newcomer{RegistrationID: 42, Identity: identity.Public(), LogKey: log.Public()}, log}
}

func newMember(t testing.TB, seed byte) *member {
	t.Helper()
	m := &member{rand: mrand.NewChaCha8([32]byte{seed})}
	io.ReadFull(m.rand, m.tenant[:])
	io.ReadFull(m.rand, m.account[:])
	m.old, m.new = newDevice(t, m.rand), newDevice(t, m.rand)
	raw, err := devicelog.Found(m.tenant, m.account, m.old.new, m.old.log, start, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if m.log, err = devicelog.Open(m.tenant, m.account, [][]byte{raw}); err != nil {
		t.Fatal(err)
	}
	if m.code, err = New(m.rand, m.tenant, m.account, m.new.new, start); err != nil {
		t.Fatal(err)
	}
	return m
}

func refused(t *testing.T, name string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("%s: got %v (%v), want %v", name, err, errors.Unwrap(err), want)
	}
}

// The whole exchange of docs/protocol.md section 6, with the server as a map.
func TestLinking(t *testing.T) {
	t.Parallel()
	m := newMember(t, 1)
	server := map[[32]byte][]byte{}
	put := func(c *Code, step Step, payload []byte) {
		t.Helper()
		slot, err := c.Slot(step, 0)
		if err != nil {
			t.Fatal(err)
		}
		if server[slot], err = c.Seal(m.rand, step, 0, payload); err != nil {
			t.Fatal(err)
		}
	}
	get := func(c *Code, step Step) []byte {
		t.Helper()
		slot, err := c.Slot(step, 0)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := c.Open(step, 0, server[slot])
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	// The listed device scans.
	scanned, err := Parse(m.code.Text())
	if err != nil {
		t.Fatal(err)
	}
	if err := scanned.Check(m.log, start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text, err := m.log.Add(scanned.Newcomer, 1, start.Add(time.Minute), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	put(scanned, StepOffer, Offer{m.old.new.Identity, text}.Bytes())
	// The new device answers.
	offer, err := ParseOffer(get(m.code, StepOffer))
	if err != nil {
		t.Fatal(err)
	}
	reverse, err := m.log.Join(offer.Text, m.new.new, offer.Approver, m.new.log)
	if err != nil {
		t.Fatal(err)
	}
	put(m.code, StepAnswer, reverse[:])
	// Both screens show the same, and the member confirms.
	if a, b := m.code.Digits(offer.Approver), scanned.Digits(m.old.new.Identity); a != b || len(a) != 6 {
		t.Fatalf("digits %q and %q", a, b)
	}
	sig, err := key.ParseSignature(get(scanned, StepAnswer))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := m.log.CompleteAdd(text, scanned.Newcomer, sig, devicelog.Signer{Device: 1, Key: m.old.log})
	if err != nil {
		t.Fatal(err)
	}
	grown, err := m.log.Extend(entry)
	if err != nil {
		t.Fatal(err)
	}
	// PRO-41: the code is used up.
	refused(t, "second use", scanned.Check(grown, start.Add(time.Minute)), ErrUsed)
}

// Flipping one bit anywhere makes a code that is refused, or that its device
// would never have shown.
func TestTextIsExact(t *testing.T) {
	t.Parallel()
	c := newMember(t, 2).code
	text := c.Text()
	if len(text) != 240 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:") != "" {
		t.Fatalf("%d characters, or some that QR's alphanumeric mode lacks", len(text))
	}
	got, err := Parse(text)
	if err != nil || got.Text() != text || got.Newcomer != c.Newcomer || got.Tenant != c.Tenant ||
		got.Account != c.Account || !got.Expiry.Equal(c.Expiry) || *got.secret() != *c.secret() {
		t.Fatalf("parse then print differs (%v)", err)
	}
	for i := range text {
		for _, r := range "A7Z2-:=a" {
			if text[i] == byte(r) {
				continue
			}
			if _, err := Parse(text[:i] + string(r) + text[i+1:]); err == nil {
				t.Fatalf("character %d changed to %c: accepted", i, r)
			}
		}
	}
	for i := range text {
		if _, err := Parse(text[:i]); err == nil {
			t.Fatalf("cut at %d: accepted", i)
		}
	}
	for name, in := range map[string]string{
		"line breaks": text[:80] + "\n" + text[80:160] + "\r\n" + text[160:], "spaces around": "  " + text + "\n",
	} {
		if got, err := Parse(in); err != nil || got.Text() != text || !Is(in) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	text := newMember(t, 3).code.Text()
	for name, in := range map[string]string{
		"empty":           "",
		"invite":          "https://chat.example/i/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA",
		"script":          "javascript:alert(1)",
		"intent":          "intent://scan/#Intent;end",
		"Wi-Fi":           "WIFI:S:net;T:WPA;P:secret;;",
		"safety number":   "SAFETY-NUMBER:BABREIQKEA",
		"lower case":      strings.ToLower(text),
		"no prefix":       strings.TrimPrefix(text, Prefix),
		"in an address":   "https://chat.example/" + text,
		"prefix repeated": Prefix + text[:200],
		"long":            text + strings.Repeat(" ", maxText),
	} {
		_, err := Parse(in)
		if name == "prefix repeated" {
			refused(t, name, err, ErrCode)
			continue
		}
		refused(t, name, err, ErrKind)
		if name != "long" && Is(in) {
			t.Errorf("%s: taken for a link code", name)
		}
	}
	for name, in := range map[string]string{
		"prefix alone": Prefix, "doubled": text + text[len(Prefix):], "one more": text + "A", "padded": text + "=",
	} {
		_, err := Parse(in)
		refused(t, name, err, ErrCode)
	}
}

// What the check sum vouches for is still looked at.
func TestParseChecksValues(t *testing.T) {
	t.Parallel()
	c := newMember(t, 4).code
	encode := func(change func(b []byte)) string {
		body := c.body()
		change(body)
		check := checkOf(body)
		return Prefix + textEncoding.EncodeToString(append(body, check[:]...))
	}
	if got := encode(func([]byte) {}); got != c.Text() {
		t.Fatal("the test encodes otherwise")
	}
	tests := []struct {
		name   string
		change func(b []byte)
		want   error
	}{
		{"version 0", func(b []byte) { b[0] = 0 }, ErrVersion},
		{"version 2", func(b []byte) { b[0] = 2 }, ErrVersion},
		{"registration id 0", func(b []byte) { clear(b[regAt:identityAt]) }, key.ErrRegistration},
		{"registration id of 15 bits", func(b []byte) { b[regAt] = 0x40 }, key.ErrRegistration},
		{"identity of another type", func(b []byte) { b[identityAt] = 6 }, key.ErrType},
		{"identity of small order", func(b []byte) { clear(b[identityAt+1 : logKeyAt]) }, key.ErrPoint},
		{"log key of small order", func(b []byte) { clear(b[logKeyAt:secretAt]) }, key.ErrPoint},
		{"log key that is no point", func(b []byte) { clear(b[logKeyAt:secretAt]); b[logKeyAt] = 2 }, key.ErrPoint},
	}
	for _, tt := range tests {
		got, err := Parse(encode(tt.change))
		if got != nil {
			t.Errorf("%s: a code beside the error", tt.name)
		}
		refused(t, tt.name, err, tt.want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m, other := newMember(t, 5), newMember(t, 6)
	own, err := New(m.rand, m.tenant, m.account, m.old.new, start)
	if err != nil {
		t.Fatal(err)
	}
	half := m.old.new
	half.Identity = m.new.new.Identity
	mixed, err := New(m.rand, m.tenant, m.account, half, start)
	if err != nil {
		t.Fatal(err)
	}
	sibling, err := New(m.rand, other.tenant, m.account, m.new.new, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		code *Code
		now  time.Time
		want error
	}{
		{"fresh", m.code, start, nil},
		{"last moment", m.code, start.Add(Lifetime - time.Millisecond), nil},
		{"reader's clock a minute slow", m.code, start.Add(-time.Minute), nil},
		{"expired", m.code, start.Add(Lifetime), ErrExpired},
		{"next year", m.code, start.AddDate(1, 0, 0), ErrExpired},
		{"claims to live longer", m.code, start.Add(-time.Minute - time.Millisecond), ErrExpired},
		{"another account", other.code, start, ErrAccount},
		{"another tenant", sibling, start, ErrAccount},
		{"own code", own, start, ErrUsed},
		{"own log key", mixed, start, ErrUsed},
	}
	for _, tt := range tests {
		err := tt.code.Check(m.log, tt.now)
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.name, errors.Unwrap(err))
			}
			continue
		}
		refused(t, tt.name, err, tt.want)
	}
}

// The digits depend on both identity keys, the secret and everything else in the
// code: a server that swaps one of them changes them.
func TestDigits(t *testing.T) {
	t.Parallel()
	m, other := newMember(t, 7), newMember(t, 8)
	want := m.code.Digits(m.old.new.Identity)
	if strings.Trim(want, "0123456789") != "" || len(want) != 6 {
		t.Fatalf("digits %q", want)
	}
	changed := map[string]func(*Code){
		"tenant":          func(c *Code) { c.Tenant = other.tenant },
		"account":         func(c *Code) { c.Account = other.account },
		"identity":        func(c *Code) { c.Newcomer.Identity = other.new.new.Identity },
		"log key":         func(c *Code) { c.Newcomer.LogKey = other.new.new.LogKey },
		"registration id": func(c *Code) { c.Newcomer.RegistrationID++ },
		"secret":          func(c *Code) { c.secret = other.code.secret },
		"expiry":          func(c *Code) { c.Expiry = c.Expiry.Add(time.Millisecond) },
	}
	for name, change := range changed {
		c := *m.code
		change(&c)
		if c.Digits(m.old.new.Identity) == want {
			t.Errorf("%s does not matter", name)
		}
		a, _ := c.Slot(StepOffer, 0)
		b, _ := m.code.Slot(StepOffer, 0)
		if a == b {
			t.Errorf("%s does not matter to the slot", name)
		}
	}
	if m.code.Digits(other.old.new.Identity) == want {
		t.Error("the approver does not matter")
	}
	// Leading zeros are shown.
	c, zeros := *m.code, 0
	for range 200 {
		c.Expiry = c.Expiry.Add(time.Millisecond)
		if d := c.Digits(m.old.new.Identity); len(d) != 6 {
			t.Fatalf("digits %q", d)
		} else if d[0] == '0' {
			zeros++
		}
	}
	if zeros == 0 {
		t.Error("no code of 200 starts with a zero")
	}
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	t.Parallel()
	m, other := newMember(t, 9), newMember(t, 10)
	payload := []byte("payload")
	sealed, err := m.code.Seal(m.rand, StepOffer, 0, payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.code.Open(StepOffer, 0, sealed); err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("own payload: %v", err)
	}
	seen := map[[32]byte]bool{}
	for _, c := range []*Code{m.code, other.code} {
		for step := StepOffer; step <= StepGrant; step++ {
			for attempt := range MaxAttempts {
				slot, err := c.Slot(step, attempt)
				if err != nil || seen[slot] {
					t.Fatalf("step %d, attempt %d: slot is not its own (%v)", step, attempt, err)
				}
				seen[slot] = true
				if c == m.code && step == StepOffer && attempt == 0 {
					continue
				}
				_, err = c.Open(step, attempt, sealed)
				refused(t, fmt.Sprintf("step %d, attempt %d", step, attempt), err, ErrPayload)
			}
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		_, err := m.code.Open(StepOffer, 0, bad)
		refused(t, fmt.Sprintf("byte %d flipped", i), err, ErrPayload)
		_, err = m.code.Open(StepOffer, 0, sealed[:i])
		refused(t, fmt.Sprintf("cut at %d", i), err, ErrPayload)
	}
	for _, place := range []struct {
		step    Step
		attempt int
	}{{0, 0}, {4, 0}, {StepOffer, -1}, {StepOffer, MaxAttempts}} {
		_, err := m.code.Slot(place.step, place.attempt)
		refused(t, "slot", err, ErrStep)
		_, err = m.code.Seal(m.rand, place.step, place.attempt, payload)
		refused(t, "seal", err, ErrStep)
		_, err = m.code.Open(place.step, place.attempt, sealed)
		refused(t, "open", err, ErrStep)
	}
	largest, err := m.code.Seal(m.rand, StepGrant, 0, make([]byte, MaxPayload))
	if err != nil || len(largest) != 64<<10 {
		t.Errorf("largest payload: %d bytes, %v", len(largest), err)
	}
	_, err = m.code.Seal(m.rand, StepGrant, 0, make([]byte, MaxPayload+1))
	refused(t, "too long", err, ErrPayload)
	_, err = m.code.Open(StepGrant, 0, append(largest, 0))
	refused(t, "too long to open", err, ErrPayload)
	if _, err := m.code.Seal(bytes.NewReader(nil), StepGrant, 0, payload); err == nil {
		t.Error("sealed without randomness")
	}
}

func TestOffer(t *testing.T) {
	t.Parallel()
	m := newMember(t, 11)
	raw := Offer{m.old.new.Identity, []byte("text")}.Bytes()
	if o, err := ParseOffer(raw); err != nil || o.Approver != m.old.new.Identity || string(o.Text) != "text" {
		t.Errorf("parse then print: %v", err)
	}
	for name, in := range map[string][]byte{
		"none": nil, "no text": raw[:key.PublicSize], "cut": raw[:20], "long": append(raw, make([]byte, devicelog.MaxEntry)...),
	} {
		_, err := ParseOffer(in)
		refused(t, name, err, ErrPayload)
	}
	raw[0] = 6
	_, err := ParseOffer(raw)
	refused(t, "other type", err, key.ErrType)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	m := newMember(t, 12)
	none := m.new.new
	none.RegistrationID = 0
	_, err := New(m.rand, m.tenant, m.account, none, start)
	refused(t, "no registration id", err, key.ErrRegistration)
	if _, err := New(bytes.NewReader(make([]byte, secretSize-1)), m.tenant, m.account, m.new.new, start); err == nil {
		t.Error("made of too few bytes")
	}
}

func TestCodePrintsNothing(t *testing.T) {
	t.Parallel()
	c := newMember(t, 13).code
	type hides struct{ code Code }
	type points struct{ code *Code }
	var out strings.Builder
	for _, v := range []any{c, *c, hides{*c}, points{c}, &hides{*c}, []Code{*c}, []hides{{*c}}, map[int]points{1: {c}}} {
		for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
			fmt.Fprintf(&out, "%"+string(verb)+" %+"+string(verb)+" %#"+string(verb)+"\n", v, v, v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Error("text", "code", v)
		if raw, err := json.Marshal(v); err == nil {
			out.Write(raw)
		}
	}
	if fmt.Sprint(c, *c) != "(device-link code) (device-link code)" {
		t.Errorf("prints %v", c)
	}
	text, secret := strings.ToLower(out.String()), c.secret()
	for i := range len(secret) - 4 {
		part := secret[i : i+4]
		if strings.Contains(out.String(), string(part)) {
			t.Fatal("four bytes of the secret show")
		}
		for _, form := range []string{
			hex.EncodeToString(part),
			strings.Trim(fmt.Sprint(part), "[]"), strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
		} {
			if strings.Contains(text, form) {
				t.Fatalf("four bytes of the secret show as %q", form)
			}
		}
	}
	if shown := strings.ToLower(c.Text()); strings.Contains(text, shown[len(Prefix):len(Prefix)+20]) {
		t.Error("the text shows")
	}
}

// The published code: any change of layout, check, digits or derivation shows.
func TestVector(t *testing.T) {
	t.Parallel()
	m := newMember(t, 80)
	slot, err := m.code.Slot(StepAnswer, 3)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{m.code.Text(), m.code.Digits(m.old.new.Identity), hex.EncodeToString(slot[:]), hex.EncodeToString(m.old.new.Identity.Bytes())}
	want := []string{
		vectorText, vectorDigits, vectorSlot, vectorApprover,
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("value %d is\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(newMember(f, 14).code.Text())
	f.Add(Prefix)
	f.Add("https://chat.example/i/A#B")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Errorf("error %v is not of the outside's class", err)
			}
			return
		}
		if got := c.Text(); got != strings.Join(strings.Fields(s), "") || !Is(s) {
			t.Errorf("%q parses, and prints as %q", s, got)
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add(newMember(f, 15).code.body())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != bodySize {
			return
		}
		if c, err := parseBody(b); err == nil && !bytes.Equal(c.body(), b) {
			t.Error("parse then print differs")
		}
	})
}

func FuzzOpen(f *testing.F) {
	m := newMember(f, 16)
	sealed, err := m.code.Seal(m.rand, StepOffer, 0, Offer{m.old.new.Identity, []byte("text")}.Bytes())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := m.code.Open(StepOffer, 0, b); err == nil && !bytes.Equal(b, sealed) {
			t.Error("opened what nobody sealed")
		}
		if o, err := ParseOffer(b); err == nil && !bytes.Equal(o.Bytes(), b) {
			t.Error("parse then print differs")
		}
	})
}
