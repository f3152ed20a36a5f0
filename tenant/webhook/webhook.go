// Package webhook tells a tenant's own software what happened: events are noted
// in the transaction of what they tell, and a deliverer sends them, signed as
// Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature) says, until
// they are taken or given up. An event names identifiers and never a member's
// subject or a message; it is a hint to look, and may come twice.
package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
	"github.com/sottochat/sotto/tenant/secret"
)

// What a caller can meet, besides the sentinels of packages tenant and egress.
var (
	ErrUnknown = errors.New("webhook: no such endpoint or delivery")
	ErrEvents  = errors.New("webhook: expected one or more known events, each once")
	ErrFull    = errors.New("webhook: no room for more endpoints of this tenant")
	ErrPending = errors.New("webhook: the delivery is still being tried")
)

// Event is a kind of news.
type Event string

// The events. Ping is sent on request only and needs no subscription.
const (
	MemberSuspended Event = "member.suspended"
	MemberResumed   Event = "member.resumed"
	MemberDeleted   Event = "member.deleted"
	InviteCreated   Event = "invite.created"
	InviteRotated   Event = "invite.rotated"
	InviteRevoked   Event = "invite.revoked"
	Ping            Event = "ping"
)

// Events returns those that an endpoint can subscribe to.
func Events() []Event {
	return []Event{MemberSuspended, MemberResumed, MemberDeleted, InviteCreated, InviteRotated, InviteRevoked}
}

const (
	// maxEndpoints bounds the endpoints of a tenant: each event is stored once for each.
	maxEndpoints = 10
	secretSize   = 32
	secretPrefix = "whsec_"
	// overlap is how long the secret before a rotation goes on signing.
	overlap = 24 * time.Hour
)

// EndpointID names an endpoint; its text form is "whk_…".
type EndpointID [id.Size]byte

func (e EndpointID) String() string { return id.Text("whk_", e) }

// ParseEndpointID accepts only what String prints.
func ParseEndpointID(text string) (e EndpointID, err error) {
	err = id.Parse((*[id.Size]byte)(&e), "whk_", []byte(text))
	return e, err
}

// DeliveryID names one event for one endpoint; its text form is "dlv_…".
type DeliveryID [id.Size]byte

func (d DeliveryID) String() string { return id.Text("dlv_", d) }

// ParseDeliveryID accepts only what String prints.
func ParseDeliveryID(text string) (d DeliveryID, err error) {
	err = id.Parse((*[id.Size]byte)(&d), "dlv_", []byte(text))
	return d, err
}

// Endpoint is where a tenant wants to be told.
type Endpoint struct {
	ID      EndpointID
	URL     string
	Events  []Event
	Enabled bool
	Created time.Time // a day
}

// Delivery is one event for one endpoint, and what became of it.
type Delivery struct {
	ID       DeliveryID
	Event    [id.Size]byte
	Type     Event
	State    string // "pending", "delivered" or "failed"
	Attempts int
	Created  time.Time
	Log      []Attempt // newest first
}

// Attempt is one try.
type Attempt struct {
	Number int
	At     time.Time
	Status int    // of the answer; 0: none came
	Result string // "delivered", "refused", "timeout", "unreachable" or "forbidden"
	Took   time.Duration
}

// Addresses is what this package asks of egress.
type Addresses interface{ CheckURL(address string) error }

// Service keeps endpoints and notes events, in its callers' transactions.
type Service struct {
	secrets   *secret.Store
	addresses Addresses
	now       func() time.Time
}

// New makes the service; now is the server's clock.
func New(secrets *secret.Store, addresses Addresses, now func() time.Time) *Service {
	return &Service{secrets, addresses, now}
}

// Create makes an endpoint and returns its secret, which is shown once.
func (s *Service) Create(ctx context.Context, tx tenant.Tx, url string, events []Event) (Endpoint, string, error) {
	if err := errors.Join(s.addresses.CheckURL(url), checkEvents(events)); err != nil {
		return Endpoint{}, "", err
	}
	if n, err := countEndpoints(ctx, tx); err != nil || n >= maxEndpoints {
		if err == nil {
			err = fmt.Errorf("%w: expected at most %d", ErrFull, maxEndpoints)
		}
		return Endpoint{}, "", err
	}
	e := Endpoint{ID: id.Random(), URL: url, Events: events, Enabled: true, Created: s.now().UTC().Truncate(24 * time.Hour)}
	if err := insertEndpoint(ctx, tx, e); err != nil {
		return Endpoint{}, "", fmt.Errorf("create webhook: %w", err)
	}
	text, err := s.newSecret(ctx, tx, e.ID)
	return e, text, err
}

// Update changes an endpoint.
func (s *Service) Update(ctx context.Context, tx tenant.Tx, e Endpoint) error {
	if err := errors.Join(s.addresses.CheckURL(e.URL), checkEvents(e.Events)); err != nil {
		return err
	}
	return found(updateEndpoint(ctx, tx, e))
}

// Get returns an endpoint, or ErrUnknown.
func (s *Service) Get(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (Endpoint, error) {
	e, err := selectEndpoint(ctx, tx, endpoint)
	if errors.Is(err, tenant.ErrNotFound) {
		return e, ErrUnknown
	}
	return e, err
}

// List returns all endpoints.
func (s *Service) List(ctx context.Context, tx tenant.Tx) ([]Endpoint, error) {
	return selectEndpoints(ctx, tx)
}

// Delete removes an endpoint with what waits for it.
func (s *Service) Delete(ctx context.Context, tx tenant.Tx, endpoint EndpointID) error {
	if err := found(deleteEndpoint(ctx, tx, endpoint)); err != nil {
		return err
	}
	return errors.Join(s.secrets.Delete(ctx, tx, secretName(endpoint)), s.secrets.Delete(ctx, tx, oldName(endpoint)))
}

// Rotate gives an endpoint a new secret. For a day deliveries carry a signature
// of the old one, too.
func (s *Service) Rotate(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (string, error) {
	if _, err := s.Get(ctx, tx, endpoint); err != nil {
		return "", err
	}
	old, err := s.secrets.Get(ctx, tx, secretName(endpoint))
	if err != nil {
		return "", fmt.Errorf("rotate webhook secret: %w", err)
	}
	until := binary.BigEndian.AppendUint64(nil, uint64(s.now().Add(overlap).Unix()))
	if err := s.secrets.Put(ctx, tx, oldName(endpoint), append(until, old...)); err != nil {
		return "", err
	}
	return s.newSecret(ctx, tx, endpoint)
}

func (s *Service) newSecret(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (string, error) {
	key := make([]byte, secretSize)
	rand.Read(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key), s.secrets.Put(ctx, tx, secretName(endpoint), key)
}

func secretName(e EndpointID) string { return "webhook/" + e.String() }
func oldName(e EndpointID) string    { return secretName(e) + "/old" }

// message is the body of a delivery (Standard Webhooks, "Payload structure").
type message struct {
	Type      Event     `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// Emit notes an event for every enabled endpoint that subscribed to it.
func (s *Service) Emit(ctx context.Context, tx tenant.Tx, event Event, data any) error {
	body, err := s.body(event, data)
	if err != nil {
		return err
	}
	return emit(ctx, tx, id.Random(), event, body, s.now())
}

// Ping notes a test event for one endpoint, enabled or not.
func (s *Service) Ping(ctx context.Context, tx tenant.Tx, endpoint EndpointID) (DeliveryID, error) {
	if _, err := s.Get(ctx, tx, endpoint); err != nil {
		return DeliveryID{}, err
	}
	body, err := s.body(Ping, struct{}{})
	if err != nil {
		return DeliveryID{}, err
	}
	d := DeliveryID(id.Random())
	return d, insertOutbox(ctx, tx, d, endpoint, id.Random(), Ping, body, s.now())
}

func (s *Service) body(event Event, data any) ([]byte, error) {
	body, err := json.Marshal(message{event, s.now().UTC().Truncate(time.Second), data})
	if err != nil {
		return nil, fmt.Errorf("note event: %w", err)
	}
	return body, nil
}

// Deliveries returns a page of an endpoint's deliveries in the order of their
// ids, those after a given one, and where the next page begins (zero: nowhere).
func (s *Service) Deliveries(ctx context.Context, tx tenant.Tx, endpoint EndpointID, after DeliveryID, limit int) (page []Delivery, next DeliveryID, err error) {
	if _, err := s.Get(ctx, tx, endpoint); err != nil {
		return nil, next, err
	}
	if page, err = selectDeliveries(ctx, tx, endpoint, after, limit+1); err != nil {
		return nil, next, fmt.Errorf("list deliveries: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	for i := range page {
		if page[i].Log, err = selectAttempts(ctx, tx, page[i].ID); err != nil {
			return nil, next, fmt.Errorf("list deliveries: %w", err)
		}
	}
	return page, next, nil
}

// Replay sends a delivery again that was delivered or given up, under the same
// webhook-id.
func (s *Service) Replay(ctx context.Context, tx tenant.Tx, endpoint EndpointID, delivery DeliveryID) error {
	state, err := selectState(ctx, tx, endpoint, delivery)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return ErrUnknown
	case err != nil:
		return err
	case state == statePending:
		return ErrPending
	}
	return found(retry(ctx, tx, delivery, s.now()))
}

func checkEvents(events []Event) error {
	for i, e := range events {
		if !slices.Contains(Events(), e) || slices.Contains(events[:i], e) {
			return ErrEvents
		}
	}
	if len(events) == 0 {
		return ErrEvents
	}
	return nil
}

func found(changed int64, err error) error {
	if err == nil && changed == 0 {
		return ErrUnknown
	}
	return err
}
