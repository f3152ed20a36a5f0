package content

import (
	"fmt"
	"strings"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content/media"
)

// Blob refers to a media ciphertext on the server, with what opens it
// (docs/protocol.md section 5). The zero Blob is none.
type Blob struct {
	ID   messaging.BlobID
	Key  media.Key
	Hash [32]byte // SHA-256 of the whole ciphertext
	Size uint64   // of the plaintext in bytes, without its padding
}

// Media is a file that a member sent.
type Media struct {
	Blob      Blob
	Type      string // media type in lower case without parameters, see Inline
	Name      string // what the sender calls the file; show display.SafeName of it
	Thumbnail []byte // an encoded picture or nothing
	Width     uint32 // pixels, as the sender says
	Height    uint32 // pixels, as the sender says
	Duration  uint32 // milliseconds, as the sender says
	Caption   string
	ReplyTo   messaging.MessageID // the message that this answers, or zero
}

// Inline reports whether a client may show or play a file of this type within
// a chat. Everything else is offered for saving only: SVG, HTML and PDF can hold
// scripts, and a container of unknown type can be anything.
func Inline(mediaType string) bool {
	switch mediaType {
	case "image/jpeg", "image/png", "image/webp", "image/gif",
		"video/mp4", "video/webm",
		"audio/mpeg", "audio/mp4", "audio/ogg", "audio/webm", "audio/wav":
		return true
	}
	return false
}

// Kind returns KindMedia.
func (Media) Kind() Kind { return KindMedia }

func (b Blob) isZero() bool {
	return b.ID == messaging.BlobID{} && b.Key.IsZero() && b.Hash == [32]byte{} && b.Size == 0
}

func (b Blob) check(most uint64) error {
	if b.ID == (messaging.BlobID{}) || b.Key.IsZero() || b.Hash == ([32]byte{}) {
		return fmt.Errorf("%w: a blob has an id, a key and a hash", ErrMissing)
	}
	if b.Size > most {
		return fmt.Errorf("%w: file is %d bytes, at most %d", ErrTooLarge, b.Size, most)
	}
	return nil
}

func (m Media) check() error {
	if err := m.Blob.check(media.MaxSize); err != nil {
		return err
	}
	if !validType(m.Type) {
		return fmt.Errorf("%w: media type is not a lower-case type/subtype of at most %d bytes", ErrRange, MaxMediaType)
	}
	if err := checkText("file name", m.Name, MaxFileName); err != nil {
		return err
	}
	if len(m.Thumbnail) > MaxThumbnail {
		return fmt.Errorf("%w: thumbnail is %d bytes, at most %d", ErrTooLarge, len(m.Thumbnail), MaxThumbnail)
	}
	if m.Width > MaxSide || m.Height > MaxSide || m.Duration > MaxDuration {
		return fmt.Errorf("%w: %d x %d pixels, %d ms; at most %d a side and %d ms",
			ErrRange, m.Width, m.Height, m.Duration, MaxSide, MaxDuration)
	}
	return checkText("caption", m.Caption, MaxCaption)
}

// validType holds a media type against the names of RFC 6838 section 4.2, in
// lower case: enough that it can stand in a header or a page.
func validType(s string) bool {
	if len(s) > MaxMediaType {
		return false
	}
	major, minor, found := strings.Cut(s, "/")
	return found && validName(major) && validName(minor)
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || strings.IndexByte("!#$&-^_.+", c) < 0) {
			return false
		}
	}
	return s != ""
}

func appendBlob(dst []byte, b Blob) []byte {
	dst = appendID(dst, 1, b.ID)
	var key [media.KeySize]byte
	dst = appendBytes(dst, 2, b.Key.AppendTo(key[:0]))
	dst = appendHash(dst, 3, b.Hash)
	return appendInteger(dst, 4, b.Size)
}

func (m Media) appendFields(dst []byte) []byte {
	dst = appendMessage(dst, 1, func(dst []byte) []byte { return appendBlob(dst, m.Blob) })
	dst = appendText(dst, 2, m.Type)
	dst = appendText(dst, 3, m.Name)
	dst = appendBytes(dst, 4, m.Thumbnail)
	dst = appendInteger(dst, 5, uint64(m.Width))
	dst = appendInteger(dst, 6, uint64(m.Height))
	dst = appendInteger(dst, 7, uint64(m.Duration))
	dst = appendText(dst, 8, m.Caption)
	return appendID(dst, 9, m.ReplyTo)
}

// blob reads a Blob.
func (f *fields) blob() (b Blob) {
	in := f.closed()
	for in.next() {
		switch in.number {
		case 1:
			b.ID = in.array16()
		case 2:
			key, err := media.ParseKey(in.bytes())
			in.fail(err)
			b.Key = key
		case 3:
			b.Hash = in.array32()
		case 4:
			b.Size = in.integer()
		default:
			in.keep()
		}
	}
	f.fail(in.err)
	return b
}

func decodeMedia(f *fields) Body {
	var m Media
	for f.next() {
		switch f.number {
		case 1:
			m.Blob = f.blob()
		case 2:
			m.Type = f.text()
		case 3:
			m.Name = f.text()
		case 4:
			m.Thumbnail = append([]byte(nil), f.bytes()...)
		case 5:
			m.Width = f.uint32()
		case 6:
			m.Height = f.uint32()
		case 7:
			m.Duration = f.uint32()
		case 8:
			m.Caption = f.text()
		case 9:
			m.ReplyTo = f.array16()
		default:
			f.keep()
		}
	}
	return m
}
