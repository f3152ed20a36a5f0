package picture

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	pngHead = "\x89PNG\r\n\x1a\n"
	// maxChunk is the longest PNG chunk in bytes (PNG section 5.3).
	maxChunk = 1<<31 - 1
	// headerSize is the length of an IHDR chunk (PNG section 11.2.1).
	headerSize = 13
)

func (c *cleaner) png() error {
	head, err := c.read(len(pngHead))
	if err != nil {
		return err
	}
	if string(head) != pngHead {
		return ErrMalformed
	}
	if err := c.write(head); err != nil {
		return err
	}
	for first := true; ; first = false {
		name, length, err := c.chunkHead()
		if err != nil {
			return err
		}
		if first != (name == "IHDR") || name == "IHDR" && length != headerSize || name == "IEND" && length != 0 {
			return ErrMalformed
		}
		if err := c.chunk(name, length); err != nil {
			return err
		}
		if name == "IEND" {
			return nil
		}
	}
}

func (c *cleaner) chunkHead() (name string, length uint32, err error) {
	head, err := c.read(8)
	if err != nil {
		return "", 0, err
	}
	length = binary.BigEndian.Uint32(head)
	for _, b := range head[4:] {
		if b|0x20 < 'a' || b|0x20 > 'z' {
			return "", 0, ErrMalformed
		}
	}
	if length > maxChunk {
		return "", 0, ErrMalformed
	}
	return string(head[4:]), length, nil
}

// pixels reports the chunks that decide what is seen: the critical ones, the
// colours, the size of a pixel, and animation.
func pixels(name string) bool {
	switch name {
	case "IHDR", "PLTE", "IDAT", "IEND",
		"tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI", "bKGD", "pHYs",
		"acTL", "fcTL", "fdAT":
		return true
	}
	return false
}

// chunk checks a chunk to its end and writes it when it is about pixels. An
// unknown one that is critical (PNG section 5.4, upper case) refuses the picture.
func (c *cleaner) chunk(name string, length uint32) error {
	if name == "eXIf" && length <= segmentSize {
		return c.exifChunk(length)
	}
	keep := pixels(name)
	if !keep && name[0]&0x20 == 0 {
		return ErrMalformed
	}
	if keep {
		if err := c.write(append(binary.BigEndian.AppendUint32(nil, length), name...)); err != nil {
			return err
		}
	}
	sum := crc32.ChecksumIEEE([]byte(name))
	for left := length; left > 0; {
		b, err := c.read(int(min(left, segmentSize)))
		if err != nil {
			return err
		}
		if name == "IHDR" {
			if err := c.size(uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))); err != nil {
				return err
			}
		}
		sum = crc32.Update(sum, crc32.IEEETable, b)
		if keep {
			if err := c.write(b); err != nil {
				return err
			}
		}
		left -= uint32(len(b))
	}
	return c.checksum(sum, keep)
}

func (c *cleaner) checksum(sum uint32, keep bool) error {
	b, err := c.read(4)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b) != sum {
		return ErrMalformed
	}
	if keep {
		return c.write(b)
	}
	return nil
}

func (c *cleaner) exifChunk(length uint32) error {
	b, err := c.read(int(length))
	if err != nil {
		return err
	}
	sum := crc32.Update(crc32.ChecksumIEEE([]byte("eXIf")), crc32.IEEETable, b)
	turn := c.turn(b)
	if err := c.checksum(sum, false); err != nil || !turn {
		return err
	}
	block := append([]byte("eXIf"), orientationBlock(c.info.Orientation)...)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(block)-4))
	out = append(out, block...)
	return c.write(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(block)))
}
