package spqr

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	for kind := typeNone; kind < typeUnknown; kind++ {
		for _, h := range []header{
			{epoch: 1, index: 0, kind: kind},
			{epoch: 300, index: 25_000, kind: kind},
			{epoch: math.MaxUint64, index: math.MaxUint32, kind: kind},
		} {
			if kind.hasChunk() {
				h.chunk = chunk{math.MaxUint16, [chunkSize]byte{1, 31: 2}}
			}
			b := h.append(nil)
			if len(b) > maxHeader {
				t.Errorf("%d bytes", len(b))
			}
			for _, more := range []string{"", "later versions say more"} {
				if got, err := parseHeader(append(bytes.Clone(b), more...)); err != nil || got != h {
					t.Errorf("%+v comes back as %+v, %v", h, got, err)
				}
			}
			for n := range b {
				if _, err := parseHeader(b[:n]); !errors.Is(err, ErrHeader) {
					t.Errorf("type %d cut to %d of %d bytes: %v", kind, n, len(b), err)
				}
			}
		}
	}
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	chunk := strings.Repeat("00", chunkSize)
	for name, text := range map[string]string{
		"version 2":             "02010100",
		"epoch 0":               "01000100",
		"epoch of 65 bits":      "01ffffffffffffffffff020100",
		"epoch without end":     "01ffffffffffffffffffffffff",
		"index of 33 bits":      "01018080808010" + "00",
		"type 7":                "01010107",
		"type 7 with a chunk":   "0101010700" + chunk,
		"type 255":              "010101ff00" + chunk,
		"chunk index 65536":     "01010101808004" + chunk,
		"chunk of 31 bytes":     "0101010100" + chunk[2:],
		"chunk of another type": "01010106",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseHeader(b); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h, err := parseHeader([]byte{1, 0x81, 0, 0x82, 0, 0}); err != nil || h.epoch != 1 || h.index != 2 {
		t.Errorf("numbers in more bytes than needed: %+v, %v", h, err)
	}
}
