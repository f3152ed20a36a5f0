package content

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math"

	"github.com/sottochat/sotto/messaging"
)

const (
	// padStep divides every bucket (docs/protocol.md section 4): ten AES blocks.
	padStep = 160
	// padLinear is the last size in bytes up to which each multiple of padStep
	// is a bucket. Above, buckets follow the powers of √2, so that a long text
	// or a thumbnail tells its length in half bits only.
	padLinear = 1 << 10
	// MaxPadded is the largest bucket in bytes: 16 KiB times √2, rounded up to
	// padStep, the first that holds a text of MaxText.
	MaxPadded = 23200

	padMark = 0x80
)

// ErrPadding reports bytes that are not the padding of any content.
var ErrPadding = errors.New("content: padding")

// PaddedSize returns the bucket in bytes for a content of size bytes: the
// smallest that holds it and the mark. size must be at most MaxContent.
func PaddedSize(size int) int {
	need := roundUp(size + 1)
	if need <= padLinear {
		return need
	}
	for exponent := 20; ; exponent++ {
		// math.Sqrt is exact to the last bit on every platform.
		bucket := roundUp(int(math.Ceil(math.Sqrt(float64(uint64(1) << exponent)))))
		if bucket >= need {
			return bucket
		}
	}
}

func roundUp(n int) int { return (n + padStep - 1) / padStep * padStep }

// Pad appends content, 0x80 and zeros up to PaddedSize to dst: what a session
// then encrypts. content has at most MaxContent bytes.
func Pad(dst, content []byte) ([]byte, error) {
	if len(content) > MaxContent {
		return nil, fmt.Errorf("%w: content is %d bytes, at most %d", ErrTooLarge, len(content), MaxContent)
	}
	zeros := PaddedSize(len(content)) - len(content) - 1
	dst = append(append(dst, content...), padMark)
	return append(dst, make([]byte, zeros)...), nil
}

// Unpad returns the content inside padded, which it aliases. It looks at every
// byte alike, and refuses with messaging.ErrInvalid whatever Pad does not make.
func Unpad(padded []byte) ([]byte, error) {
	if len(padded) == 0 || len(padded) > MaxPadded {
		return nil, messaging.Invalid(ErrPadding)
	}
	size, last := 0, 0
	for i, b := range padded {
		zero := subtle.ConstantTimeByteEq(b, 0)
		size = subtle.ConstantTimeSelect(zero, size, i)
		last = subtle.ConstantTimeSelect(zero, last, int(b))
	}
	if last != padMark || PaddedSize(size) != len(padded) {
		return nil, messaging.Invalid(ErrPadding)
	}
	return padded[:size], nil
}
