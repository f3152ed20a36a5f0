// Package picture removes from a picture what tells more than the picture:
// place, time, camera, software, names, hidden thumbnails, and whatever follows
// its end. It works on the file's own structure in one pass with flat memory,
// decodes no pixels and so loses no quality. docs/protocol.md section 5 asks for
// it before encryption.
//
// It knows JPEG (ITU-T T.81, JFIF) and PNG (third edition). It does not know
// WebP, GIF, HEIC and MP4: WebP and MP4 hold lengths in front of what is to be
// removed, so that one pass cannot do it; a client re-encodes such a picture or
// tells the member that the file goes as it is.
//
// What stays beside the pixels: the colour profile, without which colours are
// wrong, and the orientation, without which pictures lie on their side. The
// orientation is written anew as a block of its own that holds nothing else.
package picture

import (
	"bufio"
	"errors"
	"io"
)

const (
	// MaxPixels is the largest picture in pixels: phones take 200 million, and
	// somewhat more than that is a bomb.
	MaxPixels = 1 << 28
	// segmentSize is the largest JPEG segment, whose length has two bytes; it
	// bounds what is held in memory.
	segmentSize = 1 << 16
)

var (
	// ErrFormat reports a type that this package cannot clean.
	ErrFormat = errors.New("picture: only image/jpeg and image/png can be cleaned")
	// ErrMalformed reports a file that is not a picture of its type.
	ErrMalformed = errors.New("picture: malformed")
	// ErrTruncated reports a file that ends before its picture does.
	ErrTruncated = errors.New("picture: truncated")
	// ErrPixels reports a picture of more than MaxPixels.
	ErrPixels = errors.New("picture: more than 268 million pixels")
)

// Info is what was seen on the way.
type Info struct {
	Width, Height int // pixels, before Orientation is applied
	Orientation   int // 1 to 8 as in Exif; 1: as it is
}

// StripMetadata writes the picture in src to dst without metadata. mediaType is
// image/jpeg or image/png. On an error what was written is to be thrown away.
// It reads no further than the end of the picture, give or take a buffer.
func StripMetadata(dst io.Writer, src io.Reader, mediaType string) (Info, error) {
	c := cleaner{src: bufio.NewReader(src), dst: dst, buffer: make([]byte, segmentSize), info: Info{Orientation: 1}}
	var err error
	switch mediaType {
	case "image/jpeg":
		err = c.jpeg()
	case "image/png":
		err = c.png()
	default:
		err = ErrFormat
	}
	if err != nil {
		return Info{}, err
	}
	return c.info, nil
}

type cleaner struct {
	src    *bufio.Reader
	dst    io.Writer
	buffer []byte
	info   Info
	turned bool // an orientation was written
	begun  bool // the 0xFF of the next marker was read
}

func (c *cleaner) write(b []byte) error {
	_, err := c.dst.Write(b)
	return err
}

// read fills the first n bytes of the buffer.
func (c *cleaner) read(n int) ([]byte, error) {
	_, err := io.ReadFull(c.src, c.buffer[:n])
	return c.buffer[:n], ended(err)
}

func (c *cleaner) size(width, height uint64) error {
	if width == 0 || height == 0 {
		return ErrMalformed
	}
	if width > MaxPixels || height > MaxPixels || width*height > MaxPixels {
		return ErrPixels
	}
	c.info.Width, c.info.Height = int(width), int(height)
	return nil
}

func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return err
}
