package demohost

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sottochat/sotto/web/brand"
)

// Every text of the site can be read upon its ground, in light and in dark (WCAG
// 2.2 success criterion 1.4.3, level AA).
func TestContrast(t *testing.T) {
	t.Parallel()
	style, err := files.ReadFile("page/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(style), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("no dark scheme")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]brand.Color{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			colors[m[1]], _ = brand.Parse(m[2])
		}
		for _, pair := range [][2]string{{"ink", "ground"}, {"ink", "paper"}, {"soft", "ground"}, {"soft", "paper"},
			{"accent", "ground"}, {"accent", "paper"}, {"on-accent", "accent"}, {"ink", "glow"}} {
			fore, there := colors[pair[0]]
			ground, thereToo := colors[pair[1]]
			if c := brand.Contrast(fore, ground); !there || !thereToo || c < brand.TextContrast {
				t.Errorf("%s: %s upon %s has %.2f", scheme, pair[0], pair[1], c)
			}
		}
	}
}
