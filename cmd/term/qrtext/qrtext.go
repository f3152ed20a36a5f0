// Package qrtext draws QR codes (ISO/IEC 18004) with characters: two modules in
// one cell, one above the other, so that they come out square. It chooses no
// colours: a code is dark on light, whatever the terminal's own colours are.
package qrtext

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

// quiet is the margin in modules. The standard asks for four; readers make do with
// two, and an 80x24 terminal with less room.
const quiet = 2

// Lines returns the code of a text at level M, one string a line, all of the same
// width in cells. The characters are "█" both dark, "▀" upper, "▄" lower, " "
// neither.
func Lines(text string) ([]string, error) {
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("make a QR code: %w", err)
	}
	code.DisableBorder = true
	return draw(code.Bitmap()), nil
}

func draw(modules [][]bool) []string {
	side := len(modules)
	dark := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < side && y < side && modules[y][x]
	}
	var out []string
	for y := -quiet; y < side+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < side+quiet; x++ {
			line.WriteString(cell(dark(x, y), dark(x, y+1)))
		}
		out = append(out, line.String())
	}
	return out
}

func cell(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
