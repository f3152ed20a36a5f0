package link

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/key"
)

const (
	digitsDomain = "sotto/link/digits/v1"
	slotDomain   = "sotto/link/slot/v1"
	sealDomain   = "sotto/link/seal/v1"

	digits = 6

	// maxOfferText is that of a log entry.
	maxOfferText = devicelog.MaxEntry
)

// Digits returns the six digits that both screens show: SHA-256 over the domain,
// the whole code (both keys of the new device and the secret) and the identity
// key of the device that scanned it, as a number modulo a million
// (docs/protocol.md section 6.3).
func (c *Code) Digits(approver key.IdentityPublic) string {
	h := sha256.New()
	h.Write([]byte{byte(len(digitsDomain))})
	io.WriteString(h, digitsDomain)
	h.Write(c.body())
	h.Write(approver.Bytes())
	n := binary.BigEndian.Uint64(h.Sum(nil))
	return fmt.Sprintf("%0*d", digits, n%1_000_000)
}

// Step is one payload of the exchange.
type Step uint8

const (
	// StepOffer goes to the new device: an Offer.
	StepOffer Step = 1
	// StepAnswer comes back: the 64 bytes of the reverse signature.
	StepAnswer Step = 2
	// StepGrant goes to the new device when it is in the log: where its history is.
	StepGrant Step = 3
)

// Slot names the place on the server where a step's payload waits: 32 bytes that
// tell nothing of the code. Attempts count from 0; one whose log grew meanwhile
// is followed by the next, in slots of its own.
func (c *Code) Slot(step Step, attempt int) ([32]byte, error) {
	b, err := c.derive(slotDomain, step, attempt)
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(b), nil
}

// Seal encrypts a step's payload: a random nonce of 12 bytes drawn from rand,
// then AES-256-GCM with the slot as associated data.
func (c *Code) Seal(rand io.Reader, step Step, attempt int, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, messaging.Invalid(ErrPayload)
	}
	aead, slot, err := c.aead(step, attempt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize, nonceSize+len(payload)+tagSize)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("seal a link payload: %w", err)
	}
	return aead.Seal(nonce, nonce, payload, slot), nil
}

// Open reverses Seal for the same step and attempt.
func (c *Code) Open(step Step, attempt int, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize || len(sealed) > nonceSize+MaxPayload+tagSize {
		return nil, messaging.Invalid(ErrPayload)
	}
	aead, slot, err := c.aead(step, attempt)
	if err != nil {
		return nil, err
	}
	payload, err := aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], slot)
	if err != nil {
		return nil, messaging.Invalid(ErrPayload)
	}
	return payload, nil
}

func (c *Code) aead(step Step, attempt int) (cipher.AEAD, []byte, error) {
	k, err := c.derive(sealDomain, step, attempt)
	if err != nil {
		return nil, nil, err
	}
	defer clear(k)
	slot, err := c.derive(slotDomain, step, attempt)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, nil, fmt.Errorf("link: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return aead, slot, err
}

// derive gives 32 bytes of their own to each purpose, step and attempt:
// HKDF-SHA-256 of the secret, salted with the hash of the whole code, so that
// two devices that read different codes never meet.
func (c *Code) derive(domain string, step Step, attempt int) ([]byte, error) {
	if step < StepOffer || step > StepGrant || attempt < 0 || attempt >= MaxAttempts {
		return nil, messaging.Invalid(ErrStep)
	}
	salt := sha256.Sum256(c.body())
	info := domain + string([]byte{0, byte(step), byte(attempt)})
	return hkdf.Key(sha256.New, c.secret()[:], salt[:], info, 32)
}

// Offer is what the listed device answers to a code: who it is, and the text
// that shall list the new device, for devicelog's Join.
type Offer struct {
	Approver key.IdentityPublic
	Text     []byte
}

// Bytes returns the payload of StepOffer: the 33-byte identity key, then the text.
func (o Offer) Bytes() []byte { return append(o.Approver.Bytes(), o.Text...) }

// ParseOffer reads the payload of StepOffer. The text is judged by Join.
func ParseOffer(b []byte) (Offer, error) {
	if len(b) <= key.PublicSize || len(b) > key.PublicSize+maxOfferText {
		return Offer{}, messaging.Invalid(ErrPayload)
	}
	approver, err := key.ParsePublic[key.RoleIdentity](b[:key.PublicSize])
	return Offer{approver, b[key.PublicSize:]}, err
}
