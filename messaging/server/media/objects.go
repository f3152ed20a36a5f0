package media

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// What a store of objects can answer, besides success.
var (
	// ErrFull reports that there is no room, or none beyond the reserve.
	ErrFull = errors.New("media: the store has no room")
	// ErrMissing reports an object that is not there.
	ErrMissing = errors.New("media: no such object")
	// ErrStore reports a store that failed; its words may name hosts and paths
	// and stay inside.
	ErrStore = errors.New("media: the store failed")
)

// Key names an object. The tenant is part of it, and Object is random: equal
// ciphertexts of two tenants, or of one, are two objects.
type Key struct {
	Tenant tenant.ID
	Blob   messaging.BlobID
	Object [16]byte
}

// Stored is an object as a walk finds it.
type Stored struct {
	Key
	// Changed is when it was last written to.
	Changed time.Time
}

// Objects keeps objects, each written once and never changed. Both
// implementations pass package storetest.
type Objects interface {
	// Put keeps what r gives until io.EOF and returns how many bytes that were.
	// When it returns nil, the object survives a loss of power; otherwise
	// nothing can be opened under the key.
	Put(ctx context.Context, key Key, r io.Reader) (int64, error)
	// Open reads length bytes of an object from an offset on.
	Open(ctx context.Context, key Key, offset, length int64) (io.ReadCloser, error)
	// Delete removes an object and what an interrupted Put left of it. One that
	// is not there is no error.
	Delete(ctx context.Context, key Key) error
	// Walk visits every object, those of a tenant one after the other, and
	// what interrupted Puts left.
	Walk(ctx context.Context, each func(Stored) error) error
}
