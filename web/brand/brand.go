// Package brand turns a tenant's one colour into the few that a page needs, with
// the contrast that WCAG 2.2 asks for, so that no choice of a tenant makes a page
// unreadable. It knows no tenant and no page.
package brand

import (
	"fmt"
	"math"
	"strconv"
)

// Color is an opaque sRGB colour.
type Color struct{ R, G, B uint8 }

// Parse reads "#rrggbb" or "rrggbb" in lower or upper case.
func Parse(text string) (Color, bool) {
	if len(text) == 7 && text[0] == '#' {
		text = text[1:]
	}
	if len(text) != 6 {
		return Color{}, false
	}
	for i := range len(text) {
		if text[i] == '+' || text[i] == '-' || text[i] == '_' {
			return Color{}, false
		}
	}
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil {
		return Color{}, false
	}
	return Color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, true
}

// Hex returns six digits in lower case.
func (c Color) Hex() string { return fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B) }

func (c Color) String() string { return "#" + c.Hex() }

// Luminance is the relative luminance of WCAG 2.2, 0 for black to 1 for white.
func (c Color) Luminance() float64 {
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

func linear(v uint8) float64 {
	s := float64(v) / 255
	if s <= 0.04045 {
		return s / 12.92
	}
	return math.Pow((s+0.055)/1.055, 2.4)
}

// Contrast is the contrast ratio of WCAG 2.2, 1 to 21.
func Contrast(a, b Color) float64 {
	la, lb := a.Luminance(), b.Luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TextContrast is what WCAG 2.2 success criterion 1.4.3 asks of text (level AA).
const TextContrast = 4.5

// On returns the more readable of white and near-black upon c.
func (c Color) On() Color {
	white, ink := Color{255, 255, 255}, Color{0x14, 0x16, 0x1a}
	if Contrast(c, white) >= Contrast(c, ink) {
		return white
	}
	return ink
}

// Readable moves c towards black or white, whichever is further from ground,
// until it can be read upon ground as text.
func (c Color) Readable(ground Color) Color {
	target := Color{}
	if ground.Luminance() < 0.18 { // mid grey: below it white is the further one
		target = Color{255, 255, 255}
	}
	for step := 0; step <= 20; step++ {
		mixed := mix(c, target, float64(step)/20)
		if Contrast(mixed, ground) >= TextContrast {
			return mixed
		}
	}
	return target
}

func mix(a, b Color, share float64) Color {
	at := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-share) + float64(y)*share)) }
	return Color{at(a.R, b.R), at(a.G, b.G), at(a.B, b.B)}
}

// Grounds of the pages in light and dark (web/static/page.css).
var (
	lightGround = Color{0xff, 0xff, 0xff}
	darkGround  = Color{0x1c, 0x1f, 0x24}
)

// CSS is the style sheet that sets a page's colours.
func (c Color) CSS() string {
	light, dark := c.Readable(lightGround), c.Readable(darkGround)
	return fmt.Sprintf(":root{--brand:%s;--on-brand:%s;--brand-text:%s}\n@media (prefers-color-scheme:dark){:root{--brand:%s;--on-brand:%s;--brand-text:%s}}\n",
		light, light.On(), light, dark, dark.On(), dark)
}

// Icon is a round mark in the colour, for a browser's tab.
func (c Color) Icon() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="%s"/>`+
		`<path d="M9 14.5h14v9H9zM12 14.5v-2a4 4 0 0 1 8 0v2" fill="none" stroke="%s" stroke-width="2.5" stroke-linejoin="round"/></svg>`, c, c.On())
}
