package content

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

func FuzzParse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(mustAppend(f, s.content))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			if err.Error() != messaging.ErrInvalid.Error() {
				t.Fatalf("outside sees %q", err)
			}
			return
		}
		if got, err := c.AppendBinary(nil); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%x parses, and prints as %x, %v", b, got, err)
		}
	})
}

func FuzzUnpad(f *testing.F) {
	for _, size := range []int{0, 159, 160, 2000} {
		padded, err := Pad(nil, make([]byte, size))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(padded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		content, err := Unpad(b)
		if err != nil {
			if !errors.Is(err, messaging.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if again, err := Pad(nil, content); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is not the padding of its content", b)
		}
	})
}

func BenchmarkParseText(b *testing.B) {
	raw := mustAppend(b, in(Text{Text: text(900)}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	c := in(Text{Text: text(900)})
	buffer := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.AppendBinary(buffer[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPadUnpad(b *testing.B) {
	raw := mustAppend(b, in(Text{Text: text(900)}))
	buffer := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		padded, err := Pad(buffer[:0], raw)
		if err == nil {
			_, err = Unpad(padded)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
