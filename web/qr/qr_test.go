package qr_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sottochat/sotto/web/brand"
	"github.com/sottochat/sotto/web/problem"
	"github.com/sottochat/sotto/web/qr"
)

const link = "https://chat.example/i/q7v_x2m-kz4wq9s1hd3jfg#b5n8c-t0r_y6l2pqa7ekzw"

func options(t *testing.T, query string) qr.Options {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	o, err := qr.Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// grid reads the dark modules of a PNG, margin left out, by looking at the
// middle of each.
func grid(t *testing.T, body []byte, size, margin, modules int) (out string) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	scale := size / (modules + 2*margin)
	offset := (size - modules*scale) / 2
	for y := range modules {
		for x := range modules {
			r, _, _, _ := picture.At(offset+x*scale+scale/2, offset+y*scale+scale/2).RGBA()
			out += strconv.Itoa(1 - int(min(r, 0x8000)/0x8000))
		}
	}
	return out
}

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`)

// svgGrid reads the same of an SVG's runs.
func svgGrid(t *testing.T, body []byte, margin, modules int) string {
	t.Helper()
	if err := xml.Unmarshal(body, new(struct{})); err != nil {
		t.Fatal(err)
	}
	cells := bytes.Repeat([]byte("0"), modules*modules)
	for _, m := range run.FindAllSubmatch(body, -1) {
		x, _ := strconv.Atoi(string(m[1]))
		y, _ := strconv.Atoi(string(m[2]))
		n, _ := strconv.Atoi(string(m[3]))
		for i := range n {
			cells[(y-margin)*modules+x-margin+i] = '1'
		}
	}
	return string(cells)
}

// The longest link is a version 6 code with 41 modules; both formats draw the
// same modules, with the three finders where ISO/IEC 18004 has them.
func TestFormatsAgree(t *testing.T) {
	t.Parallel()
	longest := link + strings.Repeat("x", 106-len(link))
	for text, modules := range map[string]int{link: 37, longest: 41} {
		for _, query := range []string{"", "size=300&margin=6", "size=101", "color=123456&background=fefefe"} {
			o := options(t, query)
			svg, kind, err := qr.Draw(text, qr.SVG, o)
			if err != nil || kind != "image/svg+xml" {
				t.Fatal(kind, err)
			}
			raw, _, err := qr.Draw(text, qr.PNG, o)
			if err != nil {
				t.Fatal(err)
			}
			a, b := svgGrid(t, svg, o.Margin, modules), grid(t, raw, o.Size, o.Margin, modules)
			if a != b {
				t.Errorf("%q: the formats differ", query)
			}
			for _, at := range []int{0, modules - 7, (modules - 7) * modules} {
				if a[at:at+7] != "1111111" || a[at+modules:at+modules+7] != "1000001" {
					t.Errorf("%q: no finder at %d", query, at)
				}
			}
			if !strings.Contains(string(svg), o.Color.String()) || strings.Contains(string(svg), "<script") {
				t.Errorf("%q: %s", query, svg[:100])
			}
		}
	}
	if _, _, err := qr.Draw(longest+"x", qr.SVG, options(t, "")); !errors.Is(err, qr.ErrTooLong) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for query, field := range map[string]string{"size=0": "size", "size=0100": "size", "margin=3": "margin", "color=12345": "color", "color=+12345": "color",
		"background=%23zzzzzz": "background", "color=777777&background=888888": "color", "color=ffffff&background=000000": "color", "x=1": "x", "size=": "size"} {
		values, _ := url.ParseQuery(query)
		var told *problem.Problem
		if _, err := qr.Parse(values); !errors.As(err, &told) || told.Field != field || told.Expected == "" || told.Status != 422 {
			t.Errorf("%s: %v", query, err)
		}
	}
	var told *problem.Problem
	if _, _, err := qr.Draw(link, qr.PNG, options(t, "size=80")); !errors.As(err, &told) || told.Field != "size" {
		t.Errorf("modules below two pixels: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("size=300&color=123456&background=ffffff&margin=4")
	f.Add("color=%23FFFFFF")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		o, err := qr.Parse(values)
		if err == nil && (o.Margin < 4 || o.Size > 2048 || brand.Contrast(o.Color, o.Background) < 4.5) {
			t.Errorf("%q: %+v", query, o)
		}
	})
}
