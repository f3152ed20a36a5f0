package vault

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/sottochat/sotto/messaging"
)

// Vaults of format 1 that were written once and must open for ever: three
// commits, the file compacted after the first. The fuzz targets start from the
// first of them, so that what they find can be found again.
var (
	//go:embed testdata/v1-raw.vault
	rawVault []byte
	//go:embed testdata/v1-passphrase.vault
	passphraseVault []byte
)

func TestFormatOne(t *testing.T) {
	t.Parallel()
	const want = "6ea09930170e4c26bb856b5d32ca75fe33475eddcb4fd19ed20c0e7bbedb91a8"
	for _, c := range []struct {
		bytes  []byte
		sealer Sealer
	}{{rawVault, sealerOf(1)}, {passphraseVault, Passphrase([]byte("correct horse"), Cost{})}} {
		f, err := openBytes(c.bytes, c.sealer)
		if err != nil {
			t.Fatal(reason(err))
		}
		if n, sum, err := look(f); n != 3 || hex.EncodeToString(sum[:]) != want || err != nil {
			t.Errorf("%d commits, state %x, %v", n, sum, err)
		}
		if f.Recovered() != 0 {
			t.Error("something was cut")
		}
	}
}

// sample is the raw vault, as bytes and open.
func sample(tb testing.TB) ([]byte, *File) {
	tb.Helper()
	f, err := openBytes(rawVault, sealerOf(1))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Clone(rawVault), f
}

// FuzzHeader: what is parsed prints as it was, and anything else is refused.
func FuzzHeader(f *testing.F) {
	whole, v := sample(f)
	f.Add(whole[:headerFixed+rawSize+macSize])
	f.Add(whole)
	h := v.header
	h.wrapped = make([]byte, MaxWrapped)
	f.Add(h.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseHeader(b)
		if err != nil {
			refusedAsStranger(t, err)
			return
		}
		if !bytes.Equal(h.append(nil), b[:n]) {
			t.Error("printed otherwise than parsed")
		}
	})
}

// FuzzDirectory: the same for the plain text of a directory, which only a
// holder of the keys could have made.
func FuzzDirectory(f *testing.F) {
	d := layout(7, true, []named{
		{"\x01a", change{value: []byte("1")}}, {"\x01b", change{delete: true}}, {"\x07c", change{}},
	})
	f.Add(d.append(nil))
	f.Add((&directory{last: true}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDirectory(b)
		if err != nil {
			refusedAsStranger(t, err)
			return
		}
		if !bytes.Equal(d.append(nil), b) {
			t.Error("printed otherwise than parsed")
		}
		if d.body() > maxPart {
			t.Error("a body over its ceiling")
		}
	})
}

// FuzzFrame plants bytes behind a valid header, as the first frame.
func FuzzFrame(f *testing.F) {
	whole, v := sample(f)
	start := headerFixed + rawSize + macSize
	f.Add(whole[start:])
	f.Add(whole[start : start+prefixSize+dirFixed+tagSize])
	l, h := v.log.keys, v.header
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newFakeDisk()
		keys := l
		log := &log{file: &fakeFile{disk: d, data: b}, keys: keys, before: chain(h.mac[:tagSize])}
		found, err := log.read(int64(len(b)))
		if err != nil {
			refusedAsStranger(t, err)
			return
		}
		if found.end > int64(len(b)) || !bytes.Equal(b[:prefixSize], whole[start:][:prefixSize]) {
			t.Error("a frame that nobody sealed")
		}
	})
}

// FuzzOpen opens a damaged vault: it is refused or holds only what was put.
func FuzzOpen(f *testing.F) {
	whole, _ := sample(f)
	f.Add(0, whole[:1], 0)
	f.Add(len(whole)-10, []byte{0}, 5)
	f.Add(len(whole), []byte("more"), 0)
	f.Fuzz(func(t *testing.T, at int, patch []byte, cut int) {
		b := bytes.Clone(whole)
		if at >= 0 && at <= len(b) {
			b = append(b[:at], append(patch, b[min(at+len(patch), len(b)):]...)...)
		}
		if cut > 0 && cut <= len(b) {
			b = b[:len(b)-cut]
		}
		v, err := openBytes(b, sealerOf(1))
		if err != nil {
			refusedAsStranger(t, err)
			return
		}
		defer v.Close()
		err = v.View(t.Context(), func(r Reader) error {
			for kind := KindIdentity; kind <= KindAction; kind++ {
				for record, err := range r.Scan(kind, Range{}) {
					if err != nil {
						return err
					}
					if s := string(record.Value); s != "state" && s != "text" {
						t.Errorf("read %q", s)
					}
				}
			}
			return nil
		})
		if err != nil {
			refusedAsStranger(t, err)
		}
	})
}

func refusedAsStranger(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, messaging.ErrInvalid) || err.Error() != messaging.ErrInvalid.Error() {
		t.Errorf("refused with: %v", err)
	}
}
