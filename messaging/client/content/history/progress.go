package history

import (
	"slices"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

// Progress is how far a stream was read or written, at the border of two
// records. A device keeps it with what it imported, in one vault transaction,
// and resumes from it.
type Progress struct {
	Header  Header
	Offset  uint64              // bytes of the stream
	Records uint64              // records; 0: not begun
	Order   uint64              // of the message last seen; 0: none yet
	Chats   []content.ChatTally // in the order of their introduction; empty ones too
}

// rules are the rules of the order of records, the same for both sides.
type rules struct {
	Progress
	at map[messaging.ChatID]int // index in Chats
}

func resume(p Progress) rules {
	p.Chats = slices.Clone(p.Chats)
	r := rules{Progress: p, at: make(map[messaging.ChatID]int, len(p.Chats))}
	for i, t := range p.Chats {
		r.at[t.Chat] = i
	}
	return r
}

// progress returns a copy.
func (r *rules) progress() Progress {
	p := r.Progress
	p.Chats = slices.Clone(p.Chats)
	return p
}

// tallies returns the tallies of chats with messages.
func (r *rules) tallies() []content.ChatTally {
	var list []content.ChatTally
	for _, t := range r.Chats {
		if t.Messages > 0 {
			list = append(list, t)
		}
	}
	return list
}

func (r *rules) chat(c Chat) error {
	if _, twice := r.at[c.Chat]; twice {
		return ErrOrder
	}
	if len(r.Chats) == MaxChats {
		return ErrTooLarge
	}
	if c.Chat == (messaging.ChatID{}) || c.Peer == (messaging.AccountID{}) || c.Head.Sequence > maxInteger {
		return ErrMalformed
	}
	r.at[c.Chat] = len(r.Chats)
	r.Chats = append(r.Chats, content.ChatTally{Chat: c.Chat})
	return nil
}

// message takes a message whose content has the canonical form raw.
func (r *rules) message(m Message, raw []byte) error {
	i, introduced := r.at[m.Chat]
	if !introduced || m.Order == 0 || r.below() != 0 && m.Order >= r.below() {
		return ErrOrder
	}
	if m.Order > maxInteger || m.ReceivedAt > maxInteger || !m.Sender.Device.Valid() || m.Sender.Account == (messaging.AccountID{}) {
		return ErrMalformed
	}
	kind := m.Content.Kind()
	if m.Content.Chat != m.Chat || kind.Known() && !kind.InChat() || !kind.Stored() {
		return ErrContent
	}
	r.Order = m.Order
	r.Chats[i] = Add(r.Chats[i], m.Sender, raw)
	return nil
}

// below returns what the next order must stay below; 0: anything.
func (r *rules) below() uint64 {
	if r.Order != 0 {
		return r.Order
	}
	return r.Header.Before
}

func (r *rules) count(length int) {
	r.Offset += lengthSize + uint64(length)
	r.Records++
}
