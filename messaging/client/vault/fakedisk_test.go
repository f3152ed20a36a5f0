package vault

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
)

var (
	errCrash = errors.New("fake disk: the machine is down")
	errFault = errors.New("fake disk: no space or no luck")
)

// A fakeDisk keeps apart what a running program sees and what a crash leaves.
// Every call that changes something is a step; at stopAt the machine dies in
// the middle of it, at failAt the step fails and the machine lives.
type fakeDisk struct {
	names   map[string]*fakeFile // as the program sees them
	durable map[string]*fakeFile
	journal []dirChange // changes of names since the last Sync, in order
	locked  bool
	steps   int
	stopAt  int
	failAt  int
	dead    bool
	failed  bool
}

// A dirChange gives a name to a file; nil removes it. A rename is two at once.
type dirChange struct {
	name string
	file *fakeFile
	also string // removed in the same step
}

func newFakeDisk() *fakeDisk {
	return &fakeDisk{names: map[string]*fakeFile{}, durable: map[string]*fakeFile{}, stopAt: -1, failAt: -1}
}

// step counts. The caller records its change as not yet durable before, unless
// the step is to make something durable.
func (d *fakeDisk) step() error {
	if d.dead {
		return errCrash
	}
	d.steps++
	switch d.steps - 1 {
	case d.stopAt:
		d.dead = true
		return errCrash
	case d.failAt:
		d.failed = true
		return errFault
	}
	return nil
}

func (d *fakeDisk) change(c dirChange) error {
	if d.dead {
		return errCrash
	}
	d.journal = append(d.journal, c)
	err := d.step()
	if errors.Is(err, errFault) {
		d.journal = d.journal[:len(d.journal)-1]
		return err
	}
	c.apply(d.names)
	return err
}

func (c dirChange) apply(names map[string]*fakeFile) {
	delete(names, c.also)
	if c.file == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.file
	}
}

func (d *fakeDisk) Open(name string, create bool) (diskFile, error) {
	if d.dead {
		return nil, errCrash
	}
	f := d.names[name]
	switch {
	case create:
		f = &fakeFile{disk: d}
		if err := d.change(dirChange{name: name, file: f}); err != nil {
			return nil, err
		}
	case f == nil:
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (d *fakeDisk) Rename(from, to string) error {
	return d.change(dirChange{name: to, file: d.names[from], also: from})
}

func (d *fakeDisk) Remove(name string) error {
	if d.names[name] == nil {
		return nil
	}
	return d.change(dirChange{name: name})
}

func (d *fakeDisk) Sync() error {
	if err := d.step(); err != nil {
		return err
	}
	d.durable, d.journal = maps.Clone(d.names), nil
	return nil
}

func (d *fakeDisk) Lock(string) (diskLock, error) {
	if d.dead {
		return nil, errCrash
	}
	if d.locked {
		return nil, ErrLocked
	}
	d.locked = true
	return fakeLock{d}, nil
}

type fakeLock struct{ disk *fakeDisk }

func (l fakeLock) Held() error  { return nil }
func (l fakeLock) Close() error { l.disk.locked = false; return nil }

// A fakeFile has what reads see, what is durable, and the writes in between.
type fakeFile struct {
	disk    *fakeDisk
	data    []byte
	durable []byte
	pending []fakeWrite
}

// A fakeWrite writes bytes at an offset or, without bytes, sets the size.
type fakeWrite struct {
	at int64
	b  []byte
}

func (w fakeWrite) apply(data []byte) []byte {
	if w.b == nil {
		if w.at < int64(len(data)) {
			return data[:w.at:w.at]
		}
		return append(data, make([]byte, w.at-int64(len(data)))...)
	}
	if end := w.at + int64(len(w.b)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.at:], w.b)
	return data
}

func (f *fakeFile) ReadAt(b []byte, at int64) (int, error) {
	if f.disk.dead {
		return 0, errCrash
	}
	if at > int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *fakeFile) WriteAt(b []byte, at int64) (int, error) {
	return len(b), f.write(fakeWrite{at, slices.Clone(b)})
}

func (f *fakeFile) Truncate(size int64) error { return f.write(fakeWrite{at: size}) }

// write fails half way: what a full disk leaves of it is still there.
func (f *fakeFile) write(w fakeWrite) error {
	if f.disk.dead {
		return errCrash
	}
	err := f.disk.step()
	if errors.Is(err, errFault) {
		if w.b == nil {
			return err
		}
		w.b = w.b[:len(w.b)/2]
	}
	f.pending = append(f.pending, w)
	f.data = w.apply(f.data)
	return err
}

// Sync that fails forgets what it should have written, as Linux does: reads
// still see it, and a later Sync that succeeds does not make it durable.
func (f *fakeFile) Sync() error {
	err := f.disk.step()
	switch {
	case errors.Is(err, errFault):
		f.pending = nil
	case err == nil:
		for _, w := range f.pending {
			f.durable = w.apply(f.durable)
		}
		f.pending = nil
	}
	return err
}

func (f *fakeFile) Size() (int64, error) { return int64(len(f.data)), nil }
func (f *fakeFile) Close() error         { return nil }

// A loss says what a power cut leaves of the changes that were not synced.
type loss struct {
	names int // how many changes of names survive
	bytes int // how many written bytes, counted over the pending writes
	part  part
}

// A part says which bytes of a write survive, and what becomes of the rest.
type part int

const (
	head  part = iota // the first ones; the file ends there
	holed             // the first ones, then zeros: the size was written, not the data
	tail              // the last ones, behind zeros
	parts
)

// powerCut returns the machine after the loss.
func (d *fakeDisk) powerCut(l loss) *fakeDisk {
	names := maps.Clone(d.durable)
	for _, c := range d.journal[:min(l.names, len(d.journal))] {
		c.apply(names)
	}
	next := newFakeDisk()
	for name, f := range names {
		data := f.after(l)
		file := &fakeFile{disk: next, data: data, durable: slices.Clone(data)}
		next.names[name], next.durable[name] = file, file
	}
	return next
}

func (f *fakeFile) after(l loss) []byte {
	data := slices.Clone(f.durable)
	left := l.bytes
	for _, w := range f.pending {
		n := min(left, max(1, len(w.b))) // a change of size counts as one byte
		left -= n
		data = w.survive(data, n, l.part)
	}
	return data
}

// survive applies n bytes of the write, or for a tail all but n.
func (w fakeWrite) survive(data []byte, n int, p part) []byte {
	switch {
	case w.b == nil:
		if (n > 0) != (p == tail) {
			data = w.apply(data)
		}
	case p == tail && n < len(w.b):
		data = fakeWrite{w.at + int64(n), w.b[n:]}.apply(data)
	case p != tail && n > 0:
		data = fakeWrite{w.at, w.b[:n]}.apply(data)
	}
	if end := w.at + int64(len(w.b)); p == holed && n > 0 && end > int64(len(data)) {
		data = fakeWrite{at: end}.apply(data)
	}
	return data
}

// pendingBytes is the largest loss.bytes that makes a difference.
func (d *fakeDisk) pendingBytes() (most int) {
	files := slices.Collect(maps.Values(d.names))
	for _, c := range d.journal {
		if c.file != nil {
			files = append(files, c.file)
		}
	}
	for _, f := range files {
		n := 0
		for _, w := range f.pending {
			n += max(1, len(w.b))
		}
		most = max(most, n)
	}
	return most
}

// kill ends the process and not the machine: what was written can be read, and
// is no more durable than before.
func (d *fakeDisk) kill() {
	d.dead, d.locked, d.stopAt, d.failAt, d.steps = false, false, -1, -1, 0
}
