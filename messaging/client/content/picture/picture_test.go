package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"testing"
	"testing/iotest"
)

const secret = "52.5163N 13.3777E Moss's phone"

// scene is a picture with enough detail to fill several buffers.
func scene() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 300, 200))
	state := uint32(1)
	for i := range m.Pix {
		state = state*1664525 + 1013904223
		m.Pix[i] = byte(state >> 24)
	}
	m.Set(0, 0, color.White)
	return m
}

// exif is a TIFF block with an orientation among other things, and the secret.
func exif(order binary.AppendByteOrder, o uint16) []byte {
	b := []byte("MM")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II")
	}
	b = order.AppendUint32(order.AppendUint16(b, 42), 8)
	b = order.AppendUint16(b, 2)
	for _, entry := range [][2]uint16{{0x010F, 7}, {tagOrientation, o}} {
		b = order.AppendUint16(order.AppendUint16(b, entry[0]), typeShort)
		b = order.AppendUint16(order.AppendUint32(b, 1), entry[1])
		b = append(b, 0, 0)
	}
	return append(append(b, 0, 0, 0, 0), secret...)
}

func segment(marker byte, payload string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(payload)+2))
	return append(b, payload...)
}

func plainJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, scene(), &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// taggedJPEG has every kind of metadata that cameras and programs write.
func taggedJPEG(t testing.TB) []byte {
	t.Helper()
	plain := plainJPEG(t)
	return bytes.Join([][]byte{
		plain[:2],
		segment(0xE0, "JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x01\x01"+secret),
		segment(0xE0, "JFXX\x00"+secret),
		segment(0xE1, exifHead+string(exif(binary.LittleEndian, 6))),
		segment(0xE1, exifHead+string(exif(binary.BigEndian, 3))),
		segment(0xE1, "http://ns.adobe.com/xap/1.0/\x00"+secret),
		segment(0xE2, "ICC_PROFILE\x00\x01\x01colours"),
		segment(0xE2, "MPF\x00"+secret),
		segment(0xED, "Photoshop 3.0\x00"+secret),
		segment(0xEE, "Adobe\x00\x64\x00\x00\x00\x00\x01"+secret),
		segment(0xFE, secret),
		{0xFF, 0xFF}, // fill bytes before the next marker
		plain[2:],
		[]byte("motion film behind the end " + secret),
	}, nil)
}

func strip(t testing.TB, b []byte, mediaType string) ([]byte, Info) {
	t.Helper()
	var out bytes.Buffer
	info, err := StripMetadata(&out, iotest.OneByteReader(bytes.NewReader(b)), mediaType)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), info
}

// TestJPEG is MED-08 for photographs.
func TestJPEG(t *testing.T) {
	t.Parallel()
	got, info := strip(t, taggedJPEG(t), "image/jpeg")
	if info != (Info{300, 200, 6}) {
		t.Errorf("seen %+v", info)
	}
	plain := plainJPEG(t)
	want := bytes.Join([][]byte{
		plain[:2],
		segment(0xE0, "JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x00\x00"),
		segment(0xE1, exifHead+string(orientationBlock(6))),
		segment(0xE2, "ICC_PROFILE\x00\x01\x01colours"),
		segment(0xEE, "Adobe\x00\x64\x00\x00\x00\x00\x01"),
		plain[2:],
	}, nil)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d; the secret is in it: %v", len(got), len(want), bytes.Contains(got, []byte(secret)))
	}
	if _, err := jpeg.Decode(bytes.NewReader(got)); err != nil {
		t.Error(err)
	}
	if again, _ := strip(t, got, "image/jpeg"); !bytes.Equal(again, got) {
		t.Error("cleaning twice changes it")
	}
	if o := orientation(orientationBlock(8)); o != 8 {
		t.Errorf("the block written says %d", o)
	}
}

func chunk(name, data string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), name+data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func plainPNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, scene()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const afterHeader = 8 + 12 + headerSize

func taggedPNG(t testing.TB) []byte {
	t.Helper()
	plain := plainPNG(t)
	return bytes.Join([][]byte{
		plain[:afterHeader],
		chunk("gAMA", "\x00\x00\xb1\x8f"),
		chunk("tEXt", "Comment\x00"+secret),
		chunk("zTXt", "Comment\x00\x00"+secret),
		chunk("iTXt", "XML:com.adobe.xmp\x00"+secret),
		chunk("tIME", "\x07\xea\x01\x02\x03\x04\x05"),
		chunk("eXIf", string(exif(binary.BigEndian, 8))),
		chunk("vpAg", secret),
		plain[afterHeader:],
		[]byte(secret),
	}, nil)
}

// TestPNG is MED-08 for screenshots.
func TestPNG(t *testing.T) {
	t.Parallel()
	got, info := strip(t, taggedPNG(t), "image/png")
	if info != (Info{300, 200, 8}) {
		t.Errorf("seen %+v", info)
	}
	plain := plainPNG(t)
	want := bytes.Join([][]byte{
		plain[:afterHeader],
		chunk("gAMA", "\x00\x00\xb1\x8f"),
		chunk("eXIf", string(orientationBlock(8))),
		plain[afterHeader:],
	}, nil)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d; the secret is in it: %v", len(got), len(want), bytes.Contains(got, []byte(secret)))
	}
	if _, err := png.Decode(bytes.NewReader(got)); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	jpg, pic := plainJPEG(t), plainPNG(t)
	insert := func(b []byte, at int, what []byte) []byte {
		return bytes.Join([][]byte{b[:at], what, b[at:]}, nil)
	}
	huge := "\x00\x00\x75\x30\x00\x00\x75\x30\x08\x02\x00\x00\x00" // 30,000 a side (MED-06)
	for name, try := range map[string]struct {
		b         []byte
		mediaType string
		want      error
	}{
		"WebP":                      {jpg, "image/webp", ErrFormat},
		"PNG as JPEG":               {pic, "image/jpeg", ErrMalformed},
		"JPEG as PNG":               {jpg, "image/png", ErrMalformed},
		"JPEG without a picture":    {[]byte{0xFF, 0xD8, 0xFF, 0xD9}, "image/jpeg", ErrMalformed},
		"JPEG segment of length 1":  {insert(jpg, 2, []byte{0xFF, 0xE1, 0, 1}), "image/jpeg", ErrMalformed},
		"JPEG unknown marker":       {insert(jpg, 2, segment(0xF7, "x")), "image/jpeg", ErrMalformed},
		"JPEG arithmetic":           {insert(jpg, 2, segment(0xC9, "xxxxxxxx")), "image/jpeg", ErrMalformed},
		"JPEG bytes between":        {insert(jpg, 2, []byte("x")), "image/jpeg", ErrMalformed},
		"JPEG scan without a frame": {insert(jpg, 2, segment(0xDA, "x")), "image/jpeg", ErrMalformed},
		"JPEG two frames":           {insert(jpg, 2, segment(0xC0, "\x08\x00\x01\x00\x01\x01")), "image/jpeg", ErrMalformed},
		"JPEG of no width":          {insert(jpg, 2, segment(0xC0, "\x08\x00\x01\x00\x00\x01")), "image/jpeg", ErrMalformed},
		"JPEG of 30,000 a side":     {insert(jpg, 2, segment(0xC0, "\x08\x75\x30\x75\x30\x01")), "image/jpeg", ErrPixels},
		"PNG of 30,000 a side":      {[]byte(pngHead + string(chunk("IHDR", huge))), "image/png", ErrPixels},
		"PNG without a header":      {append([]byte(pngHead), chunk("IEND", "")...), "image/png", ErrMalformed},
		"PNG two headers":           {insert(pic, afterHeader, pic[8:afterHeader]), "image/png", ErrMalformed},
		"PNG critical chunk":        {insert(pic, afterHeader, chunk("ABCD", "x")), "image/png", ErrMalformed},
		"PNG chunk name":            {insert(pic, afterHeader, chunk("a\x00cd", "x")), "image/png", ErrMalformed},
		"PNG checksum":              {insert(pic, afterHeader, append(chunk("tEXt", "x")[:9], 1, 2, 3, 4)), "image/png", ErrMalformed},
		"PNG eXIf checksum":         {insert(pic, afterHeader, append(chunk("eXIf", "x")[:9], 1, 2, 3, 4)), "image/png", ErrMalformed},
		"PNG endless chunk":         {insert(pic, afterHeader, []byte("\xff\xff\xff\xfftEXt")), "image/png", ErrMalformed},
		"PNG long chunk":            {insert(pic, afterHeader, []byte("\x7f\xff\xff\xfftEXt")), "image/png", ErrTruncated},
	} {
		if _, err := StripMetadata(io.Discard, bytes.NewReader(try.b), try.mediaType); !errors.Is(err, try.want) {
			t.Errorf("%s: %v, want %v", name, err, try.want)
		}
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	for mediaType, b := range map[string][]byte{"image/jpeg": taggedJPEG(t), "image/png": taggedPNG(t)} {
		whole := bytes.LastIndex(b, []byte("motion"))
		if whole < 0 {
			whole = len(b) - len(secret)
		}
		for n := 0; n < whole; n += 1 + n/50 {
			if _, err := StripMetadata(io.Discard, bytes.NewReader(b[:n]), mediaType); !errors.Is(err, ErrTruncated) {
				t.Fatalf("%s of %d bytes: %v", mediaType, n, err)
			}
		}
		if _, err := StripMetadata(io.Discard, bytes.NewReader(b[:whole]), mediaType); err != nil {
			t.Errorf("%s, whole: %v", mediaType, err)
		}
		broken := errors.New("broken")
		for _, n := range []int{0, 1, 3, 2000, 5000} {
			if _, err := StripMetadata(&failing{n, broken}, bytes.NewReader(b), mediaType); !errors.Is(err, broken) {
				t.Errorf("%s into a writer that fails after %d bytes: %v", mediaType, n, err)
			}
		}
	}
}

type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// FuzzStrip: what comes out is clean: cleaning it again changes nothing.
func FuzzStrip(f *testing.F) {
	small := image.NewGray(image.Rect(0, 0, 2, 2))
	var j, p bytes.Buffer
	if jpeg.Encode(&j, small, nil) != nil || png.Encode(&p, small) != nil {
		f.Fatal("no seed")
	}
	f.Add(j.Bytes(), true)
	f.Add(bytes.Join([][]byte{j.Bytes()[:2], segment(0xE1, exifHead+string(exif(binary.BigEndian, 3))), segment(0xFE, secret), j.Bytes()[2:]}, nil), true)
	f.Add(p.Bytes(), false)
	f.Add(bytes.Join([][]byte{p.Bytes()[:afterHeader], chunk("eXIf", string(exif(binary.LittleEndian, 5))), chunk("tEXt", secret), p.Bytes()[afterHeader:]}, nil), false)
	f.Fuzz(func(t *testing.T, b []byte, isJPEG bool) {
		mediaType := "image/png"
		if isJPEG {
			mediaType = "image/jpeg"
		}
		var out, again bytes.Buffer
		info, err := StripMetadata(&out, bytes.NewReader(b), mediaType)
		if err != nil {
			return
		}
		second, err := StripMetadata(&again, bytes.NewReader(out.Bytes()), mediaType)
		if err != nil || second != info || !bytes.Equal(again.Bytes(), out.Bytes()) {
			t.Fatalf("%x cleans to %x, and that to %x, %v", b, out.Bytes(), again.Bytes(), err)
		}
	})
}

func BenchmarkJPEG(b *testing.B) {
	file := taggedJPEG(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := StripMetadata(io.Discard, bytes.NewReader(file), "image/jpeg"); err != nil {
			b.Fatal(err)
		}
	}
}
