package picture

import "encoding/binary"

// Exif 2.32: a TIFF file behind a head of six bytes.
const (
	exifHead       = "Exif\x00\x00"
	tagOrientation = 0x0112
	typeShort      = 3
	entrySize      = 12 // of a TIFF directory
	tiffMagic      = 42
)

// turn takes the orientation from a TIFF block, and reports whether one is to
// be written: the first that turns anything. A block that cannot be read says
// nothing; it is dropped like any other.
func (c *cleaner) turn(tiff []byte) bool {
	o := orientation(tiff)
	if c.turned || o < 2 || o > 8 {
		return false
	}
	c.turned, c.info.Orientation = true, o
	return true
}

// orientation returns the value of the tag in the first directory, or 0.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:2]) {
	case "II":
		order = binary.LittleEndian
	case "MM":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if order.Uint16(tiff[2:]) != tiffMagic || at+2 > uint64(len(tiff)) {
		return 0
	}
	count := int(order.Uint16(tiff[at:]))
	entries := tiff[at+2:]
	for range min(count, len(entries)/entrySize) {
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[entrySize:]
	}
	return 0
}

// orientationBlock returns a TIFF block that says the orientation and nothing else.
func orientationBlock(o int) []byte {
	b := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01")
	b = binary.BigEndian.AppendUint16(b, tagOrientation)
	b = binary.BigEndian.AppendUint16(b, typeShort)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(o))
	return append(b, 0, 0, 0, 0, 0, 0)
}
