package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child of ours. Its number stands in a file as long as it runs, so
// that a run after a SIGKILL finds what that one left.
type process struct {
	cmd     *exec.Cmd
	pidFile string
	done    chan struct{}
	err     error // how it ended; read after done is closed
}

// startProcess runs cmd with its output in log. It is in a process group of its
// own: Ctrl-C in a terminal reaches everything in the foreground group, and the
// order of stopping is ours.
func startProcess(cmd *exec.Cmd, stdout, stderr io.Writer, pidFile string) (*process, error) {
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, pidFile: pidFile, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// stop asks the process to end, and ends it when it takes longer than patience.
func (p *process) stop(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.done:
		os.Remove(p.pidFile)
		return nil
	case <-late.C:
		p.kill()
		return fmt.Errorf("had to be killed, %s after it was asked to end", patience)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	os.Remove(p.pidFile)
}

// openLog opens a part's log, begun anew when it has grown long.
func openLog(path string) (*os.File, error) {
	const tooLong = 8 << 20 // bytes: a week of a newcomer's trying
	if info, err := os.Stat(path); err == nil && info.Size() > tooLong {
		os.Remove(path)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// logEnd returns the last lines of a log, for an error.
func logEnd(path string) string {
	const lines, most = 8, 4 << 10
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, most))
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
