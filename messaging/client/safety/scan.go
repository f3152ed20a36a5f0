package safety

import (
	"bytes"
	"encoding/base32"
	"strings"

	"github.com/sottochat/sotto/messaging"
)

// Prefix starts the text of a QR form, so that a scanner tells it from an
// invite, which is a web address, and from a device-link code. No product name:
// a tenant's members see it.
const Prefix = "SAFETY-NUMBER:"

// maxText bounds what is parsed: the text has 133 characters.
const maxText = 256

// scannableSize is the length of the raw form: a version below 128 and two
// halves in their protobuf frames.
const scannableSize = 2 + 2*(2+2+halfSize)

var textEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Scannable returns the raw bytes of Signal's QR form: protobuf {1: version,
// 2: {1: local half}, 3: {1: remote half}}.
func (n Number) Scannable() []byte {
	return scannable{n.version, [halfSize]byte(n.local[:]), [halfSize]byte(n.remote[:])}.bytes()
}

// QR returns the text of our QR form: Prefix and the raw bytes in base32, upper
// case, which a QR code packs into 5.5 bits a character.
func (n Number) QR() string { return Prefix + textEncoding.EncodeToString(n.Scannable()) }

// CompareQR is Compare for the text of a QR code.
func (n Number) CompareQR(text string) error {
	raw, err := parseQR(text)
	if err != nil {
		return err
	}
	return n.Compare(raw)
}

func parseQR(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, Prefix)
	if !ok || len(text) > maxText {
		return nil, messaging.Invalid(ErrKind)
	}
	raw, err := textEncoding.DecodeString(encoded)
	if err != nil || textEncoding.EncodeToString(raw) != encoded {
		return nil, messaging.Invalid(ErrKind)
	}
	return raw, nil
}

type scannable struct {
	version       byte
	local, remote [halfSize]byte
}

func (s scannable) bytes() []byte {
	b := make([]byte, 0, scannableSize)
	b = append(b, 1<<3, s.version)
	b = append(b, 2<<3|2, 2+halfSize, 1<<3|2, halfSize)
	b = append(b, s.local[:]...)
	b = append(b, 3<<3|2, 2+halfSize, 1<<3|2, halfSize)
	return append(b, s.remote[:]...)
}

// parseScannable takes the one layout that Signal's builds and ours write.
func parseScannable(b []byte) (s scannable, err error) {
	const localAt = 2 + 4
	const remoteAt = localAt + halfSize + 4
	if len(b) != scannableSize || b[1] == 0 || b[1] > 0x7f {
		return s, ErrKind
	}
	s.version = b[1]
	copy(s.local[:], b[localAt:])
	copy(s.remote[:], b[remoteAt:])
	if !bytes.Equal(s.bytes(), b) {
		return scannable{}, ErrKind
	}
	return s, nil
}
