package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// home is the folder that holds everything of a run; whoever has it open has it
// for himself.
type home struct {
	dir  string
	lock *os.File
}

// homeMode lets the database's user pass through, when we are root, to the one
// folder that is his. Every file with a secret is closed by its own mode.
const homeMode = 0o711

// openHome makes the folder and locks it. The lock is the kernel's: it ends with
// this process, however that ends.
func openHome(dir string) (*home, error) {
	if err := os.MkdirAll(dir, homeMode); err != nil {
		return nil, fmt.Errorf("make the folder of the run: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s belongs to another user: remove it, or name another folder with --dir", dir)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		holder, _ := io.ReadAll(io.LimitReader(lock, 32))
		return nil, fmt.Errorf("already running from %s, as process %s: stop it first (Ctrl-C there), or name another folder with --dir",
			dir, strings.TrimSpace(string(holder)))
	}
	pid := fmt.Appendln(nil, os.Getpid())
	err = errors.Join(lock.Truncate(0), writeAt(lock, pid))
	return &home{dir, lock}, err
}

func writeAt(f *os.File, b []byte) error {
	_, err := f.WriteAt(b, 0)
	return err
}

func (h *home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// close gives the folder free.
func (h *home) close() { h.lock.Close() }

// reset removes what earlier runs left, except the lock that we hold.
func (h *home) reset() error {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		err = errors.Join(err, os.RemoveAll(h.path(e.Name())))
	}
	return err
}

// keep returns the content of a file that only we may read, made at the first run.
func (h *home) keep(name string, make func() ([]byte, error)) ([]byte, error) {
	path := h.path(name)
	b, err := os.ReadFile(path)
	if err == nil {
		return b, os.Chmod(path, 0o600)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if b, err = make(); err != nil {
		return nil, err
	}
	return b, h.put(name, b)
}

// put writes a file that only we may read, all of it or nothing.
func (h *home) put(name string, content []byte) error {
	f, err := os.CreateTemp(h.dir, name+".new-") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), h.path(name))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
