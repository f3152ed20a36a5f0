//go:build !js

package vault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes an empty vault at path, sealed by s, and opens it. An existing
// file is ErrExists and is left alone.
func Create(ctx context.Context, path string, s Sealer) (*File, error) {
	return create(ctx, osDisk(filepath.Dir(path)), filepath.Base(path), s)
}

// Open opens the vault at path and makes the caller its owner, or returns
// ErrLocked. A missing file is fs.ErrNotExist. A file that is not a vault, or
// damaged, or sealed by something else is messaging.ErrInvalid; errors.Is finds
// which (ErrHeader, ErrVersion, ErrKey, ErrCost, ErrCorrupt).
func Open(ctx context.Context, path string, s Sealer) (*File, error) {
	return open(ctx, osDisk(filepath.Dir(path)), filepath.Base(path), s)
}

// osDisk is one directory of the operating system.
type osDisk string

func (d osDisk) path(name string) string { return filepath.Join(string(d), name) }

func (d osDisk) Open(name string, create bool) (diskFile, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(d.path(name), flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDisk) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d osDisk) Remove(name string) error {
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d osDisk) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// osFile is an *os.File; its Sync is F_FULLFSYNC on Apple's systems.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// osLock is a locked file. The file is never removed: a second process could
// then lock a new one of the same name.
type osLock struct {
	file *os.File
	path string
}

func (d osDisk) Lock(name string) (diskLock, error) {
	path := d.path(name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return &osLock{f, path}, nil
}

func (l *osLock) Held() error {
	ours, err := l.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.path)
	if err != nil || !os.SameFile(ours, there) {
		return ErrFenced
	}
	return nil
}

func (l *osLock) Close() error { return l.file.Close() }
