// Package qr draws the QR code of an invite link as SVG or PNG. What would not
// scan is refused with the field that is at fault: colours too close to each
// other, a margin below the quiet zone, modules below two pixels. It knows no
// invite.
package qr

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"

	"github.com/skip2/go-qrcode"

	"github.com/sottochat/sotto/web/brand"
	"github.com/sottochat/sotto/web/problem"
)

const (
	// quietZone is the margin in modules that ISO/IEC 18004 section 6.3.8 asks for.
	quietZone = 4
	maxMargin = 16
	// minContrast keeps codes readable for cameras in poor light; it is what WCAG
	// asks of text.
	minContrast = 4.5
	// maxVersion has 41 modules a side: small enough for a visiting card.
	maxVersion = 6
	// minModule is the least width in pixels of a module in a PNG.
	minModule = 2

	minSize, maxSize, defaultSize = 64, 2048, 512
)

// ErrTooLong reports a text that does not fit a version 6 code at level M.
var ErrTooLong = errors.New("qr: text too long for a version 6 code at level M")

// Options say how a code looks.
type Options struct {
	Size       int // pixels a side, quiet zone included
	Margin     int // modules
	Color      brand.Color
	Background brand.Color
}

// Parse reads size, color, background and margin from a query. Anything else in
// it, or twice, is refused: a misspelt name would be ignored for ever.
func Parse(query url.Values) (Options, error) {
	o := Options{Size: defaultSize, Margin: quietZone, Background: brand.Color{R: 255, G: 255, B: 255}}
	for name, values := range query {
		if len(values) != 1 {
			return o, problem.Field(name, "one value", strconv.Itoa(len(values))+" values")
		}
		if err := o.set(name, values[0]); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

func (o *Options) set(name, value string) (err error) {
	switch name {
	case "size":
		o.Size, err = number(name, value, minSize, maxSize)
	case "margin":
		o.Margin, err = number(name, value, quietZone, maxMargin)
	case "color":
		o.Color, err = parseColor(name, value)
	case "background":
		o.Background, err = parseColor(name, value)
	default:
		err = problem.Field(name, "one of size, margin, color, background", value)
	}
	return err
}

func number(name, value string, low, high int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high || strconv.Itoa(n) != value {
		return 0, problem.Field(name, fmt.Sprintf("a whole number from %d to %d", low, high), value)
	}
	return n, nil
}

func parseColor(name, value string) (brand.Color, error) {
	c, ok := brand.Parse(value)
	if !ok {
		return c, problem.Field(name, "six hexadecimal digits such as 1a2b3c", value)
	}
	return c, nil
}

// check refuses light modules upon a dark ground, which many scanners do not
// read, with the same words as colours that are too close.
func (o Options) check() error {
	ratio := brand.Contrast(o.Color, o.Background)
	if o.Color.Luminance() >= o.Background.Luminance() || ratio < minContrast {
		return problem.Field("color", fmt.Sprintf("a colour darker than the background, at a contrast of at least %.1f to 1", minContrast),
			fmt.Sprintf("%s upon %s, %.1f to 1", o.Color, o.Background, ratio))
	}
	return nil
}

// Code is a text as modules, without a margin.
type Code struct{ modules [][]bool }

// New encodes a text at level M.
func New(text string) (Code, error) {
	q, err := qrcode.New(text, qrcode.Medium)
	if err != nil || q.VersionNumber > maxVersion {
		return Code{}, ErrTooLong
	}
	q.DisableBorder = true
	return Code{q.Bitmap()}, nil
}

// SVG draws the code as one path, a run of dark modules at a time.
func (c Code) SVG(o Options) []byte {
	var out bytes.Buffer
	side := len(c.modules) + 2*o.Margin
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, o.Size, o.Size, side, side)
	fmt.Fprintf(&out, `<path fill="%s" d="M0 0h%dv%dH0z"/><path fill="%s" d="`, o.Background, side, side, o.Color)
	for y, row := range c.modules {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			start := x
			for x < len(row) && row[x] {
				x++
			}
			fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", start+o.Margin, y+o.Margin, x-start, x-start)
		}
	}
	out.WriteString(`"/></svg>`)
	return out.Bytes()
}

// PNG draws the code with whole pixels a module; what is left over widens the
// margin.
func (c Code) PNG(o Options) ([]byte, error) {
	side := len(c.modules) + 2*o.Margin
	scale := o.Size / side
	if scale < minModule {
		return nil, problem.Field("size", fmt.Sprintf("at least %d pixels for %d modules", side*minModule, side), strconv.Itoa(o.Size))
	}
	picture := image.NewPaletted(image.Rect(0, 0, o.Size, o.Size), color.Palette{rgba(o.Background), rgba(o.Color)})
	offset := (o.Size - len(c.modules)*scale) / 2
	for y, row := range c.modules {
		for x, dark := range row {
			if dark {
				fill(picture, offset+x*scale, offset+y*scale, scale)
			}
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
}

func fill(picture *image.Paletted, x, y, side int) {
	for dy := range side {
		row := picture.Pix[(y+dy)*picture.Stride+x:][:side]
		for i := range row {
			row[i] = 1
		}
	}
}

func rgba(c brand.Color) color.Color { return color.RGBA{c.R, c.G, c.B, 255} }

// Format is a file format of a code.
type Format string

// The formats.
const (
	SVG Format = "svg"
	PNG Format = "png"
)

// Draw encodes a text and returns the picture with its content type.
func Draw(text string, format Format, o Options) (body []byte, contentType string, err error) {
	code, err := New(text)
	if err != nil {
		return nil, "", err
	}
	if format == SVG {
		return code.SVG(o), "image/svg+xml", nil
	}
	body, err = code.PNG(o)
	return body, "image/png", err
}

// ETag names a picture by its content.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}
