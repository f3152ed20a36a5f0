package content

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content/media"
)

// fill returns an identifier or hash made of one byte.
func fill16(b byte) [16]byte { return [16]byte(bytes.Repeat([]byte{b}, 16)) }
func fill32(b byte) [32]byte { return [32]byte(bytes.Repeat([]byte{b}, 32)) }

func fixedKey(t testing.TB) media.Key {
	t.Helper()
	key, err := media.ParseKey(bytes.Repeat([]byte{0x4b}, media.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func fixedBlob(t testing.TB) Blob {
	t.Helper()
	return Blob{ID: fill16(0xb1), Key: fixedKey(t), Hash: fill32(0xb2), Size: 200_000}
}

// in returns a content of the scope that body needs.
func in(body Body) Content {
	c := Content{
		Message: fill16(1),
		SentAt:  1_790_000_000_123,
		Own:     Head{Sequence: 3, Hash: fill32(3)},
		Body:    body,
	}
	if k := body.Kind(); !k.OwnDevices() || k == KindSent {
		c.Chat = fill16(2)
		c.Peer = Head{Hash: fill32(4)}
	}
	return c
}

type sample struct {
	name    string
	content Content
}

// samples has each kind at least once, with every field set in one of them.
func samples(t testing.TB) []sample {
	t.Helper()
	blob := fixedBlob(t)
	text := in(Text{Text: "héllo wörld", ReplyTo: fill16(9)})
	text.ExpireAfter = 3600
	return []sample{
		{"text", text},
		{"media", in(Media{
			Blob: blob, Type: "image/jpeg", Name: "beach.jpg", Thumbnail: []byte{0xff, 0xd8, 0xff, 0xd9},
			Width: 4032, Height: 3024, Duration: 1500, Caption: "the beach", ReplyTo: fill16(9),
		})},
		{"media-bare", in(Media{Blob: blob, Type: "application/octet-stream"})},
		{"receipt", in(Receipt{Event: Read, Messages: []messaging.MessageID{fill16(5), fill16(6)}})},
		{"typing", in(Typing{Active: true})},
		{"typing-stopped", in(Typing{})},
		{"edit", in(Edit{Target: fill16(5), Text: "better"})},
		{"delete", in(Delete{Target: fill16(5)})},
		{"reaction", in(Reaction{Target: fill16(5), Emoji: "👍🏽"})},
		{"timer", in(Timer{Seconds: 86400})},
		{"profile", in(Profile{Name: "Moss", Picture: blob, PictureType: "image/png"})},
		{"sent", in(Sent{To: fill16(7), Content: in(Text{Text: "copy"})})},
		{"read-marks", in(ReadMarks{Marks: []ReadMark{{Chat: fill16(2), UpTo: fill16(5), ReadAt: 1_790_000_000_456}}})},
		// One flag at a time, so that two of them cannot be taken for each other.
		{"settings-receipts", in(Settings{ReadReceipts: true, DefaultTimer: 604800})},
		{"settings-typing", in(Settings{TypingNotices: true})},
		{"settings-previews", in(Settings{LinkPreviews: true})},
		{"verified", in(Verified{Account: fill16(7), Fingerprint: fill32(8), Verified: true})},
		{"chat-states", in(ChatStates{Chats: []ChatState{
			{Chat: fill16(0x21), Archived: true},
			{Chat: fill16(0x22), Pinned: true},
			{Chat: fill16(0x23), Blocked: true},
			{Chat: fill16(0x24), Unread: true},
			{Chat: fill16(0x25), Removed: true},
			{Chat: fill16(0x26), MutedUntil: 1_800_000_000_000},
		}})},
		{"history-offer", in(HistoryOffer{Blob: blob, Chats: []ChatTally{{Chat: fill16(2), Messages: 40_000, Hash: fill32(0xcc)}}})},
		{"log-notice", in(LogNotice{Event: LogFork, Account: fill16(7), Head: Head{5, fill32(5)}, Other: Head{5, fill32(6)}})},
		{"retry", in(Retry{Message: fill16(5), RatchetKey: [33]byte{5, 0xaa}, SentAt: 1_790_000_000_000})},
		{"end-session", in(EndSession{Resend: []messaging.MessageID{fill16(5)}})},
		{"unknown", in(Unknown{Number: 99, Raw: []byte("from a later version")})},
	}
}

func mustAppend(t testing.TB, c Content) []byte {
	t.Helper()
	b, err := c.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func text(n int) string { return strings.Repeat("x", n) }
