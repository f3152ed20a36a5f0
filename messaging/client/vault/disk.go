package vault

import "io"

// A disk is what the file vault asks of a file system. The crash test puts
// one in its place that loses what was not synced.
type disk interface {
	// Open opens a file for reading and writing; with create it makes an empty
	// one, whatever was there. A missing file is fs.ErrNotExist.
	Open(name string, create bool) (diskFile, error)
	// Rename replaces the second name by the first, at once.
	Rename(from, to string) error
	// Remove deletes a file; a missing one is no error.
	Remove(name string) error
	// Sync makes the directory durable.
	Sync() error
	// Lock takes the name for this process, or returns ErrLocked. The system
	// gives it back when the process dies, however it dies.
	Lock(name string) (diskLock, error)
}

type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Size() (int64, error)
}

type diskLock interface {
	// Held returns ErrFenced when the lock file is no longer the one locked.
	Held() error
	Close() error
}
