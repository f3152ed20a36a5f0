// Package once makes a repeated request change nothing: the first one under an
// idempotency key runs, the others get its answer. The note is written in the
// transaction of the effect, so both are there or neither; of requests at the
// same time one runs and the others wait for it.
//
// A key belongs to a tenant, a caller and a route. What is kept of the answer is
// sealed under a key that the caller brings and this database does not have.
package once

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrKey   = errors.New("once: expected an idempotency key of 1 to 64 printable ASCII characters")
	ErrReuse = errors.New("once: this idempotency key was used for another request")
	errSeal  = errors.New("once: the kept answer does not open")
)

const (
	maxKey = 64
	// life is how long an answer is kept: longer than any client retries.
	life = 24 * time.Hour
	// maxAnswer is the column's bound less nonce and tag.
	maxAnswer = 65536 - 28
)

// Caller says under whose name a key counts.
type Caller struct {
	ID   [16]byte
	Seal [sha256.Size]byte
}

// Request is what must be the same for a repetition.
type Request struct {
	Route string
	Key   string // the caller's; CheckKey accepted it
	Body  []byte
}

// Answer is what the effect led to.
type Answer struct {
	Status int
	Body   []byte
}

// CheckKey says whether a text may be an idempotency key.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return fmt.Errorf("%w, received %d", ErrKey, len(key))
	}
	for i := range len(key) {
		if key[i] < '!' || key[i] > '~' {
			return ErrKey
		}
	}
	return nil
}

// Service runs requests once.
type Service struct{ now func() time.Time }

// New makes the service; now is the server's clock.
func New(now func() time.Time) *Service { return &Service{now} }

// Do runs effect in the caller's transaction, or returns the answer that an
// earlier run gave. An effect that fails leaves no note: the transaction goes.
func (s *Service) Do(ctx context.Context, tx tenant.Tx, who Caller, r Request, effect func() (Answer, error)) (a Answer, repeated bool, err error) {
	name, body := nameOf(r), sha256.Sum256(r.Body)
	if err := deleteExpired(ctx, tx, who, r.Route, name, s.now()); err != nil {
		return a, false, fmt.Errorf("do once: %w", err)
	}
	fresh, err := insertNote(ctx, tx, who, r.Route, name, body[:], s.now().Add(life))
	if err != nil {
		return a, false, fmt.Errorf("do once: %w", err)
	}
	if !fresh {
		a, err = s.recall(ctx, tx, who, r.Route, name, body[:])
		return a, true, err
	}
	if a, err = effect(); err != nil {
		return a, false, err
	}
	if len(a.Body) > maxAnswer {
		return a, false, fmt.Errorf("do once: answer of %d bytes", len(a.Body))
	}
	return a, false, updateNote(ctx, tx, who, r.Route, name, a.Status, seal(who, name, a.Body))
}

func (s *Service) recall(ctx context.Context, tx tenant.Tx, who Caller, route string, name, body []byte) (a Answer, err error) {
	held, sealed, err := selectNote(ctx, tx, who, route, name, &a.Status)
	if err != nil {
		return a, fmt.Errorf("do once: %w", err)
	}
	if subtle.ConstantTimeCompare(held, body) != 1 {
		return Answer{}, ErrReuse
	}
	a.Body, err = open(who, name, sealed)
	return a, err
}

// Sweep forgets the answers of a tenant that are too old to be given again, as
// the janitor's role.
func (s *Service) Sweep(ctx context.Context, tx tenant.Tx) error {
	if err := deleteAllExpired(ctx, tx, s.now()); err != nil {
		return fmt.Errorf("sweep answers: %w", err)
	}
	return nil
}

// nameOf covers the route, so that an answer moved to another note does not open.
func nameOf(r Request) []byte {
	sum := sha256.Sum256([]byte("sotto/once/v1\x00" + r.Route + "\x00" + r.Key))
	return sum[:]
}

const nonceSize = 12

// seal binds an answer to the note that it belongs to.
func seal(who Caller, note, answer []byte) []byte {
	nonce := make([]byte, nonceSize, nonceSize+len(answer)+16)
	rand.Read(nonce)
	return aead(who).Seal(nonce, nonce, answer, note)
}

func open(who Caller, note, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, errSeal
	}
	answer, err := aead(who).Open(nil, sealed[:nonceSize], sealed[nonceSize:], note)
	if err != nil {
		return nil, errSeal
	}
	return answer, nil
}

func aead(who Caller) cipher.AEAD {
	block, err := aes.NewCipher(who.Seal[:])
	if err != nil {
		panic("once: a key has 32 bytes")
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("once: AES-GCM is not available")
	}
	return gcm
}
