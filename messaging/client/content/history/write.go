package history

import (
	"encoding/binary"
	"io"

	"github.com/sottochat/sotto/messaging/client/content"
)

// Writer writes a stream. What it writes depends on the records only, so that
// an exporter finds the size for package media by writing to io.Discard first.
// An error stays. It is not safe for concurrent use.
type Writer struct {
	dst    io.Writer
	rules  rules
	buffer []byte
	err    error
}

// NewWriter returns a Writer to dst and writes the header.
func NewWriter(dst io.Writer, h Header) (*Writer, error) {
	w := &Writer{dst: dst, rules: resume(Progress{Header: h})}
	if h.Before > maxInteger {
		return nil, ErrMalformed
	}
	w.begin('H')
	w.buffer = append(w.buffer, version)
	w.buffer = append(w.buffer, h.Account[:]...)
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, h.Before)
	return w, w.end()
}

// Write writes a Chat or a Message.
func (w *Writer) Write(record Record) error {
	if w.err != nil {
		return w.err
	}
	switch record := record.(type) {
	case Chat:
		w.err = w.chat(record)
	case Message:
		w.err = w.message(record)
	default:
		w.err = ErrMalformed
	}
	return w.err
}

// Progress returns how far the Writer has come.
func (w *Writer) Progress() Progress { return w.rules.progress() }

// Close writes tallies and end, and returns the tallies for the offer. It does
// not close dst.
func (w *Writer) Close() ([]content.ChatTally, error) {
	tallies := w.rules.tallies()
	for _, t := range tallies {
		if w.err == nil {
			w.err = w.tally(t)
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	records := w.rules.Records
	w.begin('E')
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, records)
	if w.err = w.end(); w.err != nil {
		return nil, w.err
	}
	w.err = ErrOrder // for whatever comes after the end
	return tallies, nil
}

func (w *Writer) chat(c Chat) error {
	if err := w.rules.chat(c); err != nil {
		return err
	}
	w.begin('C')
	w.buffer = append(w.buffer, c.Chat[:]...)
	w.buffer = append(w.buffer, c.Peer[:]...)
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, c.Head.Sequence)
	w.buffer = append(w.buffer, c.Head.Hash[:]...)
	return w.end()
}

func (w *Writer) message(m Message) error {
	w.begin('M')
	w.buffer = append(w.buffer, m.Chat[:]...)
	w.buffer = append(w.buffer, m.Sender.Account[:]...)
	w.buffer = append(w.buffer, byte(m.Sender.Device))
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, m.Order)
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, m.ReceivedAt)
	w.buffer = append(w.buffer, flags(m))
	head := len(w.buffer)
	buffer, err := m.Content.AppendBinary(w.buffer)
	if err != nil {
		return err
	}
	w.buffer = buffer
	if err := w.rules.message(m, w.buffer[head:]); err != nil {
		return err
	}
	return w.end()
}

func flags(m Message) (f byte) {
	if m.Delivered {
		f |= flagDelivered
	}
	if m.Read {
		f |= flagRead
	}
	return f
}

func (w *Writer) tally(t content.ChatTally) error {
	w.begin('T')
	w.buffer = append(w.buffer, t.Chat[:]...)
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, t.Messages)
	w.buffer = append(w.buffer, t.Hash[:]...)
	return w.end()
}

func (w *Writer) begin(kind byte) {
	w.buffer = append(w.buffer[:0], 0, 0, 0, 0, kind)
}

func (w *Writer) end() error {
	length := len(w.buffer) - lengthSize
	binary.BigEndian.PutUint32(w.buffer, uint32(length))
	if _, err := w.dst.Write(w.buffer); err != nil {
		return err
	}
	w.rules.count(length)
	return nil
}
