//go:build !js

package interop_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	// maxAnswer is the longest line of the peer in bytes (testdata/peer/README.md).
	maxAnswer = 1 << 20
	// patience is how long a peer may take for one answer before it counts as
	// hung: a thousand times what the slowest takes.
	patience = 2 * time.Minute
	// grace is how long it may take to end before it is killed.
	grace = 10 * time.Second
)

// process is a running peer. Its methods may be called at the same time; it
// answers one request after another.
type process struct {
	hello hello

	mu   sync.Mutex
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.Closer
	scan *bufio.Scanner
	next int
}

// hello is how a peer introduces itself.
type hello struct {
	Libsignal string
	Node      string
	Features  struct{ UsePqFlag, EncLocal bool }
}

// refusal is the peer's answer to a request that it could not fulfil: the only
// error of call that is not a broken peer.
type refusal struct{ Name, Message string }

func (r *refusal) Error() string { return r.Name + ": " + r.Message }

// run starts a peer that ends with t.
func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.scan = out, bufio.NewScanner(out)
	p.scan.Buffer(nil, maxAnswer)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the peer %v: %v", cmd.Args, err)
	}
	t.Cleanup(p.end)
	if err := p.call("hello", nil, &p.hello); err != nil {
		t.Fatalf("the peer %v does not say hello: %v", cmd.Args, err)
	}
	return p
}

func (p *process) end() {
	// A peer ends when its stdin does; one that writes without being asked, when
	// nobody reads it.
	_, _ = p.in.Close(), p.out.Close()
	watch := time.AfterFunc(grace, func() { _ = p.cmd.Process.Kill() })
	defer watch.Stop()
	_ = p.cmd.Wait() // how it ends is no matter of the protocol
}

// call sends a request and reads its answer into result.
func (p *process) call(cmd string, params, result any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	request, err := json.Marshal(struct {
		ID     int    `json:"id"`
		Cmd    string `json:"cmd"`
		Params any    `json:"params,omitempty"`
	}{p.next, cmd, params})
	if err != nil {
		return err
	}
	watch := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer watch.Stop()
	if _, err := p.in.Write(append(request, '\n')); err != nil {
		return fmt.Errorf("write to the peer: %w", err)
	}
	if !p.scan.Scan() {
		return fmt.Errorf("the peer is gone: %w", errors.Join(p.scan.Err(), io.ErrUnexpectedEOF))
	}
	return p.answer(p.scan.Bytes(), result)
}

func (p *process) answer(line []byte, result any) error {
	var answer struct {
		ID     int
		OK     bool
		Result json.RawMessage
		Error  *refusal
	}
	switch err := json.Unmarshal(line, &answer); {
	case err != nil:
		return fmt.Errorf("the peer answers something else than JSON: %w", err)
	case answer.ID != p.next:
		return fmt.Errorf("the peer answers request %d, expected %d", answer.ID, p.next)
	case !answer.OK && answer.Error == nil:
		return errors.New("the peer refuses without an error")
	case !answer.OK:
		return answer.Error
	case result == nil:
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}
