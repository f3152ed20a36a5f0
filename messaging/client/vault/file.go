package vault

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"sync"

	"github.com/tidwall/btree"
)

// Names beside the vault's own: the file being written by a compaction, and the
// one that is locked for as long as the vault is open.
const (
	suffixNew  = ".new"
	suffixLock = ".lock"
)

// File is a vault in one file. In memory it holds the keys of all records and
// where their values lie; values stay on disk. It starts no goroutine.
type File struct {
	disk disk
	name string
	lock diskLock

	commits sync.Mutex // held through a commit, a compaction, Close
	header  header     // guarded by commits
	master  hidden     // guarded by commits
	broken  error      // guarded by commits
	buf     []byte     // guarded by commits
	slack   int64      // guarded by commits
	torn    int64      // bytes cut when the vault was opened

	mu     sync.Mutex // held for moments; taken after commits
	index  *btree.Map[string, place]
	log    *log // frames appended under commits; users and live guarded by mu
	closed bool
}

func create(ctx context.Context, d disk, name string, s Sealer) (*File, error) {
	f, err := lock(d, name)
	if err != nil {
		return nil, err
	}
	if err := f.found(ctx, s); err != nil {
		return nil, errors.Join(err, f.lock.Close())
	}
	return f, nil
}

func open(ctx context.Context, d disk, name string, s Sealer) (*File, error) {
	f, err := lock(d, name)
	if err != nil {
		return nil, err
	}
	if err := f.load(ctx, s); err != nil {
		return nil, errors.Join(err, f.lock.Close())
	}
	return f, nil
}

func lock(d disk, name string) (*File, error) {
	l, err := d.Lock(name + suffixLock)
	if err != nil {
		return nil, err
	}
	return &File{disk: d, name: name, lock: l, index: new(btree.Map[string, place]), slack: minWaste}, nil
}

// found makes the first file of a vault: a header and commit 0, which is empty.
func (f *File) found(ctx context.Context, s Sealer) error {
	old, err := f.disk.Open(f.name, false)
	if err == nil {
		return errors.Join(ErrExists, old.Close())
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h, master, err := newHeader(ctx, [idSize]byte(randomSalt()), s)
	if err != nil {
		return err
	}
	return f.replace(ctx, h, master)
}

// load opens an existing file. It returns only when what it shows is durable.
func (f *File) load(ctx context.Context, s Sealer) error {
	if err := f.disk.Remove(f.name + suffixNew); err != nil {
		return err
	}
	file, err := f.disk.Open(f.name, false)
	if err != nil {
		return err
	}
	if err := f.replay(ctx, file, s); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

func (f *File) replay(ctx context.Context, file diskFile, s Sealer) error {
	end, err := file.Size()
	if err != nil {
		return err
	}
	head := make([]byte, min(end, int64(maxHeader)))
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	h, size, err := parseHeader(head)
	if err != nil {
		return err
	}
	master, err := h.unseal(ctx, s)
	if err != nil {
		return err
	}
	l := newLog(file, &h, master, int64(size))
	if err := l.replay(end, func(at *frame, d *directory) { l.live += apply(f.index, at, d) }); err != nil {
		return err
	}
	f.header, f.master, f.log, f.torn = h, hide(master), l, l.torn
	return f.disk.Sync()
}

func newLog(file diskFile, h *header, master *[32]byte, size int64) *log {
	return &log{file: file, keys: h.keys(master), size: size, before: chain(h.mac[:tagSize]), users: 1}
}

// apply brings the index up to a frame and returns by how much the bytes of
// live records changed.
func apply(index *btree.Map[string, place], at *frame, d *directory) (live int64) {
	for _, e := range d.entries {
		var old place
		var had bool
		if e.delete {
			old, had = index.Delete(e.name)
		} else {
			old, had = index.Set(e.name, place{at, e.offset, e.index, e.size})
			live += int64(cost(e.name, int(e.size)))
		}
		if had {
			live -= int64(cost(e.name, int(old.size)))
		}
	}
	return live
}

// Recovered is how many bytes Open cut from the end of the file: a commit that
// a crash interrupted, or damage to the last one. Zero is usual.
func (f *File) Recovered() int64 { return f.torn }

// View implements Vault.
func (f *File) View(ctx context.Context, read func(Reader) error) error {
	s, err := f.snapshot(ctx)
	if err != nil {
		return err
	}
	defer f.release(s)
	return read(s)
}

func (f *File) snapshot(ctx context.Context) (*fileReader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.log.users++
	return &fileReader{index: f.index.Copy(), log: f.log, commits: f.log.commits}, nil
}

func (f *File) release(s *fileReader) {
	s.done = true
	f.drop(s.log)
}

// drop ends one use of a log and closes its file after the last. The data was
// synced long ago, so there is nothing to learn from the error.
func (f *File) drop(l *log) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.users--; l.users == 0 {
		clear(l.keys.secret()[:])
		l.file.Close()
	}
}

// Commit implements Vault: one frame, one sync.
func (f *File) Commit(ctx context.Context, b *Batch) error {
	f.commits.Lock()
	defer f.commits.Unlock()
	if err := f.ready(ctx); err != nil {
		return err
	}
	if err := b.check(f.log.commits); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	if err := f.append(b); err != nil {
		f.broken = err
		return errors.Join(ErrBroken, err)
	}
	if f.wasteful() {
		f.tidy(ctx)
	}
	return nil
}

// ready says whether this owner may write; commits is held.
func (f *File) ready(ctx context.Context) error {
	switch {
	case f.closed:
		return ErrClosed
	case f.broken != nil:
		return errors.Join(ErrBroken, f.broken)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return f.lock.Held()
}

// append writes the batch as a frame, syncs, and only then shows it.
func (f *File) append(b *Batch) error {
	changes := make([]named, 0, b.Len())
	b.changes.Scan(func(n string, c change) bool {
		changes = append(changes, named{n, c})
		return true
	})
	l := f.log
	sealed, d, tag := l.keys.seal(f.buf[:0], l.before, l.commits+1, true, changes)
	at := frameOf(sealed, l.size, &d)
	if cap(sealed) <= keepBuffer {
		f.buf = sealed
	}
	if _, err := l.file.WriteAt(sealed, l.size); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l.advance(int64(len(sealed)), tag, d.commit)
	l.live += apply(f.index, at, &d)
	return nil
}

// keepBuffer is the largest buffer kept from one commit to the next.
const keepBuffer = 64 << 10

// frameOf is what the index keeps of a sealed frame at an offset.
func frameOf(sealed []byte, offset int64, d *directory) *frame {
	return &frame{
		body:   offset + int64(len(sealed)) - int64(d.body()),
		salt:   [saltSize]byte(sealed[idSize:]),
		commit: d.commit,
	}
}

// Close implements Vault. It waits for a commit that is under way; a View that
// is under way may finish.
func (f *File) Close() error {
	f.commits.Lock()
	defer f.commits.Unlock()
	if !f.shut() {
		return nil
	}
	clear(f.master()[:])
	f.drop(f.log)
	return f.lock.Close()
}

func (f *File) shut() (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, f.closed = !f.closed, true
	return first
}

// A fileReader is a snapshot: a copy of the index, and the file it points into.
type fileReader struct {
	index   *btree.Map[string, place]
	log     *log
	commits uint64
	done    bool
}

func (r *fileReader) Commits() uint64 { return r.commits }

func (r *fileReader) Get(kind Kind, key []byte) ([]byte, error) {
	if r.done {
		return nil, ErrClosed
	}
	n := name(kind, key)
	at, ok := r.index.Get(n)
	if !ok {
		return nil, ErrNotFound
	}
	values := valueReader{log: r.log}
	return values.read(n, at)
}

func (r *fileReader) Scan(kind Kind, within Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if r.done {
			yield(Record{}, ErrClosed)
			return
		}
		values := valueReader{log: r.log}
		for n, at := range ordered(r.index, kind, within) {
			record := Record{Key: []byte(n[1:])}
			var err error
			if !within.KeysOnly {
				record.Value, err = values.read(n, at)
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}
