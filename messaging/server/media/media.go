// Package media keeps ciphertexts between the accounts of a chat, or an
// account's own devices, until all addressed devices have them or they expire:
// resumable uploads, quotas, who may fetch what, and the sweep. It cannot tell
// what a blob is, holds no key to one, and knows no HTTP. docs/protocol.md
// section 5 rules it; why uploads are made of pieces stands in
// docs/adr/0004-media.md.
package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
)

// What a caller can meet, besides the sentinels of packages tenant and chat and
// of this package's stores.
var (
	// ErrUnknown is every blob that the asker may not know of: none, another
	// tenant's, another chat's, expired, or not finished.
	ErrUnknown       = errors.New("media: no such blob of this account")
	ErrTooLarge      = errors.New("media: the ciphertext is larger than blobs may be")
	ErrSize          = errors.New("media: expected a size of at least one byte")
	ErrQuota         = errors.New("media: the account stores all that it may")
	ErrTenantFull    = errors.New("media: the tenant stores all that it may")
	ErrNobody        = errors.New("media: no device is addressed")
	ErrOffset        = errors.New("media: the upload goes on at another offset")
	ErrTooLong       = errors.New("media: the body is longer than what the upload lacks")
	ErrSlow          = errors.New("media: the body came too slowly")
	ErrCut           = errors.New("media: the body ended early")
	ErrPieces        = errors.New("media: the upload came in too many pieces")
	ErrChecksum      = errors.New("media: the body has another checksum")
	ErrDigest        = errors.New("media: the ciphertext has another SHA-256")
	ErrDigestChanged = errors.New("media: the upload has another SHA-256 already")
	ErrBusy          = errors.New("media: as many transfers as this node takes are going on")
	ErrTooMany       = errors.New("media: the account has as many transfers going on as it may")
)

const (
	// PieceSize is the largest object in bytes: what an upload that breaks off
	// without warning can lose, against objects, rows and syncs for each blob.
	PieceSize = 8 << 20
	// maxBreaks is how many pieces more than full ones an upload may come in.
	// Every body that ends makes one; an uploader of single bytes would make a
	// row and an object of each.
	maxBreaks = 1000
	// maxBlobs bounds an account's rows, however small its blobs are.
	maxBlobs = 10_000
)

// Config bounds what is kept. The zero value of a field means its default.
type Config struct {
	// MaxSize is the largest ciphertext in bytes; 2 GiB.
	MaxSize int64
	// AccountBytes is what the blobs and uploads of an account may take; 8 GiB.
	AccountBytes int64
	// TenantBytes is what those of a tenant may take; 256 GiB.
	TenantBytes int64
	// Keep is how long a blob waits for devices; 30 days.
	Keep time.Duration
	// UploadLife is how long an upload may stand still; 24 hours.
	UploadLife time.Duration
	// Transfers is how many uploads and downloads a node takes at once: each
	// holds a connection, a file and about 100 KiB; 1024.
	Transfers int
	// TenantTransfers is how many of them one tenant may have; three quarters, so
	// that none keeps the others out.
	TenantTransfers int
	// AccountTransfers is how many of them one account may have; 16.
	AccountTransfers int
	// Now is the server's clock; time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.MaxSize = or(c.MaxSize, 2<<30)
	c.AccountBytes = or(c.AccountBytes, 8<<30)
	c.TenantBytes = or(c.TenantBytes, 256<<30)
	c.Keep = or(c.Keep, 30*24*time.Hour)
	c.UploadLife = or(c.UploadLife, 24*time.Hour)
	c.Transfers = or(c.Transfers, 1024)
	c.TenantTransfers = or(c.TenantTransfers, max(1, c.Transfers*3/4))
	c.AccountTransfers = or(c.AccountTransfers, 16)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func or[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Chats is what this package asks of chats.
type Chats interface {
	// MayWrite returns the other account when a message of asker would be taken now.
	MayWrite(ctx context.Context, tx tenant.Tx, asker messaging.AccountID, id messaging.ChatID) (messaging.AccountID, error)
}

// Service answers for the blobs of every tenant.
type Service struct {
	db      *tenant.DB
	objects Objects
	chats   Chats
	gate    *gate
	cfg     Config
}

// New makes the service.
func New(db *tenant.DB, objects Objects, chats Chats, cfg Config) *Service {
	cfg = cfg.withDefaults()
	return &Service{db, objects, chats, newGate(cfg.Transfers, cfg.TenantTransfers, cfg.AccountTransfers), cfg}
}

// MaxSize is the largest ciphertext in bytes.
func (s *Service) MaxSize() int64 { return s.cfg.MaxSize }

// Intent is what an upload is for.
type Intent struct {
	// Chat is whose other account is addressed beside the uploader's own other
	// devices; zero addresses these alone.
	Chat messaging.ChatID
	// Size is that of the whole ciphertext in bytes.
	Size int64
	// Digest is the SHA-256 of the whole ciphertext, or nil: to be told with a
	// later chunk.
	Digest *[sha256.Size]byte
}

// Upload is how far a blob has come.
type Upload struct {
	ID       messaging.BlobID
	Chat     messaging.ChatID
	Size     int64
	Received int64 // bytes that are safe; where the next chunk begins
	Digest   *[sha256.Size]byte
	Finished bool // addressed devices can fetch it
	Expires  time.Time
}

// Create promises room to an upload and names it.
func (s *Service) Create(ctx context.Context, id tenant.ID, from messaging.Address, in Intent) (Upload, error) {
	if in.Size < 1 {
		return Upload{}, ErrSize
	}
	if in.Size > s.cfg.MaxSize {
		return Upload{}, ErrTooLarge
	}
	u := Upload{ID: messaging.NewBlobID(), Chat: in.Chat, Size: in.Size, Digest: in.Digest, Expires: s.after(s.cfg.UploadLife)}
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		peer, err := s.peer(ctx, tx, from, in.Chat)
		if err != nil {
			return err
		}
		if n, err := countAddressed(ctx, tx, from, peer, s.cfg.Now()); err != nil || n == 0 {
			return errors.Join(err, ErrNobody)
		}
		if err := s.reserve(ctx, tx, from.Account, in.Size); err != nil {
			return err
		}
		return insertBlob(ctx, tx, from, u)
	})
	if err != nil {
		return Upload{}, fmt.Errorf("create upload: %w", err)
	}
	return u, nil
}

// peer returns the other addressed account, or the uploader's own once more.
func (s *Service) peer(ctx context.Context, tx tenant.Tx, from messaging.Address, chat messaging.ChatID) (messaging.AccountID, error) {
	if chat == (messaging.ChatID{}) {
		return from.Account, nil
	}
	return s.chats.MayWrite(ctx, tx, from.Account, chat)
}

// after returns a time at least life from now, on the hour: when exactly a
// member sent something is nobody's business.
func (s *Service) after(life time.Duration) time.Time {
	return s.cfg.Now().UTC().Add(life).Truncate(time.Hour).Add(time.Hour)
}

// Find returns an upload of this device, finished ones too; ErrUnknown
// otherwise.
func (s *Service) Find(ctx context.Context, id tenant.ID, from messaging.Address, blob messaging.BlobID) (u Upload, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		r, err := selectUpload(ctx, tx, from, blob, s.cfg.Now())
		u = r.Upload
		return err
	})
	if err != nil {
		return Upload{}, fmt.Errorf("find upload: %w", err)
	}
	return u, nil
}

// Cancel forgets an upload or a blob of this device, whoever still waits for
// it.
func (s *Service) Cancel(ctx context.Context, id tenant.ID, from messaging.Address, blob messaging.BlobID) error {
	var gone removed
	err := s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		if _, err := lockUpload(ctx, tx, from, blob, s.cfg.Now()); err != nil {
			return err
		}
		gone, err = remove(ctx, tx, blob)
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	gone.delete(ctx, s.objects)
	return nil
}
