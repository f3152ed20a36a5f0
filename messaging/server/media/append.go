package media

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// Chunk is what one request brings of an upload.
type Chunk struct {
	// Offset is where the uploader believes that the upload goes on.
	Offset int64
	// Length is that of Body in bytes where it is known, else -1.
	Length int64
	// Body ends within MaxChunkTime, by os.ErrDeadlineExceeded if need be.
	Body io.Reader
	// Checksum, when it is not nil, must give Sum over Body, else nothing of
	// Body is kept. Without, what has come is kept however Body ends.
	Checksum hash.Hash
	Sum      []byte
	// Digest is that of Intent, where it was not known then.
	Digest *[sha256.Size]byte
}

// MaxChunkTime is how long Body may take from first to last byte. What has come
// by then is kept, and the uploader goes on with another chunk.
const MaxChunkTime = 10 * time.Minute

// commitTime bounds a transaction that goes on after its client has left.
const commitTime = 10 * time.Second

// Append takes a chunk. Of two that are sent at the same offset, one is taken;
// nothing waits for a connection that is dead but not known to be. When the
// last byte is there and the digest is known, the blob is finished: its SHA-256
// is compared and the devices of both sides are addressed. An empty chunk at
// the end only finishes. The Upload is valid beside ErrCut, ErrSlow and the
// errors of a store: it says what was kept.
func (s *Service) Append(ctx context.Context, id tenant.ID, from messaging.Address, blob messaging.BlobID, c Chunk) (Upload, error) {
	leave, err := s.gate.enter(id, from.Account)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	a := &appender{Service: s, tenant: id, from: from, chunk: c}
	if err := a.begin(ctx, blob); err != nil {
		return Upload{}, fmt.Errorf("append to upload: %w", err)
	}
	if a.row.Finished {
		return a.row.Upload, nil
	}
	// From here on the client may leave: what has come is kept.
	ctx = context.WithoutCancel(ctx)
	err = a.take(ctx)
	if err == nil {
		err = a.finish(ctx)
	}
	if err != nil {
		return a.row.Upload, fmt.Errorf("append to upload: %w", err)
	}
	return a.row.Upload, nil
}

// appender is one request's work on one upload.
type appender struct {
	*Service
	tenant tenant.ID
	from   messaging.Address
	chunk  Chunk

	row  uploadRow
	sum  hash.Hash // over all that was received
	body *body
	// held are pieces that wait for the checksum of the whole chunk.
	held []piece
}

// piece is an object of an upload.
type piece struct {
	start, length int64
	object        [16]byte
}

func (a *appender) begin(ctx context.Context, blob messaging.BlobID) error {
	err := a.db.In(ctx, a.tenant, func(tx tenant.Tx) (err error) {
		a.row, err = selectUpload(ctx, tx, a.from, blob, a.cfg.Now())
		return err
	})
	if err != nil {
		return err
	}
	left := a.row.Size - a.row.Received
	switch {
	case a.chunk.Offset != a.row.Received:
		return ErrOffset
	case a.chunk.Length > left:
		return ErrTooLong
	case a.chunk.Digest != nil && a.row.Digest != nil && *a.chunk.Digest != *a.row.Digest:
		return ErrDigestChanged
	}
	a.body = newBody(a.chunk.Body, left)
	a.sum, err = resumeHash(a.row.hashState)
	return err
}

// resumeHash goes on where the stored state ends, without reading a byte again.
func resumeHash(state []byte) (hash.Hash, error) {
	sum := sha256.New()
	if len(state) == 0 {
		return sum, nil
	}
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("stored state of a hash: %w", err)
	}
	return sum, nil
}

func saveHash(sum hash.Hash) ([]byte, error) { return sum.(encoding.BinaryMarshaler).MarshalBinary() }

// take stores the body piece by piece.
func (a *appender) take(ctx context.Context) error {
	for a.body.more() {
		if err := a.takePiece(ctx); err != nil {
			a.drop(ctx)
			return err
		}
	}
	if a.chunk.Checksum == nil {
		return a.body.err
	}
	return a.release(ctx)
}

func (a *appender) takePiece(ctx context.Context) error {
	if a.body.left == 0 {
		return ErrTooLong
	}
	if int64(a.row.pieces+len(a.held)) >= maxBreaks+a.row.Size/PieceSize {
		return ErrPieces
	}
	p := piece{start: a.row.Received + total(a.held)}
	rand.Read(p.object[:])
	n, err := a.objects.Put(ctx, a.key(p), a.hashed(io.LimitReader(a.body, PieceSize)))
	if err != nil {
		return err
	}
	p.length = n
	// A body that is too long is no reason to finish with its beginning.
	if a.body.left == 0 && a.body.more() {
		a.remove(ctx, p)
		return ErrTooLong
	}
	if a.chunk.Checksum != nil {
		a.held = append(a.held, p)
		return nil
	}
	return a.commit(ctx, p)
}

func (a *appender) hashed(r io.Reader) io.Reader {
	if a.chunk.Checksum != nil {
		r = io.TeeReader(r, a.chunk.Checksum)
	}
	return io.TeeReader(r, a.sum)
}

// release commits the held pieces when the chunk is complete and right.
func (a *appender) release(ctx context.Context) error {
	err := a.body.err
	if err == nil && subtle.ConstantTimeCompare(a.chunk.Checksum.Sum(nil), a.chunk.Sum) != 1 {
		err = ErrChecksum
	}
	if err != nil || len(a.held) == 0 {
		a.drop(ctx)
		return err
	}
	held := a.held
	a.held = nil
	return a.commit(ctx, held...)
}

// commit makes pieces part of the upload: they are durable, now their rows are.
// Where another request was first, the pieces go. Where the database does not
// say what happened, they stay for the sweep, which knows.
func (a *appender) commit(ctx context.Context, pieces ...piece) error {
	state, err := saveHash(a.sum)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	next := a.row
	next.Received += total(pieces)
	next.pieces += len(pieces)
	next.Expires = a.after(a.cfg.UploadLife)
	err = a.db.In(ctx, a.tenant, func(tx tenant.Tx) error {
		taken, err := updateReceived(ctx, tx, next, a.row.Received, state)
		if err == nil && !taken {
			err = ErrOffset
		}
		if err != nil {
			return err
		}
		return insertPieces(ctx, tx, a.row.ID, pieces)
	})
	if errors.Is(err, ErrOffset) {
		a.remove(ctx, pieces...)
	}
	if err == nil {
		a.row = next
	}
	return err
}

func (a *appender) drop(ctx context.Context) {
	a.remove(ctx, a.held...)
	a.held = nil
}

func (a *appender) remove(ctx context.Context, pieces ...piece) {
	for _, p := range pieces {
		removed{a.key(p)}.delete(ctx, a.objects)
	}
}

func (a *appender) key(p piece) Key { return Key{a.tenant, a.row.ID, p.object} }

func total(pieces []piece) (n int64) {
	for _, p := range pieces {
		n += p.length
	}
	return n
}
