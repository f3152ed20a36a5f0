package qrtext

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skip2/go-qrcode"
)

// TestLinesAreTheModules reads the picture back, module by module.
func TestLinesAreTheModules(t *testing.T) {
	t.Parallel()
	const text = "https://chat.example/i/AAAAAAAAAAAAAAAAAAAAAA#BBBBBBBBBBBBBBBBBBBBBA"
	lines, err := Lines(text)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	code.DisableBorder = true
	want := code.Bitmap()
	side := len(want)
	if got := utf8.RuneCountInString(lines[0]); got != side+2*quiet {
		t.Fatalf("%d cells wide, expected %d", got, side+2*quiet)
	}
	for y := range side {
		for x := range side {
			r := []rune(lines[(y+quiet)/2])[x+quiet]
			dark := strings.ContainsRune("█▀", r)
			if (y+quiet)%2 == 1 {
				dark = strings.ContainsRune("█▄", r)
			}
			if dark != want[y][x] {
				t.Fatalf("module %d,%d is %v", x, y, dark)
			}
		}
	}
	blank := strings.Repeat(" ", side+2*quiet)
	if lines[0] != blank || slices.Contains(lines[1:len(lines)-1], blank) {
		t.Error("the margin is not two modules")
	}
}

func TestLinesRefuseWhatIsTooLong(t *testing.T) {
	t.Parallel()
	if _, err := Lines(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that fits no QR code got one")
	}
}
