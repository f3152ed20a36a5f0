// Package script is the terminal client for programs: JSON lines in, JSON lines
// out. It decides nothing itself: package member does everything. The commands and
// their answers are docs/terminal.md.
package script

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/messaging/client"
)

// maxLine bounds a command in bytes: the longest text, escaped six-fold, and the
// rest.
const maxLine = 128 << 10

// ErrCommand is what Run returns under Strict when a command failed.
var ErrCommand = errors.New("script: a command failed")

// Script runs commands at a Member.
type Script struct {
	Member *member.Member
	// Strict ends the script at the first command that fails.
	Strict bool

	mu      sync.Mutex
	out     io.Writer
	listen  bool
	changed chan struct{} // closed and replaced with each batch of news
	dead    error         // the device stopped
}

// Run reads commands until quit, the end of in, or ctx.
func (s *Script) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	s.out, s.changed = out, make(chan struct{})
	var pump sync.WaitGroup
	pump.Go(func() { s.pump(ctx) })
	defer pump.Wait()
	defer cancel()
	lines := make(chan []byte)
	errs := make(chan error, 1)
	go func() { errs <- readLines(ctx, in, lines) }() // ends with in: reading a pipe cannot be interrupted
	for {
		select {
		case line := <-lines:
			more, err := s.command(ctx, line)
			if err != nil || !more {
				return err
			}
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLines hands lines over until the end. One that is too long is handed over
// cut, so that it fails as what it is.
func readLines(ctx context.Context, in io.Reader, lines chan<- []byte) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(r)
		if len(line) > 0 {
			select {
			case lines <- line:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if room := maxLine + 1 - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), err
		}
	}
}

// pump takes in the device's news for as long as the script runs.
func (s *Script) pump(ctx context.Context) {
	for {
		events, err := s.Member.Next(ctx)
		s.mu.Lock()
		if err != nil && ctx.Err() == nil {
			s.dead = err
		}
		close(s.changed)
		s.changed = make(chan struct{})
		listen := s.listen
		s.mu.Unlock()
		if listen {
			for _, e := range events {
				s.print(showEvent(e))
			}
		}
		if err != nil {
			return
		}
	}
}

func (s *Script) print(v any) {
	line, err := encode(v)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.out.Write(line)
}

// until waits for a condition, asking again whenever something changed.
func (s *Script) until(ctx context.Context, most time.Duration, met func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		s.mu.Lock()
		changed, dead := s.changed, s.dead
		s.mu.Unlock()
		now := s.Member.Now()
		ok, err := met()
		if ok || err != nil {
			return err
		}
		if dead != nil {
			return dead
		}
		select {
		case <-changed:
		case <-now.Changed:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fault{Code: "timeout"}
			}
			return ctx.Err()
		}
	}
}

// command runs one line and prints its answer. more is false after quit.
func (s *Script) command(ctx context.Context, line []byte) (more bool, err error) {
	var head struct {
		Do  string          `json:"do"`
		Ref json.RawMessage `json:"ref"`
	}
	if len(line) > maxLine {
		return s.fail("", nil, fault{Code: "too_long", Field: "line"})
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return s.fail("", nil, fault{Code: "not_json", Field: "line", Expected: `an object such as {"do":"status"}`})
	}
	run, ok := commands[head.Do]
	if !ok {
		return s.fail(head.Do, head.Ref, fault{Code: "unknown_command", Field: "do", Received: head.Do})
	}
	answer, err := run(ctx, s, line)
	if err != nil {
		return s.fail(head.Do, head.Ref, err)
	}
	s.print(reply{OK: true, Do: head.Do, Ref: head.Ref, Answer: answer})
	return head.Do != "quit", nil
}

func (s *Script) fail(do string, ref json.RawMessage, err error) (more bool, end error) {
	f := faultOf(err)
	s.print(reply{Do: do, Ref: ref, Error: &f})
	if s.Strict {
		return false, ErrCommand
	}
	if errors.Is(err, client.ErrClosed) {
		return false, err
	}
	return true, nil
}
