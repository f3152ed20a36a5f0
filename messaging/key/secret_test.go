package key

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// Secrets nested where fmt calls no methods: behind unexported fields.
type (
	hidesPointer[T any] struct{ secret *T }
	hidesValue[T any]   struct{ secret T }
	showsPointer[T any] struct{ Secret *T }
	showsValue[T any]   struct{ Secret T }
)

// carriers puts a secret into everything that ends up in a log.
func carriers[T any](p *T) map[string]any {
	return map[string]any{
		"pointer":                    p,
		"value":                      *p,
		"pointer to pointer":         &p,
		"struct, unexported pointer": hidesPointer[T]{p},
		"struct, unexported value":   hidesValue[T]{*p},
		"struct, exported pointer":   showsPointer[T]{p},
		"struct, exported value":     showsValue[T]{*p},
		"pointer to such a struct":   &hidesValue[T]{*p},
		"struct in a struct":         hidesValue[hidesValue[T]]{hidesValue[T]{*p}},
		"slice of pointers":          []*T{p},
		"slice of values":            []T{*p},
		"array of values":            [1]T{*p},
		"map of pointers":            map[string]*T{"k": p},
		"map of values":              map[string]T{"k": *p},
		"slice behind a field":       hidesValue[[]T]{[]T{*p}},
		"map behind a field":         hidesValue[map[int]T]{map[int]T{1: *p}},
		"interface":                  []any{p, *p},
		"function result in error":   fmt.Errorf("failed with %v and %v", p, *p),
	}
}

// Every way that a value takes into text, with every verb of fmt.
func printed(v any) string {
	var out strings.Builder
	for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
		for _, flags := range []string{"", "+", "#", " ", "-", "0", "+#", "# ", "40.40"} {
			fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
		}
	}
	fmt.Fprintln(&out, v)
	fmt.Fprintln(&out, errors.Join(fmt.Errorf("%+v", v), fmt.Errorf("%#v", v)))
	if raw, err := json.Marshal(v); err == nil {
		out.Write(raw)
	} else {
		fmt.Fprintln(&out, err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).With("with", v).LogAttrs(context.Background(), slog.LevelError, "text",
			slog.Any("attr", v), slog.Group("group", slog.Any("in", v)))
	}
	func() {
		defer func() { fmt.Fprintln(&out, recover()) }()
		panic(v)
	}()
	return out.String()
}

// leak reports the first form in which any four successive bytes of the secret
// stand in the text.
func leak(text string, secret []byte) string {
	lower := strings.ToLower(text)
	const window = 4
	for i := range len(secret) - window + 1 {
		part := secret[i : i+window]
		if bytes.Contains([]byte(text), part) {
			return "raw"
		}
		for name, form := range map[string]string{
			"hex":        hex.EncodeToString(part),
			"spaced hex": fmt.Sprintf("% x", part),
			"decimal":    strings.Trim(fmt.Sprint(part), "[]"),
			"octal":      strings.Trim(fmt.Sprintf("%o", part), "[]"),
			"binary":     strings.Trim(fmt.Sprintf("%b", part), "[]"),
			"Go syntax":  strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"),
			"quoted":     strings.ToLower(strings.Trim(fmt.Sprintf("%q", part), `"`)),
		} {
			if strings.Contains(lower, form) {
				return name
			}
		}
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			form := encoding.EncodeToString(secret[shift:])
			if strings.Contains(text, form[:len(form)/2]) {
				return "base64"
			}
		}
	}
	return ""
}

func checkPrints[T any](t *testing.T, name string, p *T, secrets ...[]byte) {
	t.Helper()
	for carrier, v := range carriers(p) {
		text := printed(v)
		for _, secret := range secrets {
			if form := leak(text, secret); form != "" {
				t.Errorf("%s in %s: bytes of the key show in %s form", name, carrier, form)
			}
		}
	}
}

func TestPrivateKeysPrintNothing(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(){
		"identity":       func() { checkPrivate[identity](t) },
		"signed prekey":  func() { checkPrivate[signedPreKey](t) },
		"one-time":       func() { checkPrivate[oneTime](t) },
		"base":           func() { checkPrivate[base](t) },
		"ratchet":        func() { checkPrivate[ratchet](t) },
		"log":            func() { checkLogPrivate(t) },
		"encapsulation":  func() { checkKEMPrivate(t) },
		"nil pointers":   func() { printed((*IdentityPrivate)(nil)); printed((*LogPrivate)(nil)); printed((*KEMPrivate)(nil)) },
		"printed is not": func() { checkDetector(t) },
	} {
		t.Run(name, func(*testing.T) { check() })
	}
}

func checkPrivate[R role](t *testing.T) {
	var r R
	p := generate[R](t)
	checkPrints(t, r.name(), p, p.Bytes())
}

func checkLogPrivate(t *testing.T) {
	p, err := GenerateLog(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	checkPrints(t, "log", p, p.Seed())
}

func checkKEMPrivate(t *testing.T) {
	p, err := (KEMs{}).Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	checkPrints(t, "KEM", p, p.seed()[:])
}

// The detector finds what these types would print without their methods.
func checkDetector(t *testing.T) {
	secret := make([]byte, 32)
	rand.Read(secret)
	for carrier, v := range carriers(&secret) {
		if carrier == "pointer to pointer" || carrier == "slice of pointers" || carrier == "map of pointers" ||
			strings.Contains(carrier, "pointer") && strings.HasPrefix(carrier, "struct") {
			continue // fmt stops there, and so may find nothing
		}
		if leak(printed(v), secret) == "" {
			t.Errorf("the detector sees nothing in %s", carrier)
		}
	}
	for _, form := range []string{
		string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", secret),
		fmt.Sprintf("%#v", secret), fmt.Sprintf("%q", secret), fmt.Sprintf("%b", secret), fmt.Sprintf("%o", secret),
		base64.StdEncoding.EncodeToString(secret), base64.URLEncoding.EncodeToString(secret),
	} {
		if leak("x"+form+"x", secret) == "" {
			t.Errorf("the detector sees nothing in %.20q", form)
		}
	}
}

func TestPrivateKeysDoNotMarshal(t *testing.T) {
	t.Parallel()
	log, err := GenerateLog(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kem, err := (KEMs{}).Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"curve": generate[identity](t), "curve value": *generate[identity](t),
		"log": log, "log value": *log, "KEM": kem, "KEM value": *kem,
	} {
		if out, err := json.Marshal(v); !errors.Is(err, errSecret) {
			t.Errorf("%s: marshalled to %d bytes, %v", name, len(out), err)
		}
		if got := fmt.Sprint(v); !strings.HasSuffix(got, "private key)") {
			t.Errorf("%s prints %q", name, got)
		}
	}
}

// Nothing that these packages refuse may quote what was refused.
func TestErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 48)
	rand.Read(secret)
	_, curve := NewPrivate[identity](secret)
	_, log := NewLog(secret)
	_, kem := (KEMs{}).ParsePrivate(secret)
	var text IdentityPublic
	parse := text.UnmarshalText(fmt.Appendf(nil, "identity:%x", secret[:20]))
	_, short := Generate[identity](io.LimitReader(bytes.NewReader(secret), 20))
	for i, err := range []error{curve, log, kem, parse, short} {
		if err == nil || leak(printed(err), secret) != "" {
			t.Errorf("error %d: %v", i, err)
		}
	}
}
