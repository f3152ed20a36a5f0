// Package invite keeps profiles and the invites by which alone they are
// reached: one permanent public invite a profile, and any number that expire, are
// used up, or name the place where they hang. It resolves a token to an account
// and counts what an opening uses; whether a chat opens is not its business.
// Rules: docs/architecture.md, "Invites".
//
// An unknown, a revoked, a used-up and another tenant's token get the same
// answer after the same work: one look-up by hash.
package invite

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/wire"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/secret"
)

// What a caller can meet, besides the sentinels of package tenant.
var (
	ErrUnknown   = errors.New("invite: no such invite or profile")
	ErrFull      = errors.New("invite: no room for more invites of this profile")
	ErrPermanent = errors.New("invite: the permanent invite can be rotated, not revoked")
	ErrConflict  = errors.New("invite: this idempotency key was used for another request")
	ErrCursor    = errors.New("invite: not a cursor of this list")
)

const (
	// TokenSize is the length in bytes of the random part of an invite's path.
	TokenSize = 16
	// maxInvites bounds the invites of a profile, revoked ones included: one
	// for each of many placements, and no more than a page of the console can
	// search.
	maxInvites = 1000
	// derivationSecret names the key of the tokens in the tenant's secrets.
	derivationSecret = "invite"
)

// Token is the random part of an invite's path. It is derived from a secret of
// the tenant, so the owner can be shown the link again while the database holds
// a hash only. It prints nothing; Text gives the 22 characters.
type Token [TokenSize]byte

// ParseToken reads 22 characters of base64url; anything else is ErrUnknown, as
// an unknown token is.
func ParseToken(text string) (t Token, err error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(TokenSize) {
		return t, ErrUnknown
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return t, ErrUnknown
	}
	return Token(raw), nil
}

// Text returns the 22 characters that stand in a path.
func (t Token) Text() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// Format prints nothing of the token.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, "(invite token)") }

// ID names an invite to its owner; it is no secret. Its text form is "inv_…".
type ID [id.Size]byte

func (i ID) String() string { return id.Text("inv_", i) }

// ProfileID names a profile; its text form is "prof_…".
type ProfileID [id.Size]byte

func (p ProfileID) String() string { return id.Text("prof_", p) }

// ParseProfileID accepts only what String prints.
func ParseProfileID(text string) (p ProfileID, err error) {
	err = id.Parse((*[id.Size]byte)(&p), "prof_", []byte(text))
	return p, err
}

// Kind says how an invite ends.
type Kind string

// The kinds of invites.
const (
	Permanent Kind = "permanent" // until it is rotated
	Single    Kind = "single"    // opens one chat
	Limited   Kind = "limited"   // until a time or a number of chats, or with neither
)

// Invite is an invite as its owner sees it.
type Invite struct {
	ID      ID
	Profile ProfileID
	Kind    Kind
	Label   string
	Token   Token
	Created time.Time // a day
	Expires time.Time // zero: never
	MaxUses int       // 0: any number
	Uses    int
	Revoked bool

	rotation    int
	rotationKey [id.Size]byte // idempotency key of the newest rotation; zero: none
}

// Target is whom a token reaches.
type Target struct {
	Invite  ID
	Profile ProfileID
	Account messaging.AccountID
}

// Service answers for the profiles and invites of every tenant. Its methods
// join the caller's transaction.
type Service struct {
	secrets *secret.Store
	now     func() time.Time
}

// New makes the service; now is the server's clock.
func New(secrets *secret.Store, now func() time.Time) *Service { return &Service{secrets, now} }

// Profile returns the account's profile and makes it, with its permanent
// invite, at the first time.
func (s *Service) Profile(ctx context.Context, tx tenant.Tx, account messaging.AccountID) (ProfileID, error) {
	if err := lockAccount(ctx, tx, account); err != nil {
		return ProfileID{}, err
	}
	profile, err := profileOf(ctx, tx, account)
	if !errors.Is(err, tenant.ErrNotFound) {
		return profile, err
	}
	profile = id.Random()
	if err := insertProfile(ctx, tx, profile, account, s.now()); err != nil {
		return profile, fmt.Errorf("make profile: %w", err)
	}
	_, err = s.insert(ctx, tx, Invite{ID: id.Random(), Profile: profile, Kind: Permanent})
	return profile, err
}

// Create makes an invite for the account's profile. The same key with the same
// request is one invite.
func (s *Service) Create(ctx context.Context, tx tenant.Tx, account messaging.AccountID, m *wire.CreateInvite) (Invite, error) {
	profile, err := s.Profile(ctx, tx, account)
	if err != nil {
		return Invite{}, err
	}
	want := s.wanted(profile, account, m)
	held, err := s.load(ctx, tx, account, want.ID)
	if err == nil {
		if held.Label != want.Label || held.MaxUses != want.MaxUses || held.Expires.IsZero() != want.Expires.IsZero() {
			return Invite{}, ErrConflict
		}
		return held, nil
	}
	if !errors.Is(err, ErrUnknown) {
		return Invite{}, err
	}
	if count, err := countInvites(ctx, tx, profile); err != nil || count >= maxInvites {
		return Invite{}, errors.Join(err, full(count))
	}
	return s.insert(ctx, tx, want)
}

func full(count int) error {
	if count >= maxInvites {
		return ErrFull
	}
	return nil
}

// wanted names the invite after the idempotency key and the account: a repeated
// request finds it, and another account's key is another invite.
func (s *Service) wanted(profile ProfileID, account messaging.AccountID, m *wire.CreateInvite) Invite {
	name := sha256.Sum256(append(append([]byte("sotto/invite-id/v1\x00"), account[:]...), m.IdempotencyKey[:]...))
	i := Invite{ID: ID(name[:id.Size]), Profile: profile, Kind: Limited, Label: m.Label, MaxUses: int(m.MaxUses)}
	if m.MaxUses == 1 {
		i.Kind = Single
	}
	if m.ExpirySeconds > 0 {
		i.Expires = s.now().Add(time.Duration(m.ExpirySeconds) * time.Second)
	}
	return i
}

func (s *Service) insert(ctx context.Context, tx tenant.Tx, i Invite) (Invite, error) {
	var err error
	if i.Token, err = s.derive(ctx, tx, i.ID, i.rotation); err != nil {
		return Invite{}, err
	}
	i.Created = s.now()
	return i, insertInvite(ctx, tx, i)
}

// Rotate gives an invite a new token; the old link reaches nobody, open chats
// stay. A rotation under the key of the one before happens once.
func (s *Service) Rotate(ctx context.Context, tx tenant.Tx, account messaging.AccountID, invite ID, once [id.Size]byte) (Invite, error) {
	i, err := s.load(ctx, tx, account, invite)
	if err != nil {
		return Invite{}, err
	}
	if i.Revoked {
		return Invite{}, ErrUnknown
	}
	if i.rotationKey == once {
		return i, nil
	}
	i.rotation++
	i.rotationKey = once
	if i.Token, err = s.derive(ctx, tx, i.ID, i.rotation); err != nil {
		return Invite{}, err
	}
	return i, updateToken(ctx, tx, i)
}

// Revoke ends an invite; open chats stay. Revoking again changes nothing.
func (s *Service) Revoke(ctx context.Context, tx tenant.Tx, account messaging.AccountID, invite ID) error {
	i, err := s.load(ctx, tx, account, invite)
	if err != nil {
		return err
	}
	if i.Kind == Permanent {
		return ErrPermanent
	}
	return revokeInvite(ctx, tx, invite, s.now())
}

// Permanent returns the profile's permanent invite.
func (s *Service) Permanent(ctx context.Context, tx tenant.Tx, account messaging.AccountID) (Invite, error) {
	profile, err := s.Profile(ctx, tx, account)
	if err != nil {
		return Invite{}, err
	}
	i, err := selectPermanent(ctx, tx, profile)
	if err != nil {
		return Invite{}, fmt.Errorf("find permanent invite: %w", err)
	}
	i.Token, err = s.derive(ctx, tx, i.ID, i.rotation)
	return i, err
}

// List returns a page of the account's invites in the order of their ids, and
// where the next page begins (zero: nowhere). A profile that nobody asked for yet
// is made: its permanent invite belongs on the first page.
func (s *Service) List(ctx context.Context, tx tenant.Tx, account messaging.AccountID, after ID, limit int) (page []Invite, next ID, err error) {
	if _, err := s.Profile(ctx, tx, account); err != nil {
		return nil, ID{}, fmt.Errorf("list invites: %w", err)
	}
	page, err = selectInvites(ctx, tx, account, after, limit+1)
	if err != nil {
		return nil, ID{}, fmt.Errorf("list invites: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	for n := range page {
		if page[n].Token, err = s.derive(ctx, tx, page[n].ID, page[n].rotation); err != nil {
			return nil, ID{}, err
		}
	}
	return page, next, nil
}

// Resolve returns whom a token reaches now, or ErrUnknown.
func (s *Service) Resolve(ctx context.Context, tx tenant.Tx, token Token) (Target, error) {
	target, err := selectTarget(ctx, tx, token.hash(), s.now())
	if errors.Is(err, tenant.ErrNotFound) {
		return Target{}, ErrUnknown
	}
	return target, err
}

// Use counts one opening. Of openings at once, no more succeed than the invite
// allows; the others get ErrUnknown, as if they had come later.
func (s *Service) Use(ctx context.Context, tx tenant.Tx, invite ID) error {
	used, err := useInvite(ctx, tx, invite, s.now())
	if err == nil && used == 0 {
		return ErrUnknown
	}
	return err
}

func (s *Service) load(ctx context.Context, tx tenant.Tx, account messaging.AccountID, invite ID) (Invite, error) {
	i, err := selectInvite(ctx, tx, account, invite)
	if errors.Is(err, tenant.ErrNotFound) {
		return i, ErrUnknown
	}
	if err != nil {
		return i, fmt.Errorf("load invite: %w", err)
	}
	i.Token, err = s.derive(ctx, tx, i.ID, i.rotation)
	return i, err
}

// derive makes the token of an invite and a rotation: HMAC-SHA-256 under a
// secret of the tenant, cut to 128 bits.
func (s *Service) derive(ctx context.Context, tx tenant.Tx, invite ID, rotation int) (Token, error) {
	key, err := s.secrets.Ensure(ctx, tx, derivationSecret, sha256.Size)
	if err != nil {
		return Token{}, fmt.Errorf("derive invite token: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("sotto/invite-token/v1\x00"))
	mac.Write(invite[:])
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(rotation)))
	return Token(mac.Sum(nil)[:TokenSize]), nil
}

func (t Token) hash() []byte {
	h := sha256.Sum256(t[:])
	return h[:]
}
