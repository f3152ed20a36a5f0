package web_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sottochat/sotto/web"
)

// Every error that a domain package exports has a row in the table of
// errors.go, by its own name: the source of both is walked.
func TestEveryErrorHasWords(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	must(t, err)
	imports := map[string]string{}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		imports[filepath.Base(path)] = strings.TrimPrefix(path, "github.com/sottochat/sotto/")
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Err") {
			if x, ok := s.X.(*ast.Ident); ok {
				rows[imports[x.Name]+"."+s.Sel.Name] = true
			}
		}
		return true
	})
	found := 0
	for _, root := range []string{"tenant", "messaging/server", "billing", "web"} {
		for _, name := range exportedErrors(t, root) {
			found++
			if !rows[name] && !isInternal(name) {
				t.Errorf("%s has no row in web/errors.go", name)
			}
		}
	}
	if found < 60 {
		t.Errorf("the walk found only %d errors", found)
	}
}

// isInternal names the errors that no handler can return, with the reason.
func isInternal(name string) bool {
	switch {
	case strings.HasPrefix(name, "tenant/pglocal."): // development and tests
		return true
	case strings.HasPrefix(name, "tenant/id."): // handlers answer with the unknown of their kind
		return true
	case strings.HasPrefix(name, "messaging/server/mailbox."), strings.HasPrefix(name, "messaging/server/relay."): // they travel in frames
		return true
	case name == "web.ErrPanic":
		return web.HasWords(web.ErrPanic)
	}
	return false
}

// exportedErrors returns "folder.ErrName" for each package-level variable of a
// folder's packages.
func exportedErrors(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a part that is not there yet
			}
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if regexp.MustCompile(`^Err[A-Z]?`).MatchString(name.Name) {
						names = append(names, folder+"."+name.Name)
					}
				}
			}
		}
		return nil
	})
	must(t, err)
	return names
}

func TestRowsAreInForm(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`^[a-z][a-z_]*$`)
	for _, r := range web.RowNames() {
		if !code.MatchString(r.Code) || r.Status < 200 || r.Status > 599 || !strings.HasSuffix(r.Words, ".") || strings.Contains(strings.ToLower(r.Words), "sotto") {
			t.Error(fmt.Sprint(r))
		}
	}
}
