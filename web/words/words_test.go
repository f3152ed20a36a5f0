package words_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sottochat/sotto/web/words"
)

// walk calls see for each text of a catalogue with the path to it.
func walk(v reflect.Value, path string, see func(path, text string)) {
	if v.Kind() == reflect.String {
		see(path, v.String())
		return
	}
	for i := range v.NumField() {
		walk(v.Field(i), path+"."+v.Type().Field(i).Name, see)
	}
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	all := words.All()
	english := map[string]string{}
	walk(reflect.ValueOf(all[0]), "", func(path, text string) { english[path] = text })
	for _, c := range all {
		same := 0
		walk(reflect.ValueOf(c), c.Language, func(path, text string) {
			path = strings.TrimPrefix(path, c.Language)
			want := english[path]
			if (text == "") != (want == "") {
				t.Errorf("%s%s: %q where English has %q", c.Language, path, text, want)
			}
			a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(want, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s%s: placeholders %v where English has %v", c.Language, path, a, b)
			}
			if text == want && len(text) > 12 {
				same++
			}
		})
		if c.Language != "en" && same > 0 {
			t.Errorf("%s: %d texts are still English", c.Language, same)
		}
	}
}

func TestNoPlatformName(t *testing.T) {
	t.Parallel()
	for _, c := range words.All() {
		walk(reflect.ValueOf(c), c.Language, func(path, text string) {
			if strings.Contains(strings.ToLower(text), "sotto") {
				t.Errorf("%s names the platform", path)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"de-AT,de;q=0.9,en;q=0.8": "de", "xx, fr;q=0.5": "fr", "AR": "ar", "": "es", "xx": "es",
		strings.Repeat("de,", 200): "es", "\x00;;;,,": "es",
	} {
		if got := words.Choose(words.All(), accept, "es"); got.Language != want {
			t.Errorf("%q: %s, want %s", accept, got.Language, want)
		}
	}
	if got := words.Choose(words.All(), "xx", "xx"); got.Language != "en" {
		t.Errorf("no language we have: %s", got.Language)
	}
}
