package content

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content/media"
)

// Settings are all settings of the account; the newest SentAt counts.
type Settings struct {
	ReadReceipts  bool
	TypingNotices bool
	LinkPreviews  bool
	DefaultTimer  uint32 // seconds, for new chats; 0: off
}

// Verified says that the member compared safety numbers with a contact, or
// takes that back.
type Verified struct {
	Account     messaging.AccountID
	Fingerprint [32]byte // account fingerprint at that moment (docs/protocol.md section 2)
	Verified    bool
}

// HistoryOffer hands the account's history to a device that was just linked:
// a blob of package history's records (docs/protocol.md section 6).
type HistoryOffer struct {
	Blob  Blob
	Chats []ChatTally // at most MaxChats; the blob's end holds them all
}

// ChatTally is what a history holds of one chat: compared after the transfer.
type ChatTally struct {
	Chat     messaging.ChatID
	Messages uint64
	Hash     [32]byte // running hash of package history
}

// Kind returns KindSettings.
func (Settings) Kind() Kind { return KindSettings }

// Kind returns KindVerified.
func (Verified) Kind() Kind { return KindVerified }

// Kind returns KindHistoryOffer.
func (HistoryOffer) Kind() Kind { return KindHistoryOffer }

func (s Settings) appendFields(dst []byte) []byte {
	dst = appendBool(dst, 1, s.ReadReceipts)
	dst = appendBool(dst, 2, s.TypingNotices)
	dst = appendBool(dst, 3, s.LinkPreviews)
	return appendInteger(dst, 4, uint64(s.DefaultTimer))
}

func (v Verified) appendFields(dst []byte) []byte {
	return appendBool(appendHash(appendID(dst, 1, v.Account), 2, v.Fingerprint), 3, v.Verified)
}

func (h HistoryOffer) appendFields(dst []byte) []byte {
	dst = appendMessage(dst, 1, func(dst []byte) []byte { return appendBlob(dst, h.Blob) })
	for _, tally := range h.Chats {
		dst = appendMessage(dst, 2, tally.appendFields)
	}
	return dst
}

func (t ChatTally) appendFields(dst []byte) []byte {
	return appendHash(appendInteger(appendID(dst, 1, t.Chat), 2, t.Messages), 3, t.Hash)
}

func (s Settings) check() error { return Timer{Seconds: s.DefaultTimer}.check() }

func (v Verified) check() error {
	if v.Account == (messaging.AccountID{}) || v.Fingerprint == ([32]byte{}) {
		return fmt.Errorf("%w: account and fingerprint of the contact", ErrMissing)
	}
	return nil
}

func (h HistoryOffer) check() error {
	if err := h.Blob.check(media.MaxSize); err != nil {
		return err
	}
	for _, tally := range h.Chats {
		if tally.Messages == 0 || tally.Hash == ([32]byte{}) {
			return fmt.Errorf("%w: count and hash of a chat", ErrMissing)
		}
		if tally.Messages > maxInteger {
			return fmt.Errorf("%w: count of a chat", ErrRange)
		}
	}
	return checkChats(len(h.Chats), func(i int) messaging.ChatID { return h.Chats[i].Chat })
}

func decodeSettings(f *fields) Body {
	var s Settings
	for f.next() {
		switch f.number {
		case 1:
			s.ReadReceipts = f.bool()
		case 2:
			s.TypingNotices = f.bool()
		case 3:
			s.LinkPreviews = f.bool()
		case 4:
			s.DefaultTimer = f.uint32()
		default:
			f.keep()
		}
	}
	return s
}

func decodeVerified(f *fields) Body {
	var v Verified
	for f.next() {
		switch f.number {
		case 1:
			v.Account = f.array16()
		case 2:
			v.Fingerprint = f.array32()
		case 3:
			v.Verified = f.bool()
		default:
			f.keep()
		}
	}
	return v
}

func decodeHistoryOffer(f *fields) Body {
	var h HistoryOffer
	for f.next() {
		switch f.number {
		case 1:
			h.Blob = f.blob()
		case 2:
			h.Chats = append(h.Chats, f.tally())
		default:
			f.keep()
		}
	}
	return h
}

func (f *fields) tally() (t ChatTally) {
	in := f.closed()
	for in.next() {
		switch in.number {
		case 1:
			t.Chat = in.array16()
		case 2:
			t.Messages = in.integer()
		case 3:
			t.Hash = in.array32()
		default:
			in.keep()
		}
	}
	f.fail(in.err)
	return t
}
