package history

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client/content"
)

func id(b byte) [16]byte   { return [16]byte(bytes.Repeat([]byte{b}, 16)) }
func hash(b byte) [32]byte { return [32]byte(bytes.Repeat([]byte{b}, 32)) }

var header = Header{Account: id(0xaa), Before: 100}

func said(chat byte, order uint64, body content.Body) Message {
	return Message{
		Chat:       id(chat),
		Sender:     messaging.Address{Account: id(0xaa), Device: 2},
		Order:      order,
		ReceivedAt: 1_790_000_000_000,
		Delivered:  order%2 == 0,
		Read:       order%3 == 0,
		Content: content.Content{
			Message: id(byte(order)), Chat: id(chat), SentAt: 1_790_000_000_000,
			Own: content.Head{Hash: hash(1)}, Peer: content.Head{Hash: hash(2)}, Body: body,
		},
	}
}

func text(chat byte, order uint64) Message {
	return said(chat, order, content.Text{Text: strings.Repeat("x", int(order))})
}

func chat(b byte) Chat {
	return Chat{Chat: id(b), Peer: id(b + 1), Head: content.Head{Sequence: uint64(b), Hash: hash(b)}}
}

func records() []Record {
	return []Record{
		chat(0x10), text(0x10, 99), chat(0x20), text(0x20, 50), text(0x10, 49), chat(0x30),
		said(0x20, 48, content.Unknown{Number: 400, Raw: []byte("later")}), text(0x20, 1),
	}
}

func written(t testing.TB, list []Record) ([]byte, []content.ChatTally) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, header)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	tallies, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if w.Progress().Offset != uint64(out.Len()) {
		t.Fatalf("offset %d after %d bytes", w.Progress().Offset, out.Len())
	}
	return out.Bytes(), tallies
}

func readAll(r *Reader) (list []Record, err error) {
	for {
		record, err := r.Next()
		if err != nil {
			return list, err
		}
		list = append(list, record)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]Record{"none": nil, "one empty chat": {chat(1)}, "several": records()} {
		stream, tallies := written(t, list)
		r := NewReader(iotest.OneByteReader(bytes.NewReader(stream)))
		got, err := readAll(r)
		if err != io.EOF || !reflect.DeepEqual(got, list) {
			t.Errorf("%s: %v, read %+v", name, err, got)
		}
		if r.Progress().Header != header || !reflect.DeepEqual(r.Tallies(), tallies) {
			t.Errorf("%s: tallies %v, want %v", name, r.Tallies(), tallies)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: the end does not stay: %v", name, err)
		}
	}
}

// TestVector holds the format and the hashes against a committed stream.
func TestVector(t *testing.T) {
	t.Parallel()
	stream, tallies := written(t, records())
	want, err := os.ReadFile("testdata/stream.hex")
	if err != nil {
		t.Fatal(err)
	}
	got := hex.EncodeToString(stream) + "\n"
	for _, tally := range tallies {
		got += hex.EncodeToString(tally.Hash[:]) + "\n"
	}
	if got != string(want) {
		t.Errorf("written\n%s\npublished\n%s", got, want)
	}
}

// TestResume: a reader continues from any border of records, and comes to the
// same tallies.
func TestResume(t *testing.T) {
	t.Parallel()
	list := records()
	stream, tallies := written(t, list)
	first := NewReader(bytes.NewReader(stream))
	for i := range list {
		if _, err := first.Next(); err != nil {
			t.Fatal(err)
		}
		p := first.Progress()
		second := Resume(bytes.NewReader(stream[p.Offset:]), p)
		got, err := readAll(second)
		if err != io.EOF || len(got) != len(list)-i-1 || !reflect.DeepEqual(second.Tallies(), tallies) {
			t.Errorf("after %d: %d records, %v", i, len(got), err)
		}
		if !reflect.DeepEqual(first.Progress(), p) {
			t.Errorf("after %d: progress is shared", i)
		}
	}
}

func TestTruncatedExtendedFlipped(t *testing.T) {
	t.Parallel()
	stream, _ := written(t, records())
	for n := range stream {
		if _, err := readAll(NewReader(bytes.NewReader(stream[:n]))); !errors.Is(err, ErrTruncated) || !errors.Is(err, messaging.ErrInvalid) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
	if _, err := readAll(NewReader(bytes.NewReader(append(bytes.Clone(stream), 0)))); !errors.Is(err, ErrExtended) {
		t.Errorf("extended: %v", err)
	}
	original, _ := readAll(NewReader(bytes.NewReader(stream)))
	for i := range stream {
		stream[i] ^= 1
		list, err := readAll(NewReader(bytes.NewReader(stream)))
		// No record shows the header's account and limit.
		if err == io.EOF && reflect.DeepEqual(list, original) && i >= lengthSize+headerSize {
			t.Fatalf("byte %d changes nothing", i)
		}
		if err != io.EOF && err.Error() != messaging.ErrInvalid.Error() {
			t.Fatalf("byte %d: outside sees %q", i, err)
		}
		stream[i] ^= 1
	}
}

// split returns the records of a stream.
func split(stream []byte) (list [][]byte) {
	for len(stream) > 0 {
		n := lengthSize + binary.BigEndian.Uint32(stream)
		list = append(list, stream[:n:n])
		stream = stream[n:]
	}
	return list
}

// TestReordered: no record can be dropped, repeated or exchanged with its neighbour.
func TestReordered(t *testing.T) {
	t.Parallel()
	stream, _ := written(t, records())
	parts := split(stream)
	try := func(name string, list [][]byte) {
		t.Helper()
		if _, err := readAll(NewReader(bytes.NewReader(bytes.Join(list, nil)))); !errors.Is(err, messaging.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range parts {
		rest := parts[i+1:]
		try("dropped", append(append([][]byte{}, parts[:i]...), rest...))
		try("repeated", append(append([][]byte{}, parts[:i+1]...), parts[i:]...))
	}
	for _, i := range []int{0, 1, 3, 4, 7, 8, 9, 10} {
		swapped := append([][]byte{}, parts...)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		try("swapped", swapped)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	change := func(f func(*Message)) Message { m := text(0x10, 5); f(&m); return m }
	for name, try := range map[string]struct {
		records []Record
		want    error
	}{
		"message of no chat":      {[]Record{text(0x10, 5)}, ErrOrder},
		"chat twice":              {[]Record{chat(1), chat(1)}, ErrOrder},
		"rising order":            {[]Record{chat(0x10), text(0x10, 5), text(0x10, 6)}, ErrOrder},
		"equal order":             {[]Record{chat(0x10), text(0x10, 5), text(0x10, 5)}, ErrOrder},
		"beyond the header":       {[]Record{chat(0x10), text(0x10, 100)}, ErrOrder},
		"no order":                {[]Record{chat(0x10), change(func(m *Message) { m.Order = 0 })}, ErrOrder},
		"no device":               {[]Record{chat(0x10), change(func(m *Message) { m.Sender.Device = 0 })}, ErrMalformed},
		"no sender":               {[]Record{chat(0x10), change(func(m *Message) { m.Sender.Account = id(0) })}, ErrMalformed},
		"late":                    {[]Record{chat(0x10), change(func(m *Message) { m.ReceivedAt = maxInteger + 1 })}, ErrMalformed},
		"content of another":      {[]Record{chat(0x10), change(func(m *Message) { m.Content.Chat = id(9) })}, ErrContent},
		"typing":                  {[]Record{chat(0x10), said(0x10, 5, content.Typing{})}, ErrContent},
		"retry":                   {[]Record{chat(0x10), said(0x10, 5, content.Retry{Message: id(1), RatchetKey: [33]byte{5}, SentAt: 1})}, ErrContent},
		"content that is refused": {[]Record{chat(0x10), said(0x10, 5, content.Text{})}, content.ErrMissing},
		"chat without a peer":     {[]Record{Chat{Chat: id(1)}}, ErrMalformed},
		"nothing":                 {[]Record{nil}, ErrMalformed},
	} {
		w, err := NewWriter(io.Discard, header)
		for _, r := range try.records {
			if err == nil {
				err = w.Write(r)
			}
		}
		if !errors.Is(err, try.want) {
			t.Errorf("%s: %v, want %v", name, err, try.want)
		}
		if _, closed := w.Close(); closed != err {
			t.Errorf("%s: closed with %v", name, closed)
		}
	}
}

// TestCeilings: a length is checked before anything is allocated for it, and
// chats have a ceiling.
func TestCeilings(t *testing.T) {
	stream, _ := written(t, nil)
	long := append(bytes.Clone(split(stream)[0]), 0xff, 0xff, 0xff, 0xff)
	if _, err := readAll(NewReader(bytes.NewReader(long))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("length of 4 GiB: %v", err)
	}
	empty := append(bytes.Clone(split(stream)[0]), 0, 0, 0, 0)
	if _, err := readAll(NewReader(bytes.NewReader(empty))); !errors.Is(err, ErrMalformed) {
		t.Errorf("length of 0: %v", err)
	}
	r := resume(Progress{})
	for i := range MaxChats {
		c := chat(1)
		binary.BigEndian.PutUint32(c.Chat[:], uint32(i))
		if err := r.chat(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.chat(chat(2)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("chat beyond the ceiling: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, list := range [][]Record{nil, {chat(1)}, records()} {
		stream, _ := written(f, list)
		f.Add(stream)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		list, err := readAll(r)
		if err != io.EOF {
			if err.Error() != messaging.ErrInvalid.Error() {
				t.Fatalf("outside sees %q", err)
			}
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, r.Progress().Header)
		for _, record := range list {
			if err == nil {
				err = w.Write(record)
			}
		}
		if err == nil {
			_, err = w.Close()
		}
		if err != nil || !bytes.Equal(out.Bytes(), b) {
			t.Fatalf("%x reads, and writes as %x, %v", b, out.Bytes(), err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	list := []Record{chat(0x10)}
	for i := range uint64(1000) {
		m := text(0x10, 1)
		m.Order, m.Content.Body = 2000-i, content.Text{Text: strings.Repeat("x", 200)}
		list = append(list, m)
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Account: id(1)})
	for _, r := range list {
		if err == nil {
			err = w.Write(r)
		}
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(out.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readAll(NewReader(bytes.NewReader(out.Bytes()))); err != io.EOF {
			b.Fatal(err)
		}
	}
}
