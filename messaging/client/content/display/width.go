package display

import "unicode"

// Width returns how many terminal cells the text takes, line feeds as none. s
// should come from SafeText.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x200C || r == 0x200D:
		return 0
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

// wide reports the blocks that Unicode Standard Annex 11 (East Asian Width)
// gives two cells, W and F, taken as whole blocks: what is drawn narrower than
// counted leaves a gap, while the reverse would break a line.
func wide(r rune) bool {
	switch {
	case r < 0x1100:
		return false
	case r <= 0x115F, // Hangul Jamo
		r >= 0x231A && r <= 0x231B,   // watch, hourglass
		r >= 0x2329 && r <= 0x232A,   // angle brackets
		r >= 0x23E9 && r <= 0x23F3,   // player keys, clocks
		r >= 0x25FD && r <= 0x27BF,   // symbols, many of them emoji
		r >= 0x2B1B && r <= 0x2B55,   // squares, star, circle
		r >= 0x2E80 && r <= 0x303E,   // CJK radicals and punctuation
		r >= 0x3041 && r <= 0xA4CF,   // kana to Yi
		r >= 0xA960 && r <= 0xA97F,   // Hangul Jamo Extended-A
		r >= 0xAC00 && r <= 0xD7A3,   // Hangul syllables
		r >= 0xF900 && r <= 0xFAFF,   // CJK compatibility
		r >= 0xFE10 && r <= 0xFE19,   // vertical forms
		r >= 0xFE30 && r <= 0xFE6F,   // CJK compatibility forms
		r >= 0xFF01 && r <= 0xFF60,   // full-width forms
		r >= 0xFFE0 && r <= 0xFFE6,   // full-width signs
		r >= 0x16FE0 && r <= 0x1B2FF, // Tangut, Khitan, kana supplements
		r >= 0x1F000 && r <= 0x1FAFF, // tiles, cards, emoji
		r >= 0x20000 && r <= 0x3FFFD: // CJK extensions
		return true
	}
	return false
}
