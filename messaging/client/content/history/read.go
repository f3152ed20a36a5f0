package history

import (
	"encoding/binary"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

// Reader reads a stream, one record at a time and with the memory of one. It is
// not safe for concurrent use.
type Reader struct {
	src    io.Reader
	rules  rules
	buffer []byte
	err    error
}

// NewReader returns a Reader of the stream that src gives from its beginning.
func NewReader(src io.Reader) *Reader { return Resume(src, Progress{}) }

// Resume returns a Reader that continues at p; src gives the stream from
// p.Offset on.
func Resume(src io.Reader, p Progress) *Reader { return &Reader{src: src, rules: resume(p)} }

// Next returns the next Chat or Message, or io.EOF after an end with the right
// counts and hashes and nothing behind it. What is no stream gives
// messaging.ErrInvalid; what came before is still true, as package media
// released authentic bytes only. An error stays.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	record, err := r.next()
	r.err = err
	return record, err
}

// Progress returns how far the Reader has come. At the end, Tallies are those
// of the stream.
func (r *Reader) Progress() Progress { return r.rules.progress() }

// Tallies returns count and hash of each chat with messages so far, to be held
// against the offer and against the vault.
func (r *Reader) Tallies() []content.ChatTally { return r.rules.tallies() }

func (r *Reader) next() (Record, error) {
	if r.rules.Records == 0 {
		if err := r.header(); err != nil {
			return nil, err
		}
	}
	b, err := r.read()
	if err != nil {
		return nil, err
	}
	var record Record
	switch b[0] {
	case 'C':
		record, err = r.chat(b)
	case 'M':
		record, err = r.message(b)
	case 'T', 'E':
		return nil, r.finish(b)
	default:
		err = ErrOrder
	}
	if err != nil {
		return nil, messaging.Invalid(err)
	}
	r.rules.count(len(b))
	return record, nil
}

// read returns the next record, valid until the next call.
func (r *Reader) read() ([]byte, error) {
	var head [lengthSize]byte
	if _, err := io.ReadFull(r.src, head[:]); err != nil {
		return nil, readError(err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 {
		return nil, messaging.Invalid(ErrMalformed)
	}
	if length > MaxRecord {
		return nil, messaging.Invalid(ErrTooLarge)
	}
	if int(length) > len(r.buffer) {
		r.buffer = make([]byte, max(int(length), 4<<10))
	}
	b := r.buffer[:length]
	if _, err := io.ReadFull(r.src, b); err != nil {
		return nil, readError(err)
	}
	return b, nil
}

func (r *Reader) header() error {
	b, err := r.read()
	if err != nil {
		return err
	}
	if len(b) != headerSize || b[0] != 'H' || b[1] != version {
		return messaging.Invalid(ErrMalformed)
	}
	h := Header{Account: messaging.AccountID(b[2:18]), Before: binary.BigEndian.Uint64(b[18:])}
	if h.Before > maxInteger {
		return messaging.Invalid(ErrMalformed)
	}
	r.rules.Header = h
	r.rules.count(len(b))
	return nil
}

func (r *Reader) chat(b []byte) (Record, error) {
	if len(b) != chatSize {
		return nil, ErrMalformed
	}
	c := Chat{
		Chat: messaging.ChatID(b[1:17]),
		Peer: messaging.AccountID(b[17:33]),
		Head: content.Head{Sequence: binary.BigEndian.Uint64(b[33:41]), Hash: [32]byte(b[41:])},
	}
	return c, r.rules.chat(c)
}

func (r *Reader) message(b []byte) (Record, error) {
	if len(b) < messageSize || b[50]&^(flagDelivered|flagRead) != 0 {
		return nil, ErrMalformed
	}
	raw := b[messageSize:]
	said, err := content.Parse(raw)
	if err != nil {
		return nil, err
	}
	m := Message{
		Chat:       messaging.ChatID(b[1:17]),
		Sender:     messaging.Address{Account: messaging.AccountID(b[17:33]), Device: messaging.DeviceID(b[33])},
		Order:      binary.BigEndian.Uint64(b[34:42]),
		ReceivedAt: binary.BigEndian.Uint64(b[42:50]),
		Delivered:  b[50]&flagDelivered != 0,
		Read:       b[50]&flagRead != 0,
		Content:    said,
	}
	return m, r.rules.message(m, raw)
}

// finish reads from the first tally to the end of the stream. It gives io.EOF
// when all is right. Progress stays before the first tally, so that a stream
// that breaks here resumes here.
func (r *Reader) finish(b []byte) error {
	records := r.rules.Records
	for _, want := range r.rules.tallies() {
		if len(b) != tallySize || b[0] != 'T' {
			return messaging.Invalid(ErrTally)
		}
		got := content.ChatTally{
			Chat:     messaging.ChatID(b[1:17]),
			Messages: binary.BigEndian.Uint64(b[17:25]),
			Hash:     [32]byte(b[25:]),
		}
		if got != want {
			return messaging.Invalid(ErrTally)
		}
		records++
		var err error
		if b, err = r.read(); err != nil {
			return err
		}
	}
	if len(b) != endSize || b[0] != 'E' || binary.BigEndian.Uint64(b[1:]) != records {
		return messaging.Invalid(ErrTally)
	}
	return r.ended()
}

func (r *Reader) ended() error {
	var one [1]byte
	_, err := io.ReadFull(r.src, one[:])
	if err == nil {
		return messaging.Invalid(ErrExtended)
	}
	return err
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return messaging.Invalid(ErrTruncated)
	}
	return err
}
