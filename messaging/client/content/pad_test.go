package content

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// TestBuckets holds every size against the list that content.proto publishes.
func TestBuckets(t *testing.T) {
	t.Parallel()
	published := []int{
		160, 320, 480, 640, 800, 960, 1120, 1600, 2080, 3040, 4160, 5920,
		8320, 11680, 16480, 23200,
	}
	for size := range MaxContent + 1 {
		at, _ := slices.BinarySearch(published, size+1)
		if got := PaddedSize(size); got != published[at] {
			t.Fatalf("%d bytes go to %d, want %d", size, got, published[at])
		}
	}
	for i, b := range published[6:] {
		root := 1024 * math.Pow(2, float64(i)/2)
		if b%160 != 0 || float64(b) < root-1e-6 || float64(b) >= root+160 {
			t.Errorf("%d is not %v rounded up to 160", b, root)
		}
	}
	if published[len(published)-1] != MaxPadded {
		t.Errorf("the largest bucket is %d", MaxPadded)
	}
}

func TestPadRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 158, 159, 160, 959, 960, 1119, 1120, 16 << 10, MaxContent - 1, MaxContent} {
		for _, fill := range []byte{0, padMark, 7} {
			content := bytes.Repeat([]byte{fill}, size)
			padded, err := Pad([]byte("prefix"), content)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Unpad(padded[len("prefix"):])
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes of %#x: %d bytes, %v", size, fill, len(got), err)
			}
		}
	}
	if _, err := Pad(nil, make([]byte, MaxContent+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("padded beyond the ceiling: %v", err)
	}
}

// TestUnpadFlips: every change of the mark or the zeros is refused.
func TestUnpadFlips(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 1000, 2000} {
		padded, err := Pad(nil, bytes.Repeat([]byte{'x'}, size))
		if err != nil {
			t.Fatal(err)
		}
		for i := size; i < len(padded); i++ {
			for bit := range 8 {
				padded[i] ^= 1 << bit
				got, err := Unpad(padded)
				// A mark set in the zeros is a longer content in the same bucket:
				// no padding can tell, the session's MAC does.
				if longer := i > size && bit == 7; (err == nil) != longer {
					t.Fatalf("size %d byte %d bit %d: %d bytes, %v", size, i, bit, len(got), err)
				}
				padded[i] ^= 1 << bit
			}
		}
	}
}

func TestUnpadRefused(t *testing.T) {
	t.Parallel()
	mark := func(size, at int) []byte {
		b := make([]byte, size)
		b[at] = padMark
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":        nil,
		"no mark":        make([]byte, 160),
		"not a bucket":   mark(161, 5),
		"bucket of 1280": mark(1280, 1279),
		"too much":       mark(320, 100),
		"too long":       mark(MaxPadded+160, MaxPadded),
	} {
		if _, err := Unpad(b); !errors.Is(err, messaging.ErrInvalid) || !errors.Is(err, ErrPadding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
