package registry

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Brand is how a tenant looks: data, never code.
type Brand struct {
	// Name is shown to members: 1 to 80 characters without controls.
	Name string
	// Color is the accent, "#" and six lower-case hexadecimal digits.
	Color string
	// Language is that of pages for whoever asks for none we have: two letters
	// of ISO 639-1.
	Language string
}

// Mode says whether openings may cost.
type Mode string

// A tenant is free or paid.
const (
	Free Mode = "free"
	Paid Mode = "paid"
)

const (
	maxName         = 80 // characters, migration 0001
	defaultColor    = "#2f5d50"
	defaultLanguage = "en"
)

// withDefaults fills in what may be left out.
func (b Brand) withDefaults() Brand {
	if b.Color == "" {
		b.Color = defaultColor
	}
	if b.Language == "" {
		b.Language = defaultLanguage
	}
	return b
}

func (b Brand) check() error {
	if n := utf8.RuneCountInString(b.Name); n == 0 || n > maxName || !utf8.ValidString(b.Name) ||
		strings.ContainsFunc(b.Name, invisible) || strings.TrimSpace(b.Name) != b.Name {
		return fmt.Errorf("%w: expected a name of 1 to %d visible characters, received %d", ErrBrand, maxName, n)
	}
	if len(b.Color) != 7 || b.Color[0] != '#' || strings.Trim(b.Color[1:], "0123456789abcdef") != "" {
		return fmt.Errorf("%w: expected a color such as %s", ErrBrand, defaultColor)
	}
	if len(b.Language) != 2 || strings.Trim(b.Language, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("%w: expected a language of two lower-case letters, such as en", ErrBrand)
	}
	return nil
}

// invisible finds controls and format characters, with which a name could
// imitate another or turn the text around it.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

func (m Mode) check() error {
	if m != Free && m != Paid {
		return fmt.Errorf("%w: expected the mode free or paid", ErrBrand)
	}
	return nil
}
