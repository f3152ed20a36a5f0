package vault

import (
	"context"
	"errors"

	"github.com/tidwall/btree"
)

const (
	// minWaste is how many dead bytes a file may hold whatever it is worth: to
	// compact a small vault more often would cost more syncs than it saves.
	minWaste = 4 << 20
	// chunk is where compaction ends one frame and begins the next. A frame can
	// be larger by one record.
	chunk = 1 << 20
)

// wasteful says whether dead bytes outweigh live ones, so that the copying done
// over the life of a vault stays in proportion to what was committed.
func (f *File) wasteful() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.size-f.log.live > f.log.live+f.slack
}

// tidy compacts after a commit. The commit is durable whatever becomes of it:
// a failure is kept for the next commit if it broke the vault, else the next
// attempt waits until as much again has been wasted.
func (f *File) tidy(ctx context.Context) {
	err := f.replace(ctx, f.header.next(f.master()), f.master())
	switch {
	case err == nil:
		f.slack = min(f.slack, minWaste)
	case f.broken == nil && ctx.Err() == nil:
		f.slack += f.log.size
	}
}

// Compact writes the live records to a new file in place of the old one, so
// that deleted and replaced ones are gone from it. Commit does so by itself
// when more than half of the file is dead; the time is that of copying what is
// live. The number of commits stays.
func (f *File) Compact(ctx context.Context) error {
	f.commits.Lock()
	defer f.commits.Unlock()
	if err := f.ready(ctx); err != nil {
		return err
	}
	return f.replace(ctx, f.header.next(f.master()), f.master())
}

// Rekey seals the vault anew: a new master key, wrapped by s, and every record
// sealed again under it. After nil only s opens the vault. After ErrBroken
// either does, as the next open shows; after another error the old one does.
func (f *File) Rekey(ctx context.Context, s Sealer) error {
	f.commits.Lock()
	defer f.commits.Unlock()
	if err := f.ready(ctx); err != nil {
		return err
	}
	h, master, err := newHeader(ctx, f.header.vault, s)
	if err != nil {
		return err
	}
	return f.replace(ctx, h, master)
}

// replace writes all records to a new file under the header and renames it over
// the vault's. An error before the rename leaves the vault as it was; from the
// rename on nobody knows which file a crash would leave, and the vault is
// broken. commits is held, or the vault is not yet anyone's.
func (f *File) replace(ctx context.Context, h header, master *[32]byte) error {
	next, index, err := f.copyOut(ctx, h, master)
	if err != nil {
		return errors.Join(err, f.disk.Remove(f.name+suffixNew))
	}
	err = f.disk.Rename(f.name+suffixNew, f.name)
	if err == nil {
		err = f.disk.Sync()
	}
	if err != nil {
		f.broken = err
		return errors.Join(ErrBroken, err, next.file.Close())
	}
	f.adopt(next, index, h, master)
	return nil
}

// adopt makes the new file the vault's; snapshots keep the old one.
func (f *File) adopt(next *log, index *btree.Map[string, place], h header, master *[32]byte) {
	old := f.log
	f.mu.Lock()
	f.log, f.index = next, index
	f.mu.Unlock()
	if f.master != nil && f.master() != master {
		clear(f.master()[:])
	}
	f.header, f.master = h, hide(master)
	if old != nil {
		f.drop(old)
	}
}

// copyOut writes header and records to the new file and syncs it.
func (f *File) copyOut(ctx context.Context, h header, master *[32]byte) (*log, *btree.Map[string, place], error) {
	file, err := f.disk.Open(f.name+suffixNew, true)
	if err != nil {
		return nil, nil, err
	}
	c := copier{ctx: ctx, index: new(btree.Map[string, place])}
	if f.log != nil {
		c.from, c.commit = valueReader{log: f.log}, f.log.commits
	}
	err = c.run(file, h, master, f.index)
	if err == nil {
		err = f.lock.Held()
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return c.to, c.index, nil
}

// A copier seals records into the frames of one commit.
type copier struct {
	ctx     context.Context
	from    valueReader
	to      *log
	commit  uint64
	index   *btree.Map[string, place]
	pending []named
	size    int
	buf     []byte
}

func (c *copier) run(file diskFile, h header, master *[32]byte, records *btree.Map[string, place]) error {
	head := h.append(nil)
	if _, err := file.WriteAt(head, 0); err != nil {
		return err
	}
	c.to = newLog(file, &h, master, int64(len(head)))
	var err error
	records.Scan(func(n string, at place) bool {
		err = c.add(n, at)
		return err == nil
	})
	if err != nil {
		return err
	}
	if err := c.flush(true); err != nil {
		return err
	}
	return file.Sync()
}

func (c *copier) add(n string, at place) error {
	if c.size >= chunk {
		if err := c.flush(false); err != nil {
			return err
		}
	}
	value, err := c.from.read(n, at)
	if err != nil {
		return err
	}
	c.pending = append(c.pending, named{n, change{value: value}})
	c.size += cost(n, len(value))
	return nil
}

func (c *copier) flush(last bool) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	sealed, d, tag := c.to.keys.seal(c.buf[:0], c.to.before, c.commit, last, c.pending)
	c.buf = sealed
	if _, err := c.to.file.WriteAt(sealed, c.to.size); err != nil {
		return err
	}
	c.to.live += apply(c.index, frameOf(sealed, c.to.size, &d), &d)
	c.to.advance(int64(len(sealed)), tag, c.commit)
	c.pending, c.size = c.pending[:0], 0
	return nil
}
