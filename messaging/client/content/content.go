// Package content is what is inside an envelope: texts, media references,
// receipts and all else that the two sides of a chat, and the devices of one
// account, say to each other, with the padding that goes around it. It encrypts
// nothing, keeps nothing and decides nothing: who may say what to whom is known
// here by kind, and enforced by its caller. docs/protocol.md section 4 rules it;
// content.proto is its published contract.
package content

import (
	"bytes"
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// Content is one thing said. It prints as its kind only, under every verb, so
// that nothing a member wrote reaches a log; its Body alone would print.
type Content struct {
	// Message is chosen by the sender for one send.
	Message messaging.MessageID
	// Chat is zero for kinds that are said among an account's own devices.
	Chat messaging.ChatID
	// SentAt is the sender's clock in Unix milliseconds: shown, never used for order.
	SentAt uint64
	// Own and Peer are the heads of the sender's and of the peer's device log as
	// the sender sees them (docs/protocol.md section 2). Peer is zero where Chat is.
	Own, Peer Head
	// ExpireAfter is how many seconds after reading the message is removed; 0: never.
	ExpireAfter uint32
	// Body says what kind of content this is, and the rest.
	Body Body

	extra     []byte // fields of later versions, kept in print
	bodyExtra []byte // the same within the body
}

// Body is one of the kinds: Text, Media, Receipt, Typing, Edit, Delete,
// Reaction, Timer, Profile; Sent, ReadMarks, Settings, Verified, ChatStates,
// HistoryOffer; LogNotice, Retry, EndSession; or Unknown.
type Body interface {
	// Kind is the number of the kind in content.proto.
	Kind() Kind
	// appendFields appends the fields in canonical form.
	appendFields(dst []byte) []byte
	// check reports what the contract does not allow, by a sentinel of this package.
	check() error
}

// Head names the newest entry of a device log that somebody has verified. The
// zero Head is none.
type Head struct {
	Sequence uint64
	Hash     [32]byte // SHA-256 of the entry
}

// IsZero reports whether h is none.
func (h Head) IsZero() bool { return h == Head{} }

// Parse reads one canonical Content of at most MaxContent bytes, and copies
// what it keeps. AppendBinary of the result gives b again. Everything else is
// refused with messaging.ErrInvalid.
func Parse(b []byte) (Content, error) {
	c, err := parse(b)
	return c, messaging.Invalid(err)
}

func parse(b []byte) (Content, error) {
	if len(b) > MaxContent {
		return Content{}, ErrTooLarge
	}
	c, err := decode(b)
	if err != nil {
		return Content{}, err
	}
	if err := c.check(); err != nil {
		return Content{}, err
	}
	// Printing again is the whole test of canonical form: order, repeats,
	// defaults and long varints all end in other bytes.
	if !bytes.Equal(c.append(make([]byte, 0, len(b))), b) {
		return Content{}, ErrCanonical
	}
	return c, nil
}

// AppendBinary appends the canonical form. The error names what the contract
// does not allow.
func (c Content) AppendBinary(dst []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	start := len(dst)
	dst = c.append(dst)
	if n := len(dst) - start; n > MaxContent {
		return nil, fmt.Errorf("%w: content is %d bytes, at most %d", ErrTooLarge, n, MaxContent)
	}
	return dst, nil
}

func decode(b []byte) (c Content, err error) {
	f := fields{rest: b, open: true}
	for f.next() {
		switch f.number {
		case 1:
			c.Message = f.array16()
		case 2:
			c.Chat = f.array16()
		case 3:
			c.SentAt = f.integer()
		case 4:
			c.Own = f.head()
		case 5:
			c.Peer = f.head()
		case 6:
			c.ExpireAfter = f.uint32()
		default:
			c.decodeOther(&f)
		}
	}
	c.extra = f.extra
	return c, f.err
}

// decodeOther takes a body, or keeps a field that it does not know.
func (c *Content) decodeOther(f *fields) {
	kind := Kind(min(f.number, maxFieldKind))
	if kind < minKind || kind > maxKind {
		f.keep()
		return
	}
	if c.Body != nil {
		f.fail(ErrTwoBodies)
		return
	}
	body := fields{rest: f.bytes(), open: true, err: f.err}
	c.Body = decodeBody(kind, &body)
	c.bodyExtra = body.extra
	f.fail(body.err)
}

func (c Content) append(dst []byte) []byte {
	start := len(dst)
	dst = appendID(dst, 1, c.Message)
	dst = appendID(dst, 2, c.Chat)
	dst = appendInteger(dst, 3, c.SentAt)
	dst = appendHead(dst, 4, c.Own)
	dst = appendHead(dst, 5, c.Peer)
	dst = appendInteger(dst, 6, uint64(c.ExpireAfter))
	dst = appendMessage(dst, protowire.Number(c.Body.Kind()), func(dst []byte) []byte {
		return withExtra(dst, c.Body.appendFields, c.bodyExtra)
	})
	if len(c.extra) > 0 {
		dst = append(dst[:start], merge(dst[start:], c.extra)...)
	}
	return dst
}

func (c Content) check() error {
	if c.Body == nil {
		return fmt.Errorf("%w: body", ErrMissing)
	}
	if c.Message == (messaging.MessageID{}) || c.SentAt == 0 || c.Own.Hash == ([32]byte{}) {
		return fmt.Errorf("%w: message id, time and head of the own log are needed", ErrMissing)
	}
	if c.SentAt > maxInteger || c.Own.Sequence > maxInteger || c.Peer.Sequence > maxInteger {
		return fmt.Errorf("%w: time and sequences are at most 2^53-1", ErrRange)
	}
	if c.ExpireAfter > MaxTimer {
		return fmt.Errorf("%w: timer is %d s, at most %d", ErrRange, c.ExpireAfter, MaxTimer)
	}
	if err := c.checkScope(); err != nil {
		return err
	}
	return c.checkBody()
}

// Kind returns the kind of the body, which must not be nil.
func (c Content) Kind() Kind { return c.Body.Kind() }

// Format prints the kind.
func (c Content) Format(f fmt.State, _ rune) {
	if c.Body == nil {
		_, _ = io.WriteString(f, "content without a body")
		return
	}
	_, _ = fmt.Fprintf(f, "content of kind %d", c.Kind())
}

// checkScope holds chat and peer against the kind's scope.
func (c Content) checkScope() error {
	chat := c.Chat != (messaging.ChatID{})
	peer := c.Peer.Hash != ([32]byte{})
	if !peer && !c.Peer.IsZero() {
		return fmt.Errorf("%w: hash of the peer's head", ErrMissing)
	}
	switch kind := c.Body.Kind(); {
	case (kind.InChat() || kind == KindSent) && !(chat && peer):
		return fmt.Errorf("%w: kind %d needs a chat and the peer's head", ErrScope, kind)
	case kind.OwnDevices() && kind != KindSent && (chat || peer):
		return fmt.Errorf("%w: kind %d has no chat and no peer's head", ErrScope, kind)
	}
	return nil
}

func (c Content) checkBody() error {
	if err := c.Body.check(); err != nil {
		return err
	}
	sent, ok := c.Body.(Sent)
	if ok && (sent.Content.Message != c.Message || sent.Content.Chat != c.Chat) {
		return fmt.Errorf("%w: a sent copy has the message and chat of its content", ErrScope)
	}
	return nil
}
