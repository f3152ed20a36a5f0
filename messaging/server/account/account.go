// Package account keeps, for each tenant, who is there: accounts by a keyed hash
// of the host's subject, their sessions, their device logs and the keys that
// their devices publish. It judges every log entry and every signature, and
// hands each one-time key out once; it sees no private key and no message.
// Rules: docs/protocol.md sections 2, 3 and 8.
package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/secret"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrSubject    = errors.New("account: expected a subject of 1 to 255 bytes")
	ErrSuspended  = errors.New("account: suspended or deleted by its host")
	ErrSession    = errors.New("account: no such session")
	ErrNotLinked  = errors.New("account: the session belongs to no device of the account")
	ErrLinked     = errors.New("account: the session belongs to a device already")
	ErrUnknown    = errors.New("account: no such account, device or slot")
	ErrEntry      = errors.New("account: the device log does not take this entry")
	ErrKeys       = errors.New("account: published keys do not fit the device")
	ErrKeyReused  = errors.New("account: another key was published under this id")
	ErrKeysFull   = errors.New("account: no room for more one-time keys")
	ErrSlotsFull  = errors.New("account: no room for more link slots")
	ErrSlotTaken  = errors.New("account: the link slot holds something else")
	errLogCorrupt = errors.New("account: the stored device log does not verify")
)

const (
	// maxSubject bounds the host's name for a member: OpenID Connect Core 1.0
	// section 2 allows a sub of 255 characters.
	maxSubject = 255
	// subjectSecret names the key of the hash in the tenant's secrets.
	subjectSecret = "subject"
	secretSize    = 32
)

// Service answers for the accounts of every tenant.
type Service struct {
	db      *tenant.DB
	secrets *secret.Store
	now     func() time.Time
}

// New makes the service; now is the server's clock.
func New(db *tenant.DB, secrets *secret.Store, now func() time.Time) *Service {
	return &Service{db, secrets, now}
}

// SignIn opens a session without a device for the member that a host names,
// making the account at the first time. The token is shown once; the database
// holds its hash.
func (s *Service) SignIn(ctx context.Context, id tenant.ID, subject string) (token Token, who Who, err error) {
	if len(subject) == 0 || len(subject) > maxSubject {
		return Token{}, Who{}, fmt.Errorf("%w, received %d", ErrSubject, len(subject))
	}
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		hash, err := s.subjectHash(ctx, tx, subject)
		if err != nil {
			return err
		}
		who.Account, err = s.ensure(ctx, tx, hash)
		if err != nil {
			return err
		}
		token = newToken()
		return insertSession(ctx, tx, token.hash(), who.Account, s.today(), s.now().Add(keylessLife))
	})
	if err != nil {
		return Token{}, Who{}, fmt.Errorf("sign in: %w", err)
	}
	who.session = token.hash()
	return token, who, nil
}

// ensure returns the account of a subject and makes it when it is missing. Of
// callers that come at once, one inserts and all read the same row.
func (s *Service) ensure(ctx context.Context, tx tenant.Tx, hash []byte) (messaging.AccountID, error) {
	if err := insertAccount(ctx, tx, messaging.NewAccountID(), hash, s.today()); err != nil {
		return messaging.AccountID{}, err
	}
	id, status, err := accountOf(ctx, tx, hash)
	if err == nil && status != statusActive {
		err = ErrSuspended
	}
	return id, err
}

// Lookup returns the account of a subject, or ErrUnknown.
func (s *Service) Lookup(ctx context.Context, tx tenant.Tx, subject string) (messaging.AccountID, error) {
	hash, err := s.subjectHash(ctx, tx, subject)
	if err != nil {
		return messaging.AccountID{}, err
	}
	id, _, err := accountOf(ctx, tx, hash)
	if errors.Is(err, tenant.ErrNotFound) {
		return id, ErrUnknown
	}
	return id, err
}

func (s *Service) subjectHash(ctx context.Context, tx tenant.Tx, subject string) ([]byte, error) {
	key, err := s.secrets.Ensure(ctx, tx, subjectSecret, secretSize)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("sotto/subject/v1\x00"))
	mac.Write([]byte(subject))
	return mac.Sum(nil), nil
}

// Status is what an account may do.
type Status string

const (
	statusActive    Status = "active"
	statusSuspended Status = "suspended"
	statusDeleted   Status = "deleted"
)

// Suspend ends every session of an account and lets it sign in no more, until
// Resume. The caller cuts its sockets.
func (s *Service) Suspend(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	return s.setStatus(ctx, tx, id, statusSuspended)
}

// Resume lets a suspended account sign in again.
func (s *Service) Resume(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	return s.setStatus(ctx, tx, id, statusActive)
}

// Delete ends every session of an account for good. Its rows go with the next
// sweep.
func (s *Service) Delete(ctx context.Context, tx tenant.Tx, id messaging.AccountID) error {
	return s.setStatus(ctx, tx, id, statusDeleted)
}

func (s *Service) setStatus(ctx context.Context, tx tenant.Tx, id messaging.AccountID, status Status) error {
	changed, err := updateStatus(ctx, tx, id, status)
	if err != nil {
		return fmt.Errorf("set the status of an account: %w", err)
	}
	if changed == 0 {
		return ErrUnknown
	}
	if status == statusActive {
		return nil
	}
	return deleteSessions(ctx, tx, id)
}

// today is the precision with which acts of members are remembered.
func (s *Service) today() time.Time { return s.now().UTC().Truncate(24 * time.Hour) }
