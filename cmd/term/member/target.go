package member

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// target is a media.Target: a hidden file that gets its name when all of it is
// there.
type target struct {
	*os.File
	folder, name string
	path         string // set by Commit
}

// maxSameName bounds the search for a name that is free.
const maxSameName = 1000

func newTarget(folder, name string) (*target, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", withoutPath(err))
	}
	f, err := os.CreateTemp(folder, ".part-*") // only its owner can read it
	if err != nil {
		return nil, withoutPath(err)
	}
	return &target{File: f, folder: folder, name: name}, nil
}

// Commit implements media.Target. It never replaces a file.
func (t *target) Commit() error {
	if err := errors.Join(t.Sync(), t.Close()); err != nil {
		return errors.Join(err, os.Remove(t.Name()))
	}
	path, err := t.reserve()
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		return errors.Join(withoutPath(err), os.Remove(t.Name()))
	}
	t.path = path
	return nil
}

// Abort implements media.Target.
func (t *target) Abort() error { return errors.Join(t.Close(), os.Remove(t.Name())) }

// reserve makes an empty file under the first free name, so that nobody else
// takes it before the rename.
func (t *target) reserve() (string, error) {
	ending := filepath.Ext(t.name)
	stem := strings.TrimSuffix(t.name, ending)
	for i := range maxSameName {
		name := t.name
		if i > 0 {
			name = fmt.Sprintf("%s (%d)%s", stem, i, ending)
		}
		path := filepath.Join(t.folder, name)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return path, f.Close()
	}
	return "", fs.ErrExist
}
