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
	heading  = regexp.MustCompile(`(?m)^(?:##+ |\*\*)(\d+(?:\.\d+)?)[. *]`)
	citation = regexp.MustCompile(`docs/protocol\.md\s+(?://\s*)?sections?\s+(\d+(?:\.\d+)?)(?:\s+and\s+(\d+(?:\.\d+)?))?`)
)

// The code cites docs/protocol.md by section, so each cited section exists.
func TestCitedSectionsExist(t *testing.T) {
	document, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, m := range heading.FindAllSubmatch(document, -1) {
		sections[string(m[1])] = true
	}
	cited := 0
	walk := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && len(entry.Name()) > 2) {
				return fs.SkipDir
			}
			return err
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".proto" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range citation.FindAllSubmatch(text, -1) {
			for _, section := range m[1:] {
				if len(section) == 0 {
					continue
				}
				cited++
				if !sections[string(section)] {
					t.Errorf("%s cites section %s of docs/protocol.md, which has none of that number", path, section)
				}
			}
		}
		return nil
	}
	if err := filepath.WalkDir("..", walk); err != nil {
		t.Fatal(err)
	}
	if cited < 50 || len(sections) < 40 {
		t.Errorf("found %d citations and %d sections: the search is broken", cited, len(sections))
	}
}
