package tenant_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TI-06: every statement that goes to PostgreSQL is a constant of its package,
// so none is put together from what somebody sent; and no statement makes a
// setting that outlives its transaction.
func TestStatementsAreConstants(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	statements := 0
	for _, dir := range serverDirs(t) {
		sources := parse(t, files, dir)
		s := scan{files: files, constants: constants(sources)}
		for _, source := range sources {
			ast.Inspect(source, s.visit)
		}
		statements += s.statements
		for _, finding := range s.findings {
			t.Error(finding)
		}
	}
	if statements < 50 {
		t.Errorf("found %d statements: the search is broken", statements)
	}
}

func parse(t *testing.T, files *token.FileSet, dir string) (sources []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source)
	}
	return sources
}

// passesOn are the package that hands statements to the driver, and those that
// run a cluster for tests and for one machine.
var passesOn = map[string]bool{"../tenant": true, "../tenant/pgtest": true, "../tenant/pglocal": true}

// serverDirs lists the folders whose code may speak SQL.
func serverDirs(t *testing.T) (dirs []string) {
	t.Helper()
	for _, root := range []string{"../tenant", "../billing", "../messaging/server", "../web", "../cmd/server"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir // a part that is not there
			}
			if entry.IsDir() && entry.Name() == "testdata" {
				return fs.SkipDir
			}
			if entry.IsDir() && !passesOn[path] {
				dirs = append(dirs, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

func constants(sources []*ast.File) map[string]bool {
	names := map[string]bool{}
	collect := func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					names[name.Name] = true
				}
			}
		}
		return true
	}
	for _, source := range sources {
		ast.Inspect(source, collect)
	}
	return names
}

type scan struct {
	files      *token.FileSet
	constants  map[string]bool
	statements int
	findings   []string
}

// visit looks at calls of the methods that carry SQL and at Statement literals.
func (s *scan) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch method.Sel.Name {
		case "Exec", "QueryRow", "Query":
			if receiver, ok := method.X.(*ast.Ident); ok && (receiver.Name == "tx" || receiver.Name == "conn" || receiver.Name == "pool") && len(n.Args) >= 2 {
				s.check(sqlOf(n.Args[1:]))
			}
		}
	case *ast.KeyValueExpr:
		if field, ok := n.Key.(*ast.Ident); ok && field.Name == "SQL" {
			s.check(n.Value)
		}
	}
	return true
}

// sqlOf skips the function that Tx.Query takes before its statement.
func sqlOf(args []ast.Expr) ast.Expr {
	if _, isFunc := args[0].(*ast.FuncLit); isFunc && len(args) > 1 {
		return args[1]
	}
	return args[0]
}

func (s *scan) check(sql ast.Expr) {
	s.statements++
	text, constant := s.text(sql)
	where := s.files.Position(sql.Pos()).String()
	if !constant {
		s.findings = append(s.findings, where+": expected a constant statement")
	}
	lower := strings.ToLower(text)
	if strings.HasPrefix(strings.TrimSpace(lower), "set ") || strings.Contains(lower, "set_config(") {
		s.findings = append(s.findings, where+": expected settings to be made by package tenant alone")
	}
}

func (s *scan) text(e ast.Expr) (text string, constant bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Value[1:], e.Kind == token.STRING
	case *ast.Ident:
		return "", s.constants[e.Name]
	case *ast.ParenExpr:
		return s.text(e.X)
	case *ast.BinaryExpr:
		left, a := s.text(e.X)
		right, b := s.text(e.Y)
		return left + right, a && b
	}
	return "", false
}
