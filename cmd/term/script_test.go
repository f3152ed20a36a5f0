package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txt at this very program: what needs no server.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true})
}

func termMain() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// TestDocumented holds docs/terminal.md to the commands that there are, by asking
// for each that the document names.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/terminal.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile("^\\| `([a-z-]+)` \\|").FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1], "-") {
			documented[m[1]] = true
		}
	}
	source, err := os.ReadFile(filepath.Join("script", "commands.go"))
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t"([a-z-]+)":\s`).FindAllStringSubmatch(string(source), -1) {
		exists[m[1]] = true
	}
	if len(exists) < 30 {
		t.Fatalf("found %d commands in the source", len(exists))
	}
	for name := range exists {
		if !documented[name] {
			t.Errorf("docs/terminal.md does not describe %s", name)
		}
	}
	for name := range documented {
		if !exists[name] {
			t.Errorf("docs/terminal.md describes %s, which does not exist", name)
		}
	}
}
