package content

import (
	"fmt"

	"github.com/sottochat/sotto/messaging"
	"google.golang.org/protobuf/encoding/protowire"
)

// appendMessageIDs prints each id, a zero one too: check refuses it.
func appendMessageIDs(dst []byte, number protowire.Number, ids []messaging.MessageID) []byte {
	for _, id := range ids {
		dst = appendBytes(dst, number, id[:])
	}
	return dst
}

func checkMessageIDs(ids []messaging.MessageID) error {
	if len(ids) > MaxMessages {
		return fmt.Errorf("%w: %d messages, at most %d", ErrTooLarge, len(ids), MaxMessages)
	}
	return checkDistinct(len(ids), func(i int) [16]byte { return ids[i] })
}

func checkChats(n int, chat func(int) messaging.ChatID) error {
	if n > MaxChats {
		return fmt.Errorf("%w: %d chats, at most %d", ErrTooLarge, n, MaxChats)
	}
	return checkDistinct(n, func(i int) [16]byte { return chat(i) })
}

// checkDistinct refuses an identifier that is zero or stands twice.
func checkDistinct(n int, id func(int) [16]byte) error {
	if n == 0 {
		return nil
	}
	seen := make(map[[16]byte]struct{}, n)
	seen[[16]byte{}] = struct{}{}
	for i := range n {
		seen[id(i)] = struct{}{}
	}
	if len(seen) != n+1 {
		return fmt.Errorf("%w: an identifier stands twice or is zero", ErrRepeated)
	}
	return nil
}
