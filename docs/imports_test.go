//go:build !js

// Package docs_test keeps docs/architecture.md true: its import table against what
// the code imports, natively and in the browser build.
package docs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sottochat/sotto/"

// row is one line of the import table.
type row struct {
	side    string
	imports []string // packages of ours, without the module's name
}

// The sides of docs/architecture.md, and which side each may import.
var mayImport = map[string][]string{
	"both":   {"both"},
	"client": {"both", "client"},
	"server": {"both", "server"},
	"tests":  {"both", "client", "server", "tests"},
	"cmd":    {"both", "client", "server", "cmd"},
}

// rank is the direction of the arrows: a folder imports those of a lower rank.
// What the two sides share stands below both and may name only identifiers of tenant.
var rank = map[string]int{"migrations": 0, "templates": 0, "tenant": 1, "billing": 2, "messaging": 3, "web": 4, "cmd": 5, "docs": 5}

// notInBrowsers are packages of the standard library that cost a browser more
// than the whole core: 2.0 MB of WASM for net/http alone.
var notInBrowsers = []string{"net/http", "encoding/json", "html/template", "text/template", "regexp", "net"}

func TestEveryPackageHasARowAndEveryRowAPackage(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	exists := map[string]bool{}
	for name := range packages(t, nil) {
		exists[name] = true
		if _, ok := table[name]; !ok {
			t.Errorf("package %s has no row in docs/architecture.md", name)
		}
	}
	for name := range table {
		if !exists[name] {
			t.Errorf("docs/architecture.md has a row for %s, which does not exist", name)
		}
	}
}

func TestImportsStandInTheTable(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	for _, build := range [][]string{nil, {"GOOS=js", "GOARCH=wasm"}} {
		for name, imports := range packages(t, build) {
			for _, imported := range imports {
				if !slices.Contains(table[name].imports, imported) {
					t.Errorf("%v %s imports %s, which its row does not list", build, name, imported)
				}
			}
		}
	}
}

// The table itself must obey the directions, or it would only record what is.
func TestTableObeysTheDirections(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	for name, r := range table {
		if mayImport[r.side] == nil {
			t.Errorf("%s is on side %q, which does not exist", name, r.side)
		}
		for _, imported := range r.imports {
			target, ok := table[imported]
			if !ok {
				t.Errorf("%s lists %s, which has no row", name, imported)
				continue
			}
			if !slices.Contains(mayImport[r.side], target.side) {
				t.Errorf("%s (%s) may not import %s (%s)", name, r.side, imported, target.side)
			}
			if r.side != "tests" && rank[top(imported)] > rank[top(name)] {
				t.Errorf("%s imports upwards: %s", name, imported)
			}
			if top(name) == "templates" && top(imported) != "templates" {
				t.Errorf("%s: templates import nothing of ours, not %s", name, imported)
			}
		}
	}
}

// TestSidesDoNotLinkEachOther: no chain of imports leads from the server to the packages
// that hold keys and read messages, nor the other way.
func TestSidesDoNotLinkEachOther(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	for name, r := range table {
		if r.side != "server" && r.side != "client" && name != "cmd/server" {
			continue
		}
		for _, dep := range list(t, nil, "-deps", "-f", "{{.ImportPath}}", "./"+name) {
			dep, ours := strings.CutPrefix(dep, module)
			if !ours {
				continue
			}
			other := table[dep].side
			if r.side == "client" && other == "server" || r.side != "client" && other == "client" {
				t.Errorf("%s (%s) links %s (%s)", name, r.side, dep, other)
			}
			if other == "tests" {
				t.Errorf("%s (%s) links %s, which is for tests", name, r.side, dep)
			}
		}
	}
}

func TestBrowserBuildLinksNothingHeavy(t *testing.T) {
	t.Parallel()
	var client []string
	for name, r := range readTable(t) {
		if top(name) == "messaging" && (r.side == "client" || r.side == "both") {
			client = append(client, "./"+name)
		}
	}
	if len(client) == 0 {
		t.Fatal("the table names no package of the client side")
	}
	slices.Sort(client)
	for _, name := range client {
		deps := list(t, []string{"GOOS=js", "GOARCH=wasm"}, "-deps", "-f", "{{.ImportPath}}", name)
		for _, heavy := range notInBrowsers {
			if slices.Contains(deps, heavy) {
				t.Errorf("%s links %s in the browser build", name, heavy)
			}
		}
	}
}

// TestLibrariesOfTheClient holds the list of what other people's code reaches a
// member's device.
func TestLibrariesOfTheClient(t *testing.T) {
	t.Parallel()
	allowed := section(t, "## Libraries of the client")
	used := map[string]bool{}
	for name, r := range readTable(t) {
		if top(name) != "messaging" || r.side != "client" && r.side != "both" {
			continue
		}
		for _, m := range list(t, nil, "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./"+name) {
			used[m] = true
			if !strings.Contains(allowed, "`"+m+"`") {
				t.Errorf("%s links %s, which the section on libraries does not name", name, m)
			}
		}
	}
	for line := range strings.Lines(allowed) {
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `") && !used[cells[1]] {
			t.Errorf("docs/architecture.md names the library %s, which nothing links", cells[1])
		}
	}
}

func top(name string) string {
	folder, _, _ := strings.Cut(name, "/")
	return folder
}

// packages returns our packages of one build and what each imports of ours,
// tests left out.
func packages(t *testing.T, build []string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, line := range list(t, build, "-e", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		if top(name) == "docs" {
			continue // tests of the documents
		}
		out[name] = nil
		for _, imported := range fields[1:] {
			if path, ours := strings.CutPrefix(imported, module); ours {
				out[name] = append(out[name], path)
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("go list names no package")
	}
	return out
}

// TestMain opens every folder of the tree: the go command repeats a cached verdict
// unless a file changed that the test itself looked at, and go list is not the test.
func TestMain(m *testing.M) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func list(t *testing.T, build []string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), build...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

func readTable(t *testing.T) map[string]row {
	t.Helper()
	table := map[string]row{}
	for line := range strings.Lines(section(t, "## Import table")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.HasPrefix(strings.TrimSpace(cells[0]), "`") {
			continue
		}
		name := unquote(cells[0])
		if _, twice := table[name]; twice {
			t.Fatalf("docs/architecture.md has two rows for %s", name)
		}
		r := row{side: strings.TrimSpace(cells[1])}
		for word := range strings.FieldsSeq(cells[2]) {
			r.imports = append(r.imports, unquote(strings.TrimSuffix(word, ",")))
		}
		table[name] = r
	}
	if len(table) == 0 {
		t.Fatal("docs/architecture.md has no import table")
	}
	return table
}

func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no %q", heading)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	return body
}

func unquote(cell string) string { return strings.Trim(strings.TrimSpace(cell), "`") }
