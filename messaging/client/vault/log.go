package vault

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"io"

	"github.com/sottochat/sotto/messaging"
)

// A log is the chain of frames of one file: what it takes to read them and to
// append the next.
type log struct {
	file    diskFile
	keys    keys
	size    int64 // of the header and the whole frames
	tail    int64 // where the last commit begins, if it may not be synced
	before  chain
	commits uint64
	torn    int64 // bytes that the last replay cut off
	live    int64 // bytes of records that are not replaced or deleted
	users   int   // snapshots that read this file, and the vault itself
}

// advance moves the end behind a frame that was written there.
func (l *log) advance(n int64, tag chain, commit uint64) {
	l.size += n
	l.before, l.commits = tag, commit
}

// replay reads the frames behind the header, gives each to apply, cuts a torn
// tail and makes what is left durable. end is the size of the file.
func (l *log) replay(end int64, apply func(*frame, *directory)) error {
	if err := l.replayFirst(end, apply); err != nil {
		return err
	}
	if err := l.replayRest(end, apply); err != nil {
		return err
	}
	return l.settle()
}

// replayFirst reads the first commit. It may span frames and was synced before
// the file got its name, so a crash is no excuse for damage here.
func (l *log) replayFirst(end int64, apply func(*frame, *directory)) error {
	for started, last := false, false; !last; started = true {
		f, err := l.read(end)
		if err != nil {
			return err
		}
		if started && f.dir.commit != l.commits {
			return messaging.Invalid(ErrCorrupt)
		}
		l.accept(f, apply)
		last = f.dir.last
	}
	l.tail = l.size
	return nil
}

func (l *log) replayRest(end int64, apply func(*frame, *directory)) error {
	for l.size < end {
		f, err := l.read(end)
		if err == nil && f.end == end {
			err = l.prove(f)
		}
		if errors.Is(err, messaging.ErrInvalid) {
			return l.cut(end)
		}
		if err != nil {
			return err
		}
		if !f.dir.last || f.dir.commit != l.commits+1 {
			return messaging.Invalid(ErrCorrupt)
		}
		l.tail = l.size
		l.accept(f, apply)
	}
	return nil
}

// A found frame is one that replay has read and whose directory is proven.
type found struct {
	frame
	dir directory
	tag chain
	end int64
}

func (l *log) accept(f *found, apply func(*frame, *directory)) {
	at := f.frame
	apply(&at, &f.dir)
	l.size, l.before, l.commits = f.end, f.tag, f.dir.commit
}

// read reads the frame at l.size without its body. Damage, also a frame that
// ends behind the file, is ErrCorrupt; an error of the disk is passed on.
func (l *log) read(end int64) (*found, error) {
	left := end - l.size
	if left < prefixSize {
		return nil, messaging.Invalid(ErrCorrupt)
	}
	var raw [prefixSize]byte
	if _, err := l.file.ReadAt(raw[:], l.size); err != nil {
		return nil, err
	}
	p, err := l.keys.parsePrefix(raw[:])
	if err != nil {
		return nil, err
	}
	if p.size() > left {
		return nil, messaging.Invalid(ErrCorrupt)
	}
	sealed := make([]byte, p.dir)
	if _, err := l.file.ReadAt(sealed, l.size+prefixSize); err != nil {
		return nil, err
	}
	dir, tag, err := l.keys.openDirectory(l.before, &p, sealed)
	if err != nil {
		return nil, err
	}
	body := l.size + prefixSize + int64(p.dir)
	return &found{frame{body, p.salt, dir.commit}, dir, tag, l.size + p.size()}, nil
}

// prove opens every value of a frame.
func (l *log) prove(f *found) error {
	body := make([]byte, f.end-f.body)
	if _, err := l.file.ReadAt(body, f.body); err != nil {
		return err
	}
	aead := l.keys.cipher(&f.salt)
	for _, e := range f.dir.entries {
		if e.delete {
			continue
		}
		sealed := body[e.offset : e.offset+e.size+tagSize]
		if _, err := l.keys.openValue(aead, f.commit, e.index, e.name, sealed); err != nil {
			return err
		}
	}
	return nil
}

// cut drops the damaged rest of the file if a crash explains it: one frame that
// was being written. Every frame begins with the file's id, so an id further on
// means that a whole frame was written behind the damage, and a rest longer
// than any frame was not one either.
func (l *log) cut(end int64) error {
	behind, err := l.frameBehind(end)
	if err != nil {
		return err
	}
	if behind || end-l.size > maxFrame {
		return messaging.Invalid(ErrCorrupt)
	}
	l.torn = end - l.size
	return l.file.Truncate(l.size)
}

// frameBehind looks for the file's id behind the first byte of the damage.
func (l *log) frameBehind(end int64) (bool, error) {
	const window = 1 << 20
	buf := make([]byte, min(window, end-l.size))
	for at := l.size + 1; at+idSize <= end; at += int64(len(buf)) - idSize + 1 {
		b := buf[:min(int64(len(buf)), end-at)]
		if _, err := l.file.ReadAt(b, at); err != nil {
			return false, err
		}
		if bytes.Contains(b, l.keys.file[:]) {
			return true, nil
		}
		if len(b) < len(buf) {
			break
		}
	}
	return false, nil
}

// settle makes durable what replay accepted. The last commit is written again,
// byte for byte: a system may count its pages as clean after a failed sync.
func (l *log) settle() error {
	b := make([]byte, l.size-l.tail)
	if len(b) > 0 {
		if _, err := l.file.ReadAt(b, l.tail); err != nil {
			return err
		}
		if _, err := l.file.WriteAt(b, l.tail); err != nil {
			return err
		}
	}
	return l.file.Sync()
}

// place is where the index finds a value.
type place struct {
	frame         *frame
	offset, index uint32
	size          uint32
}

// A valueReader opens values of one log. It keeps the cipher of the last frame,
// because neighbours in a compacted file share one.
type valueReader struct {
	log  *log
	last *frame
	aead cipher.AEAD
}

func (r *valueReader) read(name string, at place) ([]byte, error) {
	if r.last != at.frame {
		r.last, r.aead = at.frame, r.log.keys.cipher(&at.frame.salt)
	}
	sealed := make([]byte, int(at.size)+tagSize)
	_, err := r.log.file.ReadAt(sealed, at.frame.body+int64(at.offset))
	if errors.Is(err, io.EOF) {
		return nil, messaging.Invalid(ErrCorrupt) // cut short behind our back
	}
	if err != nil {
		return nil, err
	}
	return r.log.keys.openValue(r.aead, at.frame.commit, at.index, name, sealed)
}
