package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopPatience bounds the wait for a leftover; PostgreSQL writes a checkpoint first.
const stopPatience = 30 * time.Second

// stopLeftovers ends what an earlier run left when it was killed itself, in the
// order in which that run would have: the server, Redis, PostgreSQL. We hold the
// lock, so nobody else uses them.
func (h *home) stopLeftovers(place string, say func(string)) error {
	if err := stopLeft("server", h.path(serverPID), h.path(serverProgram), syscall.SIGTERM, say); err != nil {
		return err
	}
	if err := stopLeftRedis(place, say); err != nil {
		return err
	}
	data := filepath.Join(place, "data")
	if err := stopLeft("PostgreSQL", filepath.Join(data, "postmaster.pid"), data, syscall.SIGINT, say); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(place, "socket"))
}

// stopLeft ends the process whose number stands in pidFile, if mark stands on its
// command line, and removes the file: a number that belongs to another process by
// now would keep PostgreSQL from starting.
func stopLeft(name, pidFile, mark string, signal syscall.Signal, say func(string)) error {
	pid, err := readPID(pidFile)
	if err != nil {
		return err
	}
	if pid != 0 && runs(pid, mark) {
		say("stopping the " + name + " that an earlier run left")
		if err := end(pid, mark, signal); err != nil {
			return fmt.Errorf("stop the %s of an earlier run: %w", name, err)
		}
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readPID returns the number in the first line of a file, 0 when there is none.
func readPID(path string) (int, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0, nil
	}
	return pid, nil
}

// runs reports whether the process is alive and the one that was meant: numbers
// are used again, and a dead process that nobody waited for has no command line.
func runs(pid int, mark string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		b, err = exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && strings.Contains(string(b), mark)
}

// end signals a process that is not our child and waits until it is gone.
func end(pid int, mark string, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	late := time.NewTimer(stopPatience)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for runs(pid, mark) {
		select {
		case <-again.C:
		case <-late.C:
			return fmt.Errorf("process %d did not end within %s; end it yourself", pid, stopPatience)
		}
	}
	return nil
}
