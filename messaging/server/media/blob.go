package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// Blob reads a finished ciphertext from any place on. It holds one open object
// at a time. Close it.
type Blob struct {
	ID   messaging.BlobID
	Size int64

	ctx     context.Context // of the request: a reader has no other way to learn of its end
	objects Objects
	tenant  tenant.ID
	pieces  []piece
	leave   func()

	at      int64
	current io.ReadCloser
}

// Open returns a blob that asker's account has sent or that is in one of its
// chats, while it is kept; ErrUnknown otherwise.
func (s *Service) Open(ctx context.Context, id tenant.ID, asker messaging.Address, blob messaging.BlobID) (*Blob, error) {
	leave, err := s.gate.enter(id, asker.Account)
	if err != nil {
		return nil, err
	}
	b := &Blob{ID: blob, ctx: ctx, objects: s.objects, tenant: id, leave: leave}
	err = s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		if b.Size, err = selectBlob(ctx, tx, asker.Account, blob, s.cfg.Now()); err != nil {
			return err
		}
		b.pieces, err = selectPieces(ctx, tx, blob)
		return err
	})
	if err != nil {
		leave()
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return b, nil
}

// Read implements io.Reader.
func (b *Blob) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.at >= b.Size {
		return 0, io.EOF
	}
	for {
		if b.current == nil {
			if err := b.open(); err != nil {
				return 0, err
			}
		}
		n, err := b.current.Read(p)
		b.at += int64(n)
		if err != nil {
			b.shut()
		}
		if n > 0 || err != nil && err != io.EOF {
			return n, unlessEOF(err)
		}
		if err == io.EOF && !b.between() {
			return 0, io.ErrUnexpectedEOF // an object shorter than its row says
		}
	}
}

func unlessEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// between reports whether the reader stands where a piece begins.
func (b *Blob) between() bool { return b.pieces[b.piece()].start == b.at }

// piece finds the one that holds the current place.
func (b *Blob) piece() int {
	return sort.Search(len(b.pieces), func(i int) bool { return b.pieces[i].start+b.pieces[i].length > b.at })
}

func (b *Blob) open() (err error) {
	p := b.pieces[b.piece()]
	skip := b.at - p.start
	b.current, err = b.objects.Open(b.ctx, Key{b.tenant, b.ID, p.object}, skip, p.length-skip)
	return err
}

func (b *Blob) shut() {
	if b.current != nil {
		b.current.Close()
		b.current = nil
	}
}

var errSeek = errors.New("media: expected a place in the blob")

// Seek implements io.Seeker; it touches no object.
func (b *Blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.Size
	}
	if offset < 0 || offset > b.Size {
		return 0, errSeek
	}
	if offset != b.at {
		b.shut()
	}
	b.at = offset
	return offset, nil
}

// Close gives the blob's place in the gate back. It may be called once.
func (b *Blob) Close() error {
	b.shut()
	b.leave()
	return nil
}

// Delivered notes that a device has the blob. With the last addressed one the
// blob goes. A device that was not addressed, or that says it again, changes
// nothing. ErrUnknown as for Open.
func (s *Service) Delivered(ctx context.Context, id tenant.ID, by messaging.Address, blob messaging.BlobID) error {
	var gone removed
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		if err := lockBlob(ctx, tx, by.Account, blob, s.cfg.Now()); err != nil {
			return err
		}
		last, err := deleteDelivery(ctx, tx, by, blob)
		if err == nil && last {
			gone, err = remove(ctx, tx, blob)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("note delivery: %w", err)
	}
	gone.delete(ctx, s.objects)
	return nil
}
