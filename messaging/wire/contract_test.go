package wire

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// contract compiles the published sotto.proto once: the tests judge the code by
// what stands there, comments included.
var contract = sync.OnceValues(func() (protoreflect.FileDescriptor, error) {
	source, err := os.ReadFile("sotto.proto")
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver: &protocompile.SourceResolver{
			Accessor: protocompile.SourceAccessorFromMap(map[string]string{"sotto.proto": string(source)}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), "sotto.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
})

func messageType(t testing.TB, name string) protoreflect.MessageDescriptor {
	t.Helper()
	file, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	md := file.Messages().ByName(protoreflect.Name(name))
	if md == nil {
		t.Fatalf("sotto.proto has no message %s", name)
	}
	return md
}

// rule is the last line of a field's comment.
type rule struct {
	required                    bool
	shortest, longest           int    // Length
	most                        uint64 // Range 1..most
	fewest, count               int    // Count
	ascending, nonZero          bool
	closed, open, hasLen, hasRg bool
}

var (
	lengthText = regexp.MustCompile(`^Length (\d+)(?:\.\.(\d+))?$`)
	rangeText  = regexp.MustCompile(`^Range 1\.\.(\d+)$`)
	countText  = regexp.MustCompile(`^Count 1\.\.(\d+)$`)
)

// ruleOf reads the notation that the head of sotto.proto states.
func ruleOf(fd protoreflect.FieldDescriptor) (r rule, err error) {
	comment := fd.ParentFile().SourceLocations().ByDescriptor(fd).LeadingComments
	lines := strings.Split(strings.TrimSpace(comment), "\n")
	line := strings.TrimSpace(lines[len(lines)-1])
	for i, part := range strings.Split(strings.TrimSuffix(line, "."), ". ") {
		if err := r.add(i, part); err != nil {
			return rule{}, fmt.Errorf("%s: %q: %w", fd.FullName(), line, err)
		}
	}
	return r, r.complete(fd)
}

func (r *rule) add(place int, part string) (err error) {
	if (place == 0) != (part == "Required" || part == "Optional") {
		return fmt.Errorf("begins with neither Required nor Optional")
	}
	switch m := lengthText.FindStringSubmatch(part); {
	case part == "Required":
		r.required = true
	case part == "Optional":
	case part == "Ascending":
		r.ascending = true
	case part == "NonZero":
		r.nonZero = true
	case part == "Closed":
		r.closed = true
	case part == "Open":
		r.open = true
	case m != nil:
		r.hasLen = true
		r.shortest, _ = strconv.Atoi(m[1])
		if r.longest = r.shortest; m[2] != "" {
			r.longest, err = strconv.Atoi(m[2])
		}
	case rangeText.MatchString(part):
		r.hasRg = true
		r.most, err = strconv.ParseUint(rangeText.FindStringSubmatch(part)[1], 10, 64)
	case countText.MatchString(part):
		r.fewest = 1
		r.count, err = strconv.Atoi(countText.FindStringSubmatch(part)[1])
	default:
		return fmt.Errorf("unknown part %q", part)
	}
	return err
}

// complete refuses a rule that leaves something open.
func (r *rule) complete(fd protoreflect.FieldDescriptor) error {
	want := *r
	want.hasLen = fd.Kind() == protoreflect.BytesKind || fd.Kind() == protoreflect.StringKind
	want.hasRg = fd.Kind() == protoreflect.Uint32Kind || fd.Kind() == protoreflect.Uint64Kind
	isEnum := fd.Kind() == protoreflect.EnumKind
	if want != *r || isEnum != (r.closed != r.open) || fd.IsList() != (r.count > 0) {
		return fmt.Errorf("%s: rule does not fit a field of this type", fd.FullName())
	}
	return nil
}

func fieldsOf(md protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		out = append(out, md.Fields().Get(i))
	}
	return out
}

func TestEveryFieldStatesItsRule(t *testing.T) {
	t.Parallel()
	file, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	for i := range file.Messages().Len() {
		for _, fd := range fieldsOf(file.Messages().Get(i)) {
			if fd.ContainingOneof() != nil {
				continue
			}
			if _, err := ruleOf(fd); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestKindsAreTheContracts holds the constants to the numbers and names of the
// frames.
func TestKindsAreTheContracts(t *testing.T) {
	t.Parallel()
	known := 0
	for _, fd := range bodies(t, "ClientFrame") {
		m := ClientKind(fd.Number()).message()
		if got := typeName(m); m == nil || got != string(fd.Message().Name()) || m.ClientKind() != ClientKind(fd.Number()) {
			t.Errorf("client kind %d is %s, in sotto.proto %s", fd.Number(), got, fd.Message().Name())
		}
		known++
	}
	if known != int(lastClientKind)-1 {
		t.Errorf("sotto.proto has %d client frames, the code %d", known, lastClientKind-1)
	}
	known = 0
	for _, fd := range bodies(t, "ServerFrame") {
		m := ServerKind(fd.Number()).message()
		if got := typeName(m); m == nil || got != string(fd.Message().Name()) || m.ServerKind() != ServerKind(fd.Number()) {
			t.Errorf("server kind %d is %s, in sotto.proto %s", fd.Number(), got, fd.Message().Name())
		}
		known++
	}
	if known != int(lastServerKind)-1 {
		t.Errorf("sotto.proto has %d server frames, the code %d", known, lastServerKind-1)
	}
}

func typeName(m any) string { return strings.TrimPrefix(fmt.Sprintf("%T", m), "*wire.") }

// bodies returns the fields of a frame's oneof.
func bodies(t testing.TB, frame string) []protoreflect.FieldDescriptor {
	t.Helper()
	var out []protoreflect.FieldDescriptor
	for _, fd := range fieldsOf(messageType(t, frame)) {
		if fd.ContainingOneof() != nil {
			out = append(out, fd)
		}
	}
	return out
}
