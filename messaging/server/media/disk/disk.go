// Package disk keeps objects of media as files of a local directory: written
// under another name, synced, and renamed. It knows no tenant's rules and no
// database; package messaging/server/media says what an object is.
package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sottochat/sotto/messaging/server/media"
)

// Config says where files lie.
type Config struct {
	// Dir is made when it is missing. Example: /var/lib/sotto/media.
	Dir string
	// Reserve is how many bytes of the file system media leave free, for
	// whatever else lies there: PostgreSQL stops when its disk is full.
	// 0 means 1 GiB.
	Reserve uint64
}

const defaultReserve = 1 << 30

// incoming marks a file that is being written, or was when the machine stopped.
const incoming = ".incoming"

// Disk is a directory of objects:
// tenant / first byte of the blob / second byte / blob.object, in hexadecimal.
// Two levels of 256 keep directories small at millions of blobs.
type Disk struct {
	dir     string
	reserve uint64
}

// New makes the directory and tries whether files can be made in it.
func New(cfg Config) (*Disk, error) {
	if cfg.Dir == "" {
		return nil, errors.New("media directory: expected a path, received none")
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = defaultReserve
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("media directory: %w", err)
	}
	trial, err := os.CreateTemp(cfg.Dir, "trial-")
	if err != nil {
		return nil, fmt.Errorf("media directory: %w", err)
	}
	if err := errors.Join(trial.Close(), os.Remove(trial.Name())); err != nil {
		return nil, fmt.Errorf("media directory: %w", err)
	}
	return &Disk{cfg.Dir, cfg.Reserve}, nil
}

func (d *Disk) path(key media.Key) string {
	blob := hex.EncodeToString(key.Blob[:])
	return filepath.Join(d.dir, hex.EncodeToString(key.Tenant[:]), blob[:2], blob[2:4], blob+"."+hex.EncodeToString(key.Object[:]))
}

// Put writes a file, syncs it, gives it its name and syncs the directory.
func (d *Disk) Put(_ context.Context, key media.Key, r io.Reader) (int64, error) {
	if free, known := freeBytes(d.dir); known && free < d.reserve {
		return 0, media.ErrFull
	}
	path := d.path(key)
	if err := makeDurable(d.dir, filepath.Dir(path)); err != nil {
		return 0, clean(err)
	}
	n, err := write(path+incoming, r)
	if err == nil {
		err = os.Rename(path+incoming, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path + incoming)
		os.Remove(path)
		return 0, clean(err)
	}
	return n, nil
}

func write(name string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}

// makeDurable makes the directories between root and dir and syncs the parent
// of each that is new, so that a file in it is found after a loss of power.
func makeDurable(root, dir string) error {
	if dir == root {
		return nil
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDurable(root, filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open opens the file at an offset.
func (d *Disk) Open(_ context.Context, key media.Key, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, clean(err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, clean(err)
	}
	return section{io.LimitReader(f, length), f}, nil
}

type section struct {
	io.Reader
	io.Closer
}

// Delete removes the file, finished or not.
func (d *Disk) Delete(_ context.Context, key media.Key) error {
	for _, name := range []string{d.path(key), d.path(key) + incoming} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return clean(err)
		}
	}
	return nil
}

// Walk visits every file that has an object's name.
func (d *Disk) Walk(ctx context.Context, each func(media.Stored) error) error {
	return filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted since its directory was read
			return nil
		case err != nil:
			return clean(err)
		case entry.IsDir():
			return nil
		}
		key, ok := d.parse(path)
		info, err := entry.Info()
		if !ok || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return clean(err)
		}
		return each(media.Stored{Key: key, Changed: info.ModTime()})
	})
}

// parse is the inverse of path.
func (d *Disk) parse(path string) (key media.Key, ok bool) {
	relative, err := filepath.Rel(d.dir, path)
	if err != nil {
		return key, false
	}
	parts := strings.Split(relative, string(filepath.Separator))
	if len(parts) != 4 {
		return key, false
	}
	blob, object, _ := strings.Cut(strings.TrimSuffix(parts[3], incoming), ".")
	ok = decode(key.Tenant[:], parts[0]) && decode(key.Blob[:], blob) && decode(key.Object[:], object)
	return key, ok && d.path(key) == strings.TrimSuffix(path, incoming)
}

func decode(dst []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil
}

// clean keeps paths out of errors and tells apart what a caller can act on.
func clean(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return media.ErrFull
	case errors.Is(err, fs.ErrNotExist):
		return media.ErrMissing
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%w: %s: %w", media.ErrStore, path.Op, path.Err)
	}
	return fmt.Errorf("%w: %w", media.ErrStore, err)
}
