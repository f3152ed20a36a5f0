package content

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content/media"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		got, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", s.name, errors.Unwrap(err))
			continue
		}
		if !reflect.DeepEqual(got, s.content) {
			t.Errorf("%s: parsed %+v, want %+v", s.name, got, s.content)
		}
		if again := mustAppend(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s: printed %x, want %x", s.name, again, b)
		}
	}
}

// TestParseCopies: what Parse keeps is its own.
func TestParseCopies(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		buffer := bytes.Clone(b)
		got, err := Parse(buffer)
		if err != nil {
			t.Fatal(err)
		}
		clear(buffer)
		if again := mustAppend(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s: changed with the caller's buffer", s.name)
		}
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		for n := range b {
			refused(t, b[:n], ErrAnything)
		}
		refused(t, append(bytes.Clone(b), b...), ErrAnything)
		refused(t, append(bytes.Clone(b), 0), ErrAnything)
	}
}

// TestFlips: a changed byte is refused or is another content; never the same,
// and never a panic.
func TestFlips(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		b := mustAppend(t, s.content)
		for i := range b {
			for bit := range 8 {
				flipped := bytes.Clone(b)
				flipped[i] ^= 1 << bit
				got, err := Parse(flipped)
				if err == nil && reflect.DeepEqual(got, s.content) {
					t.Fatalf("%s: byte %d bit %d changes nothing", s.name, i, bit)
				}
				if err != nil && err.Error() != messaging.ErrInvalid.Error() {
					t.Fatalf("%s: outside sees %q", s.name, err)
				}
			}
		}
	}
}

// ErrAnything stands for any reason.
var ErrAnything = errors.New("anything")

func refused(t *testing.T, b []byte, reason error) {
	t.Helper()
	_, err := Parse(b)
	if !errors.Is(err, messaging.ErrInvalid) {
		t.Fatalf("Parse(%x) = %v, want invalid", b[:min(len(b), 200)], err)
	}
	if reason != ErrAnything && !errors.Is(err, reason) {
		t.Fatalf("refused for %v, want %v", errors.Unwrap(err), reason)
	}
}

// ids returns n different message ids.
func ids(n int) []messaging.MessageID {
	list := make([]messaging.MessageID, n)
	for i := range list {
		list[i] = [16]byte{1, byte(i), byte(i >> 8)}
	}
	return list
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	blob := fixedBlob(t)
	sized := func(n uint64) Blob { b := blob; b.Size = n; return b }
	jpeg := func(change func(*Media)) Body {
		m := Media{Blob: blob, Type: "image/jpeg"}
		change(&m)
		return m
	}
	tests := []struct {
		name   string
		body   func(over int) Body // at the ceiling with 0, beyond with 1
		reason error
	}{
		{"text", func(n int) Body { return Text{Text: text(MaxText + n)} }, ErrTooLarge},
		{"edit", func(n int) Body { return Edit{Target: fill16(1), Text: text(MaxText + n)} }, ErrTooLarge},
		{"reaction", func(n int) Body { return Reaction{Target: fill16(1), Emoji: text(MaxReaction + n)} }, ErrTooLarge},
		{"receipt", func(n int) Body { return Receipt{Event: Read, Messages: ids(MaxMessages + n)} }, ErrTooLarge},
		{"re-send", func(n int) Body { return EndSession{Resend: ids(MaxMessages + n)} }, ErrTooLarge},
		{"timer", func(n int) Body { return Timer{Seconds: uint32(MaxTimer + n)} }, ErrRange},
		{"default timer", func(n int) Body { return Settings{DefaultTimer: uint32(MaxTimer + n)} }, ErrRange},
		{"name", func(n int) Body { return Profile{Name: text(MaxName + n)} }, ErrTooLarge},
		{"picture", func(n int) Body {
			return Profile{Picture: sized(uint64(MaxPicture + n)), PictureType: "image/png"}
		}, ErrTooLarge},
		{"file", func(n int) Body { return Media{Blob: sized(uint64(media.MaxSize + n)), Type: "a/b"} }, ErrTooLarge},
		{"file name", func(n int) Body { return jpeg(func(m *Media) { m.Name = text(MaxFileName + n) }) }, ErrTooLarge},
		{"type", func(n int) Body { return jpeg(func(m *Media) { m.Type = "a/" + text(MaxMediaType-2+n) }) }, ErrRange},
		{"thumbnail", func(n int) Body { return jpeg(func(m *Media) { m.Thumbnail = []byte(text(MaxThumbnail + n)) }) }, ErrTooLarge},
		{"width", func(n int) Body { return jpeg(func(m *Media) { m.Width = uint32(MaxSide + n) }) }, ErrRange},
		{"height", func(n int) Body { return jpeg(func(m *Media) { m.Height = uint32(MaxSide + n) }) }, ErrRange},
		{"duration", func(n int) Body { return jpeg(func(m *Media) { m.Duration = uint32(MaxDuration + n) }) }, ErrRange},
		{"caption", func(n int) Body { return jpeg(func(m *Media) { m.Caption = text(MaxCaption + n) }) }, ErrTooLarge},
		{"read marks", func(n int) Body { return ReadMarks{Marks: marks(MaxChats + n)} }, ErrTooLarge},
		{"chat states", func(n int) Body { return ChatStates{Chats: states(MaxChats + n)} }, ErrTooLarge},
		{"history", func(n int) Body { return HistoryOffer{Blob: blob, Chats: tallies(MaxChats + n)} }, ErrTooLarge},
		{"mark time", func(n int) Body {
			return ReadMarks{Marks: []ReadMark{{fill16(1), fill16(2), uint64(maxInteger + n)}}}
		}, ErrRange},
		{"mute time", func(n int) Body {
			return ChatStates{Chats: []ChatState{{Chat: fill16(1), MutedUntil: uint64(maxInteger + n)}}}
		}, ErrRange},
	}
	for _, tt := range tests {
		at := in(tt.body(0))
		if _, err := Parse(mustAppend(t, at)); err != nil {
			t.Errorf("%s at its ceiling: %v", tt.name, errors.Unwrap(err))
		}
		beyond := in(tt.body(1))
		if _, err := beyond.AppendBinary(nil); !errors.Is(err, tt.reason) {
			t.Errorf("%s beyond its ceiling printed: %v", tt.name, err)
		}
		refused(t, beyond.append(nil), tt.reason)
	}
}

func marks(n int) []ReadMark {
	list := make([]ReadMark, n)
	for i, id := range ids(n) {
		list[i] = ReadMark{Chat: messaging.ChatID(id), UpTo: id, ReadAt: 1}
	}
	return list
}

func states(n int) []ChatState {
	list := make([]ChatState, n)
	for i, id := range ids(n) {
		list[i] = ChatState{Chat: messaging.ChatID(id), MutedUntil: maxInteger}
	}
	return list
}

func tallies(n int) []ChatTally {
	list := make([]ChatTally, n)
	for i, id := range ids(n) {
		list[i] = ChatTally{Chat: messaging.ChatID(id), Messages: maxInteger, Hash: fill32(1)}
	}
	return list
}

// TestMaxContent: the whole has a ceiling of its own, which the largest copy of
// the largest content keeps and an unknown kind can reach.
func TestMaxContent(t *testing.T) {
	t.Parallel()
	largest := in(Media{Blob: fixedBlob(t), Type: "a/b", Thumbnail: []byte(text(MaxThumbnail)), Caption: text(MaxCaption), Name: text(MaxFileName)})
	longest := in(Text{Text: text(MaxText), ReplyTo: fill16(1)})
	for _, c := range []Content{largest, longest} {
		c.SentAt, c.Own.Sequence, c.Peer.Sequence, c.ExpireAfter = maxInteger, maxInteger, maxInteger, MaxTimer
		copied := in(Sent{To: fill16(1), Content: c})
		copied.SentAt, copied.Own.Sequence, copied.Peer.Sequence = maxInteger, maxInteger, maxInteger
		if _, err := Parse(mustAppend(t, copied)); err != nil {
			t.Fatal(errors.Unwrap(err))
		}
	}

	unknown := in(Unknown{Number: 99})
	frame := len(mustAppend(t, unknown)) + 2 // a length of three bytes in place of one
	unknown.Body = Unknown{Number: 99, Raw: []byte(text(MaxContent - frame))}
	b := mustAppend(t, unknown)
	if len(b) != MaxContent {
		t.Fatalf("%d bytes, want %d", len(b), MaxContent)
	}
	if _, err := Parse(b); err != nil {
		t.Fatal(errors.Unwrap(err))
	}
	unknown.Body = Unknown{Number: 99, Raw: []byte(text(MaxContent - frame + 1))}
	if _, err := unknown.AppendBinary(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("printed beyond the ceiling: %v", err)
	}
	refused(t, unknown.append(nil), ErrTooLarge)
	unknown.Body = Unknown{Number: 99, Raw: make([]byte, 3<<20)}
	if _, err := unknown.AppendBinary(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("printed far beyond the ceiling: %v", err)
	}
}

func TestRefusedBodies(t *testing.T) {
	t.Parallel()
	blob := fixedBlob(t)
	tests := []struct {
		name   string
		body   Body
		reason error
	}{
		{"empty text", Text{}, ErrMissing},
		{"text not UTF-8", Text{Text: "\xff"}, ErrUTF8},
		{"edit without target", Edit{Text: "x"}, ErrMissing},
		{"edit to nothing", Edit{Target: fill16(1)}, ErrMissing},
		{"delete without target", Delete{}, ErrMissing},
		{"reaction without target", Reaction{Emoji: "x"}, ErrMissing},
		{"receipt of nothing", Receipt{Event: Read}, ErrMissing},
		{"receipt without event", Receipt{Messages: ids(1)}, ErrRange},
		{"receipt of a later event", Receipt{Event: 3, Messages: ids(1)}, ErrRange},
		{"receipt twice", Receipt{Event: Read, Messages: []messaging.MessageID{fill16(1), fill16(1)}}, ErrRepeated},
		{"receipt of none", Receipt{Event: Read, Messages: []messaging.MessageID{{}}}, ErrRepeated},
		{"media without blob", Media{Type: "image/png"}, ErrMissing},
		{"media without type", Media{Blob: blob}, ErrRange},
		{"media type with parameter", Media{Blob: blob, Type: "text/html; charset=x"}, ErrRange},
		{"media type in capitals", Media{Blob: blob, Type: "Image/png"}, ErrRange},
		{"media type with line", Media{Blob: blob, Type: "image/png\r\nx"}, ErrRange},
		{"media type twice", Media{Blob: blob, Type: "image/png/x"}, ErrRange},
		{"picture as SVG", Profile{Picture: blob, PictureType: "image/svg+xml"}, ErrRange},
		{"picture type alone", Profile{PictureType: "image/png"}, ErrMissing},
		{"sent to nobody", Sent{Content: in(Typing{})}, ErrMissing},
		{"sent nothing", Sent{To: fill16(1)}, ErrMissing},
		{"sent copy of a copy", Sent{To: fill16(1), Content: in(Sent{To: fill16(1), Content: in(Typing{})})}, ErrScope},
		{"sent settings", Sent{To: fill16(1), Content: in(Settings{})}, ErrScope},
		{"no read marks", ReadMarks{}, ErrMissing},
		{"read mark without message", ReadMarks{Marks: []ReadMark{{Chat: fill16(1), ReadAt: 1}}}, ErrMissing},
		{"no chat states", ChatStates{}, ErrMissing},
		{"chat state twice", ChatStates{Chats: []ChatState{{Chat: fill16(1)}, {Chat: fill16(1), Pinned: true}}}, ErrRepeated},
		{"verified nobody", Verified{Fingerprint: fill32(1)}, ErrMissing},
		{"history of an empty chat", HistoryOffer{Blob: blob, Chats: []ChatTally{{Chat: fill16(1), Hash: fill32(1)}}}, ErrMissing},
		{"fork without the other head", LogNotice{Event: LogFork, Account: fill16(1), Head: Head{1, fill32(1)}}, ErrRange},
		{"fork of equal heads", LogNotice{Event: LogFork, Account: fill16(1), Head: Head{1, fill32(1)}, Other: Head{1, fill32(1)}}, ErrRange},
		{"growth with two heads", LogNotice{Event: LogGrew, Account: fill16(1), Head: Head{1, fill32(1)}, Other: Head{1, fill32(2)}}, ErrRange},
		{"retry of another curve", Retry{Message: fill16(1), RatchetKey: [33]byte{6}, SentAt: 1}, ErrRange},
		{"re-send of none", EndSession{Resend: []messaging.MessageID{{}}}, ErrRepeated},
	}
	for _, tt := range tests {
		c := in(tt.body)
		if _, err := c.AppendBinary(nil); !errors.Is(err, tt.reason) {
			t.Errorf("%s: AppendBinary gave %v, want %v", tt.name, err, tt.reason)
		}
		if s, ok := tt.body.(Sent); ok && s.Content.Body == nil {
			continue // cannot be printed at all
		}
		refused(t, c.append(nil), ErrAnything)
	}
}

func TestHeaderAndScope(t *testing.T) {
	t.Parallel()
	change := func(body Body, f func(*Content)) Content { c := in(body); f(&c); return c }
	said, own := Text{Text: "x"}, Settings{}
	tests := []struct {
		name   string
		c      Content
		reason error
	}{
		{"message", change(said, func(c *Content) { c.Message = [16]byte{} }), ErrMissing},
		{"time", change(said, func(c *Content) { c.SentAt = 0 }), ErrMissing},
		{"late time", change(said, func(c *Content) { c.SentAt = maxInteger + 1 }), ErrRange},
		{"own head", change(said, func(c *Content) { c.Own = Head{} }), ErrMissing},
		{"own sequence", change(said, func(c *Content) { c.Own.Sequence = maxInteger + 1 }), ErrRange},
		{"peer head", change(said, func(c *Content) { c.Peer = Head{} }), ErrScope},
		{"peer hash", change(said, func(c *Content) { c.Peer = Head{Sequence: 1} }), ErrMissing},
		{"chat", change(said, func(c *Content) { c.Chat = [16]byte{} }), ErrScope},
		{"timer", change(said, func(c *Content) { c.ExpireAfter = MaxTimer + 1 }), ErrRange},
		{"settings in a chat", change(own, func(c *Content) { c.Chat = fill16(1) }), ErrScope},
		{"settings to a peer", change(own, func(c *Content) { c.Peer = Head{1, fill32(1)} }), ErrScope},
		{"copy under another id", change(Sent{To: fill16(1), Content: in(said)}, func(c *Content) { c.Message = fill16(0xee) }), ErrScope},
		{"copy in another chat", change(Sent{To: fill16(1), Content: in(said)}, func(c *Content) { c.Chat = fill16(0xee) }), ErrScope},
	}
	for _, tt := range tests {
		if _, err := tt.c.AppendBinary(nil); !errors.Is(err, tt.reason) {
			t.Errorf("%s: AppendBinary gave %v, want %v", tt.name, err, tt.reason)
		}
		refused(t, tt.c.append(nil), tt.reason)
	}
	if _, err := (Content{}).AppendBinary(nil); !errors.Is(err, ErrMissing) {
		t.Errorf("printed without a body: %v", err)
	}
}

// TestLaterVersions: fields that we do not know stay where they are, in the
// header, in the body and in a copy; not in closed messages.
func TestLaterVersions(t *testing.T) {
	t.Parallel()
	c := in(Text{Text: "x"})
	c.extra = appendInteger(appendText(nil, 9, "header"), 600, 7)
	c.bodyExtra = appendText(protowire.AppendFixed32(protowire.AppendTag(nil, 3, protowire.Fixed32Type), 1), 40, "body")
	for _, c := range []Content{c, in(Sent{To: fill16(1), Content: c})} {
		b := mustAppend(t, c)
		got, err := Parse(b)
		if err != nil {
			t.Fatal(errors.Unwrap(err))
		}
		if !reflect.DeepEqual(got, c) || !bytes.Equal(mustAppend(t, got), b) {
			t.Errorf("not preserved: %+v", got)
		}
	}
	head := c
	head.extra = append(appendMessage(nil, 5, func(dst []byte) []byte { return appendInteger(dst, 3, 1) }), c.extra...)
	refused(t, head.append(nil), ErrClosed)
}

func TestOneCanonicalForm(t *testing.T) {
	t.Parallel()
	c := in(Text{Text: "x"})
	b := mustAppend(t, c)
	at := bytes.Index(b, []byte{3 << 3}) // the time's tag, after two identifiers of 18 bytes
	if at != 36 {
		t.Fatalf("time at %d", at)
	}
	_, n := protowire.ConsumeVarint(b[at+1:])
	splice := func(from, to int, with ...byte) []byte {
		return append(append(bytes.Clone(b[:from]), with...), b[to:]...)
	}
	long := append(bytes.Clone(b[at:at+n]), b[at+n]|0x80, 0)
	for name, other := range map[string][]byte{
		"swapped identifiers": append(append(bytes.Clone(b[18:36]), b[:18]...), b[36:]...),
		"repeated identifier": splice(18, 18, b[:18]...),
		"long varint":         splice(at, at+1+n, long...),
		"default value":       withDefault(t, c),
	} {
		t.Run(name, func(t *testing.T) { refused(t, other, ErrCanonical) })
	}
	refused(t, append(bytes.Clone(b), b[len(b)-6:]...), ErrTwoBodies)
	refused(t, protowire.AppendTag(bytes.Clone(b), 700, protowire.StartGroupType), ErrMalformed)
}

// withDefault prints a timer of zero, which is to be left out.
func withDefault(t *testing.T, c Content) []byte {
	t.Helper()
	c.extra = protowire.AppendVarint(protowire.AppendTag(nil, 6, protowire.VarintType), 0)
	return c.append(nil)
}

func TestKindRules(t *testing.T) {
	t.Parallel()
	for k := Kind(0); k <= maxKind+1; k++ {
		if k.WantsReceipt() != (k == KindText || k == KindMedia) {
			t.Errorf("kind %d: receipt %v", k, k.WantsReceipt())
		}
		if !k.Known() && (k.InChat() || k.OwnDevices()) {
			t.Errorf("kind %d has a scope and is not known", k)
		}
	}
	if KindTyping.Stored() || !Kind(99).Stored() || !KindText.Stored() {
		t.Error("typing is not stored; texts and unknown kinds are")
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"image/svg+xml", "text/html", "application/pdf", "", "IMAGE/PNG"} {
		if Inline(s) {
			t.Errorf("%q is shown inline", s)
		}
	}
	if !Inline("image/jpeg") || !Inline("video/mp4") {
		t.Error("pictures and films are shown inline")
	}
}

// TestNoKeyInPrint: a content with keys prints none, under any verb, nor does an error.
func TestNoKeyInPrint(t *testing.T) {
	t.Parallel()
	c := in(Media{Blob: fixedBlob(t), Type: "image/png"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		out := fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c) + fmt.Sprintf(verb, c.Body)
		for _, leak := range []string{"4b4b4b", "KKKK", "75 75 75", "0x4b, 0x4b"} {
			if strings.Contains(out, leak) {
				t.Errorf("%s prints the key: %s", verb, out)
			}
		}
	}
}

// TestNoTextInPrint: what a member wrote does not reach a log by way of a verb.
func TestNoTextInPrint(t *testing.T) {
	t.Parallel()
	c := in(Sent{To: fill16(7), Content: in(Text{Text: "tell nobody"})})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, v := range []any{c, &c, c.Body, []Content{c}} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "nobody") || strings.Contains(out, "6e6f626f6479") {
				t.Errorf("%s of %T prints %s", verb, v, out)
			}
		}
	}
	if got := fmt.Sprint(Content{}); got != "content without a body" {
		t.Error(got)
	}
}

// TestErrorsHoldNoText: what a member wrote does not reach an error.
func TestErrorsHoldNoText(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("tell nobody ", 2000)
	for _, body := range []Body{Text{Text: secret}, Edit{Target: fill16(1), Text: secret}, Profile{Name: secret}, Reaction{Target: fill16(1), Emoji: secret}} {
		_, err := in(body).AppendBinary(nil)
		if err == nil || strings.Contains(err.Error(), "nobody") {
			t.Errorf("error %v", err)
		}
	}
}

// TestParseWork: a hostile list costs no more allocations than its bytes allow.
func TestParseWork(t *testing.T) {
	list := make([]byte, 0, MaxContent)
	for len(list) < MaxContent-200 {
		list = appendMessage(list, 1, func(dst []byte) []byte { return dst })
	}
	c := in(Unknown{Number: 99})
	c.Chat, c.Peer = [16]byte{}, Head{}
	c.Body = asBody{kind: KindChatStates, raw: list}
	b := c.append(nil)
	if n := testing.AllocsPerRun(10, func() { _, _ = Parse(b) }); n > 60 {
		t.Errorf("%v allocations for a refused list", n)
	}
	refused(t, b, ErrTooLarge)
}

// asBody prints raw fields under a known kind.
type asBody struct {
	kind Kind
	raw  []byte
}

func (a asBody) Kind() Kind                     { return a.kind }
func (a asBody) appendFields(dst []byte) []byte { return append(dst, a.raw...) }
func (asBody) check() error                     { return nil }

// TestRandomBytes: Parse and print agree on whatever Parse takes.
func TestRandomBytes(t *testing.T) {
	t.Parallel()
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	list := samples(t)
	for i := range 20_000 {
		b := mustAppend(t, list[r.IntN(len(list))].content)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		c, err := Parse(b)
		if err == nil && !bytes.Equal(mustAppend(t, c), b) {
			t.Fatalf("seed %d round %d: %x parses and prints as other bytes", seed, i, b)
		}
	}
}

// TestNestedCopies: a copy within a copy, thousands deep, is refused at the
// first without looking further.
func TestNestedCopies(t *testing.T) {
	c := in(Text{Text: "x"})
	var raw []byte
	for len(raw) < MaxContent-400 {
		raw = appendMessage(nil, protowire.Number(KindSent), func(dst []byte) []byte { return appendBytes(dst, 2, raw) })
	}
	c.Body = asBody{kind: KindSent, raw: appendBytes(appendID(nil, 1, fill16(7)), 2, raw)}
	b := c.append(nil)
	refused(t, b, ErrScope)
	if n := testing.AllocsPerRun(10, func() { _, _ = Parse(b) }); n > 10 {
		t.Errorf("%v allocations for a nest of copies", n)
	}
}
