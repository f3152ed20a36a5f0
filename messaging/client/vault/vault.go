// Package vault is the sealed local store of one device: its identity,
// prekeys, sessions, device logs, chats, messages, outbox and settings.
//
// It is not a database: a vault has one owner at a time, holds small records
// ordered by key within a kind, and offers two operations, View (read a
// snapshot) and Commit (apply a batch whole or not at all, durably). It is not
// the place for media either; a blob record holds the reference. The formats
// are ruled by docs/protocol.md section 14.
//
// # Why View and Commit, and no transaction that reads and writes
//
// The same interface is kept by a file, by memory and by a browser's IndexedDB.
// An IndexedDB transaction ends by itself as soon as the program waits for
// anything else, and decrypting a record is such a wait. So a caller reads
// first, thinks as long as it likes, and then commits one finished batch that
// names the commit it was read at (Batch.Expect). The store compares that
// number, and who owns the vault, in the same transaction in which it writes:
// ErrConflict says "read again", ErrFenced says "another owner has taken over:
// drop everything and stop". Update wraps the loop and gives the caller a Tx
// that reads its own writes.
//
// # The file: order of writes, and why a crash between any two is harmless
//
// The file is a header and a chain of frames, one frame a commit (compaction
// writes one commit over several). State changes in three ways only:
//
//  1. Commit: write one frame after the last, sync the file, only then change
//     the index in memory and return. A crash before the sync leaves any part
//     of the frame; as every frame before it was synced before this one was
//     begun, the damage is confined to the tail. The next open recognises a
//     frame by its tags alone: whole, it is the commit in flight; else it is
//     cut off. Either is a state that the caller was told about or was waiting
//     for.
//  2. Compact, Rekey and Create: write a complete new file beside the old one,
//     sync it, rename it over the old one, sync the directory. Before the
//     rename reaches the disk the old file is there untouched, after it the new
//     one is there complete.
//  3. Open: cut the torn tail, write the last frame again as it is, sync the
//     file and then the directory, and only then return. A process that died
//     between a write (or a rename) and its sync leaves a state that can be
//     read and is not durable; no state is shown to the caller before it is.
//     (The frame is written again because a kernel may mark a page clean
//     although its sync failed.)
//
// After a failed write or sync nobody knows what a crash would leave, so the
// vault refuses further commits with ErrBroken until it is opened again. The
// crash test enumerates every boundary of these steps.
//
// A damaged frame with another frame behind it cannot come from a crash: the
// vault is refused (ErrCorrupt), nothing is skipped. A damaged last frame looks
// like a crash, and File.Recovered says how many bytes were cut.
//
// # What the file cannot prevent
//
// Whoever can write the disk can put back an older copy of the whole file, or
// cut its tail. Reader.Commits is a number that grows by one with each commit
// and survives compaction: the client tells it to its other devices and to the
// server and compares. Deleted and replaced records stay in the file, sealed,
// until the next compaction; flash storage may keep them longer. The sizes of
// records show in the size of frames.
package vault

import (
	"context"
	"errors"
	"iter"
)

// A Vault is a device's sealed store. All methods may be called by several
// goroutines at once.
type Vault interface {
	// View calls read with a snapshot: what the last commit left, unchanged by
	// commits that follow. The Reader is dead when read returns. Do not commit
	// inside read: a store without old versions holds commits off meanwhile.
	View(ctx context.Context, read func(Reader) error) error

	// Commit applies the batch whole, or not at all. When it returns nil the
	// batch survives a crash. After ErrConflict, ErrFenced, ErrClosed or an
	// error of ctx nothing has changed; after any other error the next open
	// shows the vault either without the batch or with all of it.
	Commit(ctx context.Context, b *Batch) error

	// Close gives the vault up to the next owner. It may be called twice.
	Close() error
}

// A Reader shows one snapshot.
type Reader interface {
	// Get returns a copy of the value, or ErrNotFound.
	Get(kind Kind, key []byte) ([]byte, error)

	// Scan yields the records of a kind within a range, ordered by key. After
	// an error it yields nothing more.
	Scan(kind Kind, within Range) iter.Seq2[Record, error]

	// Commits is the number of commits that this snapshot shows. It never goes
	// back unless the whole store was put back to an older copy.
	Commits() uint64
}

// A Kind separates the records of one use from those of another. Zero is not a
// kind; the values are stored, so a number is never given out twice.
type Kind byte

// The kinds of records.
const (
	KindIdentity Kind = 1  // this device: keys, registration, account
	KindPrekey   Kind = 2  // one-time, signed and Kyber prekeys
	KindSession  Kind = 3  // one record for each remote device
	KindLog      Kind = 4  // device logs, own and peers'
	KindPeer     Kind = 5  // what is known of a peer: verified, muted, blocked
	KindChat     Kind = 6  // one record for each chat
	KindMessage  Kind = 7  // by chat and position
	KindOutbox   Kind = 8  // what is to be sent or sent again
	KindSetting  Kind = 9  // this device's settings
	KindBlob     Kind = 10 // media references and their progress
	KindAction   Kind = 11 // ids of actions done, so that a repeat changes nothing
)

// Range selects keys from From (included) up to To (excluded) in byte order.
// An empty From starts at the first key, an empty To ends after the last.
type Range struct {
	From, To []byte
	Reverse  bool // last key first
	KeysOnly bool // leave Record.Value nil and open no value
}

// Record is one key with its value. Both belong to the receiver.
type Record struct{ Key, Value []byte }

// Ceilings of what one batch may hold.
const (
	// MaxKey is the longest key in bytes: chat, time and message id fit four
	// times over.
	MaxKey = 256
	// MaxValue is the longest value in bytes. The largest record is a session
	// with all its archived states and skipped keys, a few hundred KiB.
	MaxValue = 4 << 20
	// MaxBatch bounds the sum over a batch of keys, values and recordCost, and
	// with it the memory that one frame takes to read.
	MaxBatch = 16 << 20
	// recordCost is what a record adds to a frame beside its key and value:
	// kind, action, two lengths (8 bytes) and the value's tag (16 bytes).
	recordCost = 24
)

// Errors of use and of ownership.
var (
	ErrNotFound = errors.New("vault: no such record")
	ErrConflict = errors.New("vault: changed since it was read")
	ErrFenced   = errors.New("vault: another owner has taken over")
	ErrLocked   = errors.New("vault: in use by another owner")
	ErrClosed   = errors.New("vault: closed")
	ErrBroken   = errors.New("vault: a write failed, open the vault again")
	ErrExists   = errors.New("vault: exists already")
	ErrLimit    = errors.New("vault: key, value or batch out of bounds")
)

// Precise reasons for refusing a stored vault. The outside sees one class,
// messaging.ErrInvalid, for all of them.
var (
	ErrHeader  = errors.New("vault: malformed or altered header")
	ErrVersion = errors.New("vault: format version not known")
	ErrKey     = errors.New("vault: wrong passphrase or key")
	ErrCost    = errors.New("vault: passphrase cost out of bounds")
	ErrCorrupt = errors.New("vault: damaged or altered record")
)

// name joins kind and key: names sort by kind, then by key.
func name(kind Kind, key []byte) string {
	b := make([]byte, 0, 1+MaxKey)
	return string(append(append(b, byte(kind)), key...))
}

// bounds are the first name within the range and the first behind it; an empty
// end is behind the last kind.
func (r Range) bounds(kind Kind) (from, to string) {
	from = name(kind, r.From)
	switch {
	case len(r.To) > 0:
		to = name(kind, r.To)
	case kind < 255:
		to = name(kind+1, nil)
	}
	return from, to
}
