package display

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSafeText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\nlines":                     "plain\nlines",
		"a\r\nb\rc\td":                     "a\nb\nc d",
		"\x1b[31mred\x1b[0m":               "\ufffd[31mred\ufffd[0m",
		"\x1b]8;;http://x\x07link":         "\ufffd]8;;http://x\ufffdlink",
		"\x1b]52;c;YWJj\x1b\\":             "\ufffd]52;c;YWJj\ufffd\\",
		"\u009b31mC1":                      "\ufffd31mC1",
		"\x9b31m":                          "\ufffd31m",
		"nul\x00del\x7fbell\x07":           "nul\ufffddel\ufffdbell\ufffd",
		"exe\u202egpj.scr":                 "exe\ufffdgpj.scr",
		"\u2066a\u2067b\u2068c\u2069":      "\ufffda\ufffdb\ufffdc\ufffd",
		"مرحبا\u200f!":                     "مرحبا!",
		"zero\u200bwidth\ufeff":            "zerowidth",
		"می\u200cخواهم":                    "می\u200cخواهم",
		"👩\u200d👩\u200d👧":                  "👩\u200d👩\u200d👧",
		"\U000e0041tag":                    "\ufffdtag",
		"private\ue000":                    "private\ufffd",
		"wide\ufdfdglyph":                  "wide\ufffdglyph",
		"par\u2029agraph":                  "par\nagraph",
		"bad\xff\xc0utf8":                  "bad\ufffd\ufffdutf8",
		"e" + strings.Repeat("\u0301", 50): "e" + strings.Repeat("\u0301", MaxMarks),
	} {
		if got := SafeText(in); got != want {
			t.Errorf("SafeText(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestLongLine (PRO-42): a line of 10 MB costs and shows no more than a message may have.
func TestLongLine(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"x", "é", "漢", "\x1b["} {
		got := SafeText(strings.Repeat(unit, 10<<20/len(unit)))
		if len(got) > 3*MaxShown+len(ellipsis) || !strings.HasSuffix(got, ellipsis) || !utf8.ValidString(got) {
			t.Errorf("%q: %d bytes shown", unit, len(got))
		}
	}
}

func TestSafeLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		cells int
		want  string
	}{
		{"short", 10, "short"},
		{"two\nlines", 10, "two lines"},
		{"exactly ten", 11, "exactly ten"},
		{"exactly ten", 10, "exactly t…"},
		{"漢字漢字", 8, "漢字漢字"},
		{"漢字漢字", 7, "漢字漢…"},
		{"漢字漢字", 6, "漢字…"},
		{"x", 0, ""},
		{"xx", 1, "…"},
	} {
		if got := SafeLine(tt.in, tt.cells); got != tt.want {
			t.Errorf("SafeLine(%q, %d) = %q, want %q", tt.in, tt.cells, got, tt.want)
		}
	}
}

// TestSafeName is MED-07.
func TestSafeName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"holiday.jpg":                      "holiday.jpg",
		"../../etc/passwd":                 "passwd",
		`..\..\windows\system.ini`:         "system.ini",
		"/":                                "file",
		"..":                               "file",
		"":                                 "file",
		".bashrc":                          "bashrc",
		"trailing. . ":                     "trailing",
		"photo\u202egpj.exe":               "photogpj.exe",
		"a\x00b.txt":                       "ab.txt",
		"\x1b[2J.txt":                      "[2J.txt",
		"line\nbreak.txt":                  "line break.txt",
		"what?<is>:\"this\"|*.txt":         "what__is___this___.txt",
		"CON":                              "_CON",
		"con.txt":                          "_con.txt",
		"nul .tar.gz":                      "_nul .tar.gz",
		"COM1":                             "_COM1",
		"lpt².doc":                         "_lpt².doc",
		"COM":                              "COM",
		"COM10":                            "COM10",
		"console.log":                      "console.log",
		"C:\\temp\\file.txt":               "file.txt",
		"stream.txt:hidden":                "stream.txt_hidden",
		"Ünïcödé 漢字.pdf":                   "Ünïcödé 漢字.pdf",
		strings.Repeat("a", 300) + ".jpeg": strings.Repeat("a", 115) + ".jpeg",
		strings.Repeat("漢", 100) + ".pdf":  strings.Repeat("漢", 38) + ".pdf",
		"x." + strings.Repeat("b", 300):    "x." + strings.Repeat("b", 118),
	} {
		if got := SafeName(in); got != want {
			t.Errorf("SafeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func neutral(t *testing.T, s string, lines bool) {
	t.Helper()
	for _, r := range s {
		if lines && r == '\n' {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%q has %U", s, r)
		}
	}
	if !utf8.ValidString(s) {
		t.Fatalf("%q is not UTF-8", s)
	}
}

func seed(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31m", "\u202e../CON\x00", "漢字\ufdfd", "\xff\r\n", "a.b. ", strings.Repeat("é.", 200)} {
		f.Add(s)
	}
}

func FuzzSafeText(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) {
		got := SafeText(s)
		neutral(t, got, true)
		if len(s) < MaxShown/3 && SafeText(got) != got {
			t.Fatalf("not the same when made safe again: %q", got)
		}
		line := SafeLine(s, 40)
		neutral(t, line, false)
		if Width(line) > 40 {
			t.Fatalf("%q is wider than 40", line)
		}
	})
}

func FuzzSafeName(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) {
		got := SafeName(s)
		neutral(t, got, false)
		if len(got) == 0 || len(got) > MaxSafeName+1 || strings.ContainsAny(got, `/\:*?"<>|`) || got[0] == '.' || reserved(got) {
			t.Fatalf("%q", got)
		}
		if again := SafeName(got); again != got {
			t.Fatalf("%q, and again %q", got, again)
		}
	})
}
