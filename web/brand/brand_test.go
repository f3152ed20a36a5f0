package brand_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sottochat/sotto/web/brand"
)

// Whatever colour a tenant chooses, text in it and upon it can be read in light
// and dark (WCAG 2.2, 1.4.3).
func TestEveryBrandIsReadable(t *testing.T) {
	t.Parallel()
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				c := brand.Color{R: uint8(r), G: uint8(g), B: uint8(b)}
				for _, ground := range []brand.Color{{R: 255, G: 255, B: 255}, {R: 0x1c, G: 0x1f, B: 0x24}} {
					shown := c.Readable(ground)
					if ratio := brand.Contrast(shown, ground); ratio < brand.TextContrast {
						t.Fatalf("%s upon %s: %.2f", c, ground, ratio)
					}
					if ratio := brand.Contrast(shown, shown.On()); ratio < brand.TextContrast {
						t.Fatalf("%s upon the button %s: %.2f", shown.On(), shown, ratio)
					}
				}
			}
		}
	}
}

// Known values of the WCAG formula.
func TestContrast(t *testing.T) {
	t.Parallel()
	black, white, grey := brand.Color{}, brand.Color{R: 255, G: 255, B: 255}, brand.Color{R: 0x76, G: 0x76, B: 0x76}
	if r := brand.Contrast(black, white); math.Abs(r-21) > 1e-9 {
		t.Errorf("black on white: %v", r)
	}
	if r := brand.Contrast(white, grey); math.Abs(r-4.54) > 0.005 {
		t.Errorf("white on #767676: %v", r)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{"#2f5d50": true, "2F5D50": true, "": false, "#fff": false, "red": false, "#2f5d5g": false, "+2f5d5": false, "#2f5d50;": false, "2f_d50": false, "2f5d50}": false} {
		if _, ok := brand.Parse(text); ok != good {
			t.Errorf("%q: %v", text, ok)
		}
	}
	c, _ := brand.Parse("2F5D50")
	if css := c.CSS(); strings.Count(css, "#") != 6 || strings.ContainsAny(css, "<@u") && strings.Contains(css, "url(") {
		t.Error(css)
	}
}
