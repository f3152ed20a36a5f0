package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestEnumsAreTheContracts reads the constants of this package from their
// source and holds names and numbers to sotto.proto, in both directions.
func TestEnumsAreTheContracts(t *testing.T) {
	t.Parallel()
	file, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	constants := typedConstants(t)
	for _, e := range []struct{ name, goType, short string }{
		{"EnvelopeType", "EnvelopeType", "Type"},
		{"ChatState", "ChatState", "State"},
		{"Urgency", "Urgency", "Urgency"},
		{"Side", "Side", "Side"},
		{"Purpose", "Purpose", "Purpose"},
		{"ChatAction", "ChatAction", "Chat"},
		{"InviteAction", "InviteAction", "Invite"},
		{"Code", "Code", "Code"},
		{"Detail", "Detail", "Detail"},
		{"NoticeKind", "NoticeKind", "Notice"},
		{"MediaState", "MediaState", "Media"},
	} {
		ours := constants[e.goType]
		values := file.Enums().ByName(protoreflect.Name(e.name)).Values()
		for i := range values.Len() {
			v := values.Get(i)
			if strings.HasSuffix(string(v.Name()), "_UNSPECIFIED") {
				continue
			}
			rest := strings.TrimPrefix(string(v.Name()), screaming(e.name)+"_")
			name := e.short + camel(rest)
			if n, ok := ours[name]; !ok || n != int(v.Number()) {
				t.Errorf("%s = %d in sotto.proto, %s = %d here (%v)", v.Name(), v.Number(), name, n, ok)
			}
			delete(ours, name)
		}
		for name := range ours {
			t.Errorf("%s is not in sotto.proto", name)
		}
		delete(constants, e.goType)
	}
	if n := file.Enums().Len(); n != 11 {
		t.Errorf("sotto.proto has %d enums, the table above 11", n)
	}
}

// typedConstants returns the constants with a literal number, by type and name.
func typedConstants(t *testing.T) map[string]map[string]int {
	t.Helper()
	out := map[string]map[string]int{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			of, isNamed := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !isNamed || !isLiteral {
				return true
			}
			number, err := strconv.Atoi(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if out[of.Name] == nil {
				out[of.Name] = map[string]int{}
			}
			out[of.Name][spec.Names[0].Name] = number
			return true
		})
	}
	return out
}

// screaming turns ChatAction into CHAT_ACTION.
func screaming(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// camel turns NOT_OPEN into NotOpen.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "_") {
		if word == "PREKEY" { // one word in the contract, two in Go
			b.WriteString("PreKey")
			continue
		}
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}
