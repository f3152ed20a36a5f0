package content

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
)

// Receipt says that messages arrived or were read; several at once, because one
// a message would tell the server who reads how fast.
type Receipt struct {
	Event    ReceiptEvent
	Messages []messaging.MessageID // 1 to MaxMessages, none twice
}

// ReceiptEvent is what a Receipt is about.
type ReceiptEvent uint8

// The events of a Receipt.
const (
	Delivered ReceiptEvent = 1
	Read      ReceiptEvent = 2
)

// Typing says that the peer is writing, or has stopped. It is not stored.
type Typing struct {
	Active bool
}

// Timer sets the ExpireAfter of messages of this chat from now on.
type Timer struct {
	Seconds uint32 // 0: off
}

// Profile is how the sender wants to be seen in this chat. It is never said
// outside of chats.
type Profile struct {
	Name        string // at most MaxName bytes; empty: none
	Picture     Blob   // at most MaxPicture bytes; zero: none
	PictureType string // with Picture: image/jpeg, image/png or image/webp
}

// Kind returns KindReceipt.
func (Receipt) Kind() Kind { return KindReceipt }

// Kind returns KindTyping.
func (Typing) Kind() Kind { return KindTyping }

// Kind returns KindTimer.
func (Timer) Kind() Kind { return KindTimer }

// Kind returns KindProfile.
func (Profile) Kind() Kind { return KindProfile }

func (r Receipt) appendFields(dst []byte) []byte {
	return appendMessageIDs(appendInteger(dst, 1, uint64(r.Event)), 2, r.Messages)
}

func (t Typing) appendFields(dst []byte) []byte { return appendBool(dst, 1, t.Active) }

func (t Timer) appendFields(dst []byte) []byte { return appendInteger(dst, 1, uint64(t.Seconds)) }

func (p Profile) appendFields(dst []byte) []byte {
	dst = appendText(dst, 1, p.Name)
	if !p.Picture.isZero() {
		dst = appendMessage(dst, 2, func(dst []byte) []byte { return appendBlob(dst, p.Picture) })
	}
	return appendText(dst, 3, p.PictureType)
}

func (r Receipt) check() error {
	if r.Event != Delivered && r.Event != Read {
		return fmt.Errorf("%w: receipt event %d", ErrRange, r.Event)
	}
	if len(r.Messages) == 0 {
		return fmt.Errorf("%w: messages of the receipt", ErrMissing)
	}
	return checkMessageIDs(r.Messages)
}

func (Typing) check() error { return nil }

func (t Timer) check() error {
	if t.Seconds > MaxTimer {
		return fmt.Errorf("%w: timer is %d s, at most %d", ErrRange, t.Seconds, MaxTimer)
	}
	return nil
}

func (p Profile) check() error {
	if err := checkText("profile name", p.Name, MaxName); err != nil {
		return err
	}
	if p.Picture.isZero() {
		if p.PictureType != "" {
			return fmt.Errorf("%w: picture of the picture type", ErrMissing)
		}
		return nil
	}
	switch p.PictureType {
	case "image/jpeg", "image/png", "image/webp":
		return p.Picture.check(MaxPicture)
	}
	return fmt.Errorf("%w: a profile picture is image/jpeg, image/png or image/webp", ErrRange)
}

func decodeReceipt(f *fields) Body {
	var r Receipt
	for f.next() {
		switch f.number {
		case 1:
			r.Event = ReceiptEvent(f.enum())
		case 2:
			r.Messages = append(r.Messages, f.array16())
		default:
			f.keep()
		}
	}
	return r
}

func decodeTyping(f *fields) Body {
	var t Typing
	for f.next() {
		switch f.number {
		case 1:
			t.Active = f.bool()
		default:
			f.keep()
		}
	}
	return t
}

func decodeTimer(f *fields) Body {
	var t Timer
	for f.next() {
		switch f.number {
		case 1:
			t.Seconds = f.uint32()
		default:
			f.keep()
		}
	}
	return t
}

func decodeProfile(f *fields) Body {
	var p Profile
	for f.next() {
		switch f.number {
		case 1:
			p.Name = f.text()
		case 2:
			p.Picture = f.blob()
		case 3:
			p.PictureType = f.text()
		default:
			f.keep()
		}
	}
	return p
}

// enum reads one of our enumerations, which all stay below 128.
func (f *fields) enum() uint8 {
	v := f.integer()
	if v > 127 {
		f.fail(ErrRange)
		return 0
	}
	return uint8(v)
}
