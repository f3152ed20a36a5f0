package script

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// FuzzEncode: a line is one line, harmless on a terminal, and says what it was
// given.
func FuzzEncode(f *testing.F) {
	for _, text := range []string{"plain", "\x1b[2J\u009b31m", "\u202egnp.exe", "\x7f\x00", "\u2028\u2029\u00ad\ufeff", "\U000e0041👩‍👩‍👧", "日本", "<&>"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		line, err := encode(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		body := strings.TrimSuffix(string(line), "\n")
		for _, r := range body {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in %q", r, line)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(line, &back); err != nil || back["text"] != text {
			t.Fatalf("%q came back as %q, %v", text, back["text"], err)
		}
	})
}

// TestReadLine: a line without an end costs a bounded amount of memory.
func TestReadLine(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 10<<20)+"\n{\"do\":\"quit\"}\n"), 64<<10)
	line, err := readLine(r)
	if err != nil || len(line) != maxLine+1 {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	if line, err = readLine(r); err != nil || string(line) != `{"do":"quit"}` {
		t.Errorf("%q, %v", line, err)
	}
}
