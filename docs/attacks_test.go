package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	heldBy       = regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9_]+)`")
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
)

// Each test that docs/attacks.md names exists.
func TestAttacksAreTried(t *testing.T) {
	document, err := os.ReadFile("attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	named := heldBy.FindAllStringSubmatch(string(document), -1)
	if len(named) < 60 {
		t.Fatalf("found %d tests named: the search is broken", len(named))
	}
	for _, m := range named {
		if !functions(t, filepath.Join("..", m[1]))[m[2]] {
			t.Errorf("docs/attacks.md names %s in %s, which has no such test", m[2], m[1])
		}
	}
}

func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunction.FindAllSubmatch(source, -1) {
			found[string(m[1])] = true
		}
	}
	return found
}

// PRO-37: every parser and every two-party interaction of the core is fuzzed.
func TestFuzzTargets(t *testing.T) {
	targets := 0
	err := filepath.WalkDir("../messaging", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		for name := range functions(t, path) {
			if strings.HasPrefix(name, "Fuzz") {
				targets++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if targets < 25 {
		t.Errorf("expected at least 25 fuzz targets, found %d", targets)
	}
}
