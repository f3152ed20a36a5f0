package member

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging/client/content"
	"github.com/sottochat/sotto/messaging/client/content/display"
)

func written(t *testing.T, folder, name, text string) *target {
	t.Helper()
	dst, err := newTarget(folder, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(dst, text); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestTarget: a file shows when it is whole, readable by its owner alone, and
// never replaces one.
func TestTarget(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "new")
	dst := written(t, folder, "a.jpg", "first")
	if _, err := os.Stat(filepath.Join(folder, "a.jpg")); err == nil {
		t.Error("the file shows before it is whole")
	}
	if err := dst.Commit(); err != nil {
		t.Fatal(err)
	}
	second := written(t, folder, "a.jpg", "second")
	if err := second.Commit(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dst.path: "first", second.path: "second"} {
		b, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(b) != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds %q, %v, %v", path, b, info, err)
		}
	}
	if filepath.Base(second.path) != "a (1).jpg" {
		t.Errorf("the second is %s", second.path)
	}
	if err := written(t, folder, "b.jpg", "no").Abort(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".part-*")); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
}

// TestTargetNames: whatever the sender calls a file, it lands in the folder.
func TestTargetNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "..", "", ".bashrc", "CON", "NUL.txt", "a\x00b", "\u202egnp.exe",
		"\x1b[2J", `..\..\x`, strings.Repeat("x", 300), "x/" + strings.Repeat("é", 200), " . "} {
		dst := written(t, folder, display.SafeName(name), "x")
		if err := dst.Commit(); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if filepath.Dir(dst.path) != folder || strings.HasPrefix(filepath.Base(dst.path), ".") {
			t.Errorf("%q landed at %q", name, dst.path)
		}
	}
}

// TestDescribe: types by content, names cut, metadata out, no empty file and no
// folder.
func TestDescribe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(name, text string) *os.File {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	for name, c := range map[string]struct{ text, want string }{
		"a.txt": {"hello", "text/plain"}, "b.bin": {"\x00\x01\x02\x03", "application/octet-stream"}, "c.jpg": {"%PDF-1.7\n", "application/pdf"},
	} {
		body, src, err := describe(open(name, c.text))
		if err != nil || body.Type != c.want || body.Name != name || body.Blob.Size != uint64(len(c.text)) {
			t.Errorf("%s: %+v, %v", name, body, err)
			continue
		}
		if b, _ := io.ReadAll(src); !bytes.Equal(b, []byte(c.text)) {
			t.Errorf("%s is sent as %q", name, b)
		}
	}
	if _, _, err := describe(open("empty", "")); !errors.Is(err, ErrFile) {
		t.Errorf("an empty file: %v", err)
	}
	if _, _, err := describe(open("broken.jpg", "\xff\xd8\xff\xe0 no picture")); !errors.Is(err, ErrFile) {
		t.Errorf("a picture that cannot be cleaned is sent: %v", err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if _, _, err := describe(folder); !errors.Is(err, ErrFile) {
		t.Errorf("a folder: %v", err)
	}
	if name := sentName(strings.Repeat("é", 200)); len(name) > content.MaxFileName || strings.ToValidUTF8(name, "?") != name {
		t.Errorf("a long name becomes %d bytes: %q", len(name), name)
	}
}
