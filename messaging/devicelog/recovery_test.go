package devicelog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sottochat/sotto/messaging"
)

func TestRecoveryCodeText(t *testing.T) {
	t.Parallel()
	code, err := NewRecoveryCode(chacha(50))
	if err != nil {
		t.Fatal(err)
	}
	text := code.Reveal()
	if groups := strings.Split(text, "-"); len(groups) != 8 || len(text) != 39 {
		t.Fatalf("%d groups, %d characters", len(groups), len(text))
	}
	confused := strings.NewReplacer("1", "l", "0", "o").Replace(strings.ToLower(text))
	for name, in := range map[string]string{
		"as shown": text, "lower case": strings.ToLower(text), "no hyphens": strings.ReplaceAll(text, "-", ""),
		"spaces": strings.ReplaceAll(text, "-", " "), "lines": strings.ReplaceAll(text, "-", "\r\n"),
		"I and O": strings.NewReplacer("1", "I", "0", "O").Replace(text), "l and o": confused, "padded": "  " + text + "\n",
		"hyphens everywhere": strings.Join(strings.Split(strings.ReplaceAll(text, "-", ""), ""), "-"),
	} {
		got, err := ParseRecoveryCode(in)
		if err != nil || got.Reveal() != text {
			t.Errorf("%s: %v", name, reason(err))
		}
	}
	if _, err := NewRecoveryCode(bytes.NewReader(make([]byte, recoverySize-1))); err == nil {
		t.Error("generated from too few bytes")
	}
}

func TestRecoveryCodeRefuses(t *testing.T) {
	t.Parallel()
	code, err := NewRecoveryCode(chacha(51))
	if err != nil {
		t.Fatal(err)
	}
	text := code.Reveal()
	for name, in := range map[string]string{
		"empty": "", "spaces": "   ", "cut": text[:38], "group missing": text[5:], "one more": text + "0",
		"doubled": text + text, "U": "U" + text[1:], "umlaut": "Ä" + text[1:], "digit of another script": "٣" + text[1:],
		"kelvin sign": strings.Replace(text, text[:1], "K", 1), "long": strings.Repeat(" ", maxRecoveryText) + text, "padding": text + "=",
		"hex": hex.EncodeToString(make([]byte, 20)) + "x",
	} {
		if got, err := ParseRecoveryCode(in); got != nil || !isReason(err, ErrCode) {
			t.Errorf("%s: %v", name, reason(err))
		}
	}
	// A slip of the pen at any place is caught by the check.
	for i := range text {
		if text[i] == '-' {
			continue
		}
		slip := []byte(text)
		if slip[i] = '7'; text[i] == '7' {
			slip[i] = '8'
		}
		if _, err := ParseRecoveryCode(string(slip)); !isReason(err, ErrCode) {
			t.Errorf("character %d: %v", i, reason(err))
		}
	}
}

// PRO-40: a wrong code, a replaced one, and one of another account do nothing.
func TestRecover(t *testing.T) {
	t.Parallel()
	a, b := found(t, 52), found(t, 53)
	n := newDevice(t, a.rand)
	early, err := NewRecoveryCode(a.rand)
	if err != nil {
		t.Fatal(err)
	}
	recover := func(code *RecoveryCode) error {
		_, err := a.log.Recover(code, n.new, n.log, a.now, time.Time{})
		return err
	}
	if err := recover(early); !isReason(err, ErrCode) {
		t.Errorf("no code listed: %v", reason(err))
	}
	old := a.recovery(1)
	if err := recover(early); !isReason(err, ErrCode) {
		t.Errorf("wrong code: %v", reason(err))
	}
	typed, err := ParseRecoveryCode(strings.ToLower(old.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	if err := recover(typed); err != nil {
		t.Errorf("right code, typed: %v", reason(err))
	}
	stale := must(a.log.Recover(old, n.new, n.log, a.now, time.Time{}))
	current := a.recovery(1)
	if err := recover(old); !isReason(err, ErrCode) {
		t.Errorf("replaced code: %v", reason(err))
	}
	refuses(t, "entry by the replaced code", a.log, stale, ErrSequence)
	forged := parsed(t, must(a.log.Recover(current, n.new, n.log, a.now, time.Time{})))
	oldKey, err := old.key(a.tenant, a.id)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, "forged with the replaced code", a.log, forge(forged, oldKey, n.log), ErrSignature)
	b.take(b.log.Recovery(current, b.devices[1].signer(), b.now))
	one, _ := a.log.RecoveryKey()
	other, ok := b.log.RecoveryKey()
	if !ok || one == other {
		t.Error("one code gives two accounts the same key")
	}
	if _, ok := found(t, 54).log.RecoveryKey(); ok {
		t.Error("a new account has a recovery key")
	}
}

// In a full account the code first makes room, and only then.
func TestRecoverIntoFullAccount(t *testing.T) {
	t.Parallel()
	a := found(t, 55)
	code := a.recovery(1)
	for range messaging.MaxDevices - 2 {
		a.add(1)
	}
	if _, err := a.log.RecoverRemove(code, 2, a.now); !isReason(err, ErrSigner) {
		t.Errorf("seven devices: %v", reason(err))
	}
	a.add(1)
	n := newDevice(t, a.rand)
	if _, err := a.log.Recover(code, n.new, n.log, a.now, time.Time{}); !isReason(err, ErrFull) {
		t.Errorf("a ninth device: %v", reason(err))
	}
	wrong, err := NewRecoveryCode(a.rand)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.log.RecoverRemove(wrong, 2, a.now); !isReason(err, ErrCode) {
		t.Errorf("wrong code: %v", reason(err))
	}
	a.take(a.log.RecoverRemove(code, 2, a.now))
	a.take(a.log.Recover(code, n.new, n.log, a.now, time.Time{}))
	if a.log.newest != 9 || len(a.log.Devices(a.now)) != 8 {
		t.Errorf("device %d, %d listed", a.log.newest, len(a.log.Devices(a.now)))
	}
}

func TestRecoveryCodePrintsNothing(t *testing.T) {
	t.Parallel()
	code, err := NewRecoveryCode(chacha(56))
	if err != nil {
		t.Fatal(err)
	}
	type hides struct{ code RecoveryCode }
	type points struct{ code *RecoveryCode }
	var out strings.Builder
	for _, v := range []any{code, *code, hides{*code}, points{code}, &hides{*code}, []RecoveryCode{*code}, map[int]hides{1: {*code}}} {
		for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
			fmt.Fprintf(&out, "%"+string(verb)+" %+"+string(verb)+" %#"+string(verb)+"\n", v, v, v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Error("text", "code", v)
		if raw, err := json.Marshal(v); err == nil {
			out.Write(raw)
		}
	}
	if fmt.Sprint(code, *code) != "(recovery code) (recovery code)" {
		t.Errorf("prints %v", code)
	}
	text, secret := out.String(), code.secret()
	raw := strings.ReplaceAll(code.Reveal(), "-", "")
	for i := range len(secret) - 4 {
		part := secret[i : i+4]
		for _, form := range []string{
			string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
			strings.Trim(fmt.Sprint(part), "[]"), strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
		} {
			if strings.Contains(text, form) {
				t.Fatalf("four bytes show as %q", form)
			}
		}
	}
	for i := range len(raw) - 6 {
		if strings.Contains(text, raw[i:i+6]) {
			t.Fatal("six characters show")
		}
	}
}
