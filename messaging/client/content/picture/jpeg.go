package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
)

// Markers of ITU-T T.81, table B.1, and what applications put behind theirs.
const (
	markerSOF0  = 0xC0 // baseline
	markerSOF2  = 0xC2 // progressive
	markerDHT   = 0xC4
	markerRST0  = 0xD0
	markerRST7  = 0xD7
	markerSOI   = 0xD8
	markerEOI   = 0xD9
	markerSOS   = 0xDA
	markerDQT   = 0xDB
	markerDRI   = 0xDD
	markerAPP0  = 0xE0
	markerAPP1  = 0xE1
	markerAPP2  = 0xE2
	markerAPP14 = 0xEE
	markerAPP15 = 0xEF
	markerCOM   = 0xFE

	jfifSize  = 14 // JFIF up to the size of the thumbnail, which is its last two bytes
	adobeSize = 12 // Adobe's segment, which says how colours are mixed
)

func (c *cleaner) jpeg() error {
	start, err := c.read(2)
	if err != nil {
		return err
	}
	if start[0] != 0xFF || start[1] != markerSOI {
		return ErrMalformed
	}
	if err := c.write(start); err != nil {
		return err
	}
	scanned := false
	for {
		marker, err := c.marker()
		if err != nil {
			return err
		}
		if marker == markerEOI {
			if !scanned {
				return ErrMalformed
			}
			return c.write([]byte{0xFF, markerEOI})
		}
		if err := c.segment(marker); err != nil {
			return err
		}
		if marker == markerSOS {
			scanned = true
			if err := c.scan(); err != nil {
				return err
			}
		}
	}
}

// marker reads 0xFF, fill bytes and a marker.
func (c *cleaner) marker() (byte, error) {
	b, err := byte(0xFF), error(nil)
	if !c.begun {
		b, err = c.src.ReadByte()
	}
	c.begun = false
	if err == nil && b != 0xFF {
		return 0, ErrMalformed
	}
	for err == nil && b == 0xFF {
		b, err = c.src.ReadByte()
	}
	return b, ended(err)
}

// segment reads the segment behind a marker, and writes what is to stay of it.
// Markers that are not listed (arithmetic and lossless coding, hierarchical
// frames) are refused: no browser shows them, and what they hold is not known.
func (c *cleaner) segment(marker byte) error {
	known := marker >= markerSOF0 && marker <= markerSOF2 || marker == markerDHT || marker == markerSOS ||
		marker == markerDQT || marker == markerDRI || marker == markerCOM || marker >= markerAPP0 && marker <= markerAPP15
	if !known {
		return ErrMalformed
	}
	head, err := c.read(2)
	if err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint16(head))
	if length < 2 {
		return ErrMalformed
	}
	payload, err := c.read(length - 2)
	if err != nil {
		return err
	}
	if marker >= markerSOF0 && marker <= markerSOF2 {
		if err := c.frame(payload); err != nil {
			return err
		}
	}
	if marker == markerSOS && c.info.Width == 0 {
		return ErrMalformed
	}
	if marker >= markerAPP0 && marker <= markerAPP15 {
		return c.application(marker, payload)
	}
	if marker == markerCOM {
		return nil
	}
	return c.keep(marker, payload)
}

func (c *cleaner) keep(marker byte, payload []byte) error {
	head := []byte{0xFF, marker, 0, 0}
	binary.BigEndian.PutUint16(head[2:], uint16(len(payload)+2))
	if err := c.write(head); err != nil {
		return err
	}
	return c.write(payload)
}

// frame takes the size from a frame header (T.81 section B.2.2).
func (c *cleaner) frame(b []byte) error {
	if len(b) < 6 || c.info.Width != 0 {
		return ErrMalformed
	}
	return c.size(uint64(binary.BigEndian.Uint16(b[3:])), uint64(binary.BigEndian.Uint16(b[1:])))
}

// application keeps what the pixels need.
func (c *cleaner) application(marker byte, b []byte) error {
	switch {
	case marker == markerAPP0 && len(b) >= jfifSize && bytes.HasPrefix(b, []byte("JFIF\x00")):
		b[jfifSize-2], b[jfifSize-1] = 0, 0 // no thumbnail
		return c.keep(marker, b[:jfifSize])
	case marker == markerAPP2 && bytes.HasPrefix(b, []byte("ICC_PROFILE\x00")):
		return c.keep(marker, b)
	case marker == markerAPP14 && len(b) >= adobeSize && bytes.HasPrefix(b, []byte("Adobe")):
		return c.keep(marker, b[:adobeSize])
	case marker == markerAPP1 && bytes.HasPrefix(b, []byte(exifHead)):
		if c.turn(b[len(exifHead):]) {
			return c.keep(markerAPP1, append([]byte(exifHead), orientationBlock(c.info.Orientation)...))
		}
	}
	return nil
}

// scan copies entropy-coded data up to the next marker, whose 0xFF it takes
// (T.81 section B.1.1.5: 0xFF 0x00 is data, and restart markers belong to it).
func (c *cleaner) scan() error {
	for {
		data, err := c.src.ReadSlice(0xFF)
		if err == bufio.ErrBufferFull {
			if err := c.write(data); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return ended(err)
		}
		if err := c.write(data[:len(data)-1]); err != nil {
			return err
		}
		next, err := c.src.Peek(1)
		if err != nil {
			return ended(err)
		}
		if b := next[0]; b != 0 && (b < markerRST0 || b > markerRST7) {
			c.begun = true
			return nil
		}
		if err := c.write([]byte{0xFF, next[0]}); err != nil {
			return err
		}
		if _, err := c.src.Discard(1); err != nil {
			return err
		}
	}
}
