package content

import (
	"fmt"
	"unicode/utf8"

	"github.com/sottochat/sotto/messaging"
)

// Text is what a member wrote.
type Text struct {
	Text    string
	ReplyTo messaging.MessageID // the message that this answers, or zero
}

// Edit replaces the text, or the caption, of the sender's own earlier message.
type Edit struct {
	Target messaging.MessageID
	Text   string
}

// Delete removes the sender's own earlier message on every device of both sides.
type Delete struct {
	Target messaging.MessageID
}

// Reaction puts an emoji to a message, or takes it back when Emoji is empty.
type Reaction struct {
	Target messaging.MessageID
	Emoji  string
}

// Kind returns KindText.
func (Text) Kind() Kind { return KindText }

// Kind returns KindEdit.
func (Edit) Kind() Kind { return KindEdit }

// Kind returns KindDelete.
func (Delete) Kind() Kind { return KindDelete }

// Kind returns KindReaction.
func (Reaction) Kind() Kind { return KindReaction }

func (t Text) appendFields(dst []byte) []byte {
	return appendID(appendText(dst, 1, t.Text), 2, t.ReplyTo)
}

func (e Edit) appendFields(dst []byte) []byte {
	return appendText(appendID(dst, 1, e.Target), 2, e.Text)
}

func (d Delete) appendFields(dst []byte) []byte { return appendID(dst, 1, d.Target) }

func (r Reaction) appendFields(dst []byte) []byte {
	return appendText(appendID(dst, 1, r.Target), 2, r.Emoji)
}

func (t Text) check() error {
	if t.Text == "" {
		return fmt.Errorf("%w: text", ErrMissing)
	}
	return checkText("text", t.Text, MaxText)
}

func (e Edit) check() error {
	if err := checkTarget(e.Target); err != nil {
		return err
	}
	return Text{Text: e.Text}.check()
}

func (d Delete) check() error { return checkTarget(d.Target) }

func (r Reaction) check() error {
	if err := checkTarget(r.Target); err != nil {
		return err
	}
	return checkText("reaction", r.Emoji, MaxReaction)
}

func decodeText(f *fields) Body {
	var t Text
	for f.next() {
		switch f.number {
		case 1:
			t.Text = f.text()
		case 2:
			t.ReplyTo = f.array16()
		default:
			f.keep()
		}
	}
	return t
}

func decodeEdit(f *fields) Body {
	var e Edit
	for f.next() {
		switch f.number {
		case 1:
			e.Target = f.array16()
		case 2:
			e.Text = f.text()
		default:
			f.keep()
		}
	}
	return e
}

func decodeDelete(f *fields) Body {
	var d Delete
	for f.next() {
		switch f.number {
		case 1:
			d.Target = f.array16()
		default:
			f.keep()
		}
	}
	return d
}

func decodeReaction(f *fields) Body {
	var r Reaction
	for f.next() {
		switch f.number {
		case 1:
			r.Target = f.array16()
		case 2:
			r.Emoji = f.text()
		default:
			f.keep()
		}
	}
	return r
}

func checkTarget(id messaging.MessageID) error {
	if id == (messaging.MessageID{}) {
		return fmt.Errorf("%w: target message", ErrMissing)
	}
	return nil
}

// checkText names the field and lengths, never the text.
func checkText(field, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("%w: %s is %d bytes, at most %d", ErrTooLarge, field, len(s), most)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s", ErrUTF8, field)
	}
	return nil
}
