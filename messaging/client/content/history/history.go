// Package history is the stream in which a device hands its history to one that
// was just linked: chats and messages, newest first, with counts and a running
// hash per chat. It encrypts nothing (package media does), moves nothing, and
// does not know the vault. docs/protocol.md section 6 rules it.
//
// A stream is a sequence of records, each a length of four bytes big-endian, a
// type of one byte (counted in the length) and its fields, integers big-endian:
//
//	H  version 1 (1), account (16), before (8)
//	C  chat (16), peer (16), head sequence (8), head hash (32)
//	M  chat (16), sender (16), device (1), order (8), received (8), flags (1), content
//	T  chat (16), messages (8), hash (32)
//	E  records before this one (8)
//
// in the order H (C | M)* T* E. A chat comes before its first message, and once.
// The order of messages falls strictly, and stays below "before" unless that is
// 0; so a stream that was given up after order n is continued by another that
// says before n. Each chat with messages has a T, in the order of their C. All
// integers are at most 2^53-1. There is one encoding of each stream.
//
// The hash of a chat starts with zeros and takes in, for each of its messages,
//
//	hash' = SHA-256("Sotto history 1" ‖ hash ‖ chat ‖ sender ‖ device ‖ SHA-256(content))
//
// It leaves out order, time and flags, which differ between devices, so that
// two devices with the same messages in the same order agree.
package history

import (
	"crypto/sha256"
	"errors"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

const (
	// MaxChats is how many chats a stream may hold: each costs the reader about
	// 200 bytes, so that this is 13 MB; no member has written to so many.
	MaxChats = 1 << 16
	// MaxRecord is the longest record in bytes behind its length: a message with
	// the largest content.
	MaxRecord = messageSize + content.MaxContent

	version    = 1
	maxInteger = 1<<53 - 1
	lengthSize = 4

	headerSize  = 1 + 1 + 16 + 8
	chatSize    = 1 + 16 + 16 + 8 + 32
	messageSize = 1 + 16 + 16 + 1 + 8 + 8 + 1
	tallySize   = 1 + 16 + 8 + 32
	endSize     = 1 + 8

	flagDelivered = 1
	flagRead      = 2
)

// Why a stream was refused. From a Reader they come inside messaging.ErrInvalid.
var (
	ErrMalformed = errors.New("history: malformed record")
	ErrTooLarge  = errors.New("history: too large")
	ErrTruncated = errors.New("history: truncated")
	ErrExtended  = errors.New("history: goes on after its end")
	ErrOrder     = errors.New("history: record in the wrong place")
	ErrTally     = errors.New("history: count or hash differs")
	ErrContent   = errors.New("history: not the content of a chat")
)

// Header begins a stream.
type Header struct {
	Account messaging.AccountID // whose history it is
	Before  uint64              // all messages have a lower order; 0: from the newest
}

// Chat introduces a chat.
type Chat struct {
	Chat messaging.ChatID
	Peer messaging.AccountID
	Head content.Head // of the peer's device log, as the exporting device knows it
}

// Message is one message of a chat that was introduced.
type Message struct {
	Chat       messaging.ChatID
	Sender     messaging.Address
	Order      uint64 // position at the exporting device; falls strictly
	ReceivedAt uint64 // Unix milliseconds
	Delivered  bool   // to the peer, for messages of this account
	Read       bool   // by the peer, for messages of this account; else by the member
	Content    content.Content
}

// Record is a Chat or a Message.
type Record interface{ record() }

func (Chat) record()    {}
func (Message) record() {}

// Add returns the tally of a chat with one message more. raw is the canonical
// form of its content.
func Add(t content.ChatTally, sender messaging.Address, raw []byte) content.ChatTally {
	inner := sha256.Sum256(raw)
	var text [15 + 32 + 16 + 16 + 1 + 32]byte
	b := append(text[:0], "Sotto history 1"...)
	b = append(b, t.Hash[:]...)
	b = append(b, t.Chat[:]...)
	b = append(b, sender.Account[:]...)
	b = append(b, byte(sender.Device))
	b = append(b, inner[:]...)
	return content.ChatTally{Chat: t.Chat, Messages: t.Messages + 1, Hash: sha256.Sum256(b)}
}
