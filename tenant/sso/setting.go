package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/id"
)

// Way is how a tenant's members get in.
type Way string

// The two ways.
const (
	ByHandOff Way = "handoff"
	ByOIDC    Way = "oidc"
)

const (
	maxIssuer   = 512  // bytes
	maxAudience = 255  // bytes
	maxURL      = 1024 // bytes
	maxSlots    = 2    // keys: the one that signs and the one that follows or went before
)

// Setting is what verifies a tenant's logins. It holds no secret. Only a live
// one signs anybody in; a draft takes test logins.
type Setting struct {
	ID       SettingID
	Way      Way
	Issuer   string // iss, compared byte by byte
	Audience string // hand-off: aud; OIDC: the client id
	LoginURL string // hand-off: the host's page; OIDC: the authorization endpoint
	TokenURL string // OIDC only
	JWKSURL  string // may be empty for a hand-off with keys of its own
	TestedAt time.Time
	LiveAt   time.Time
	Keys     []SlotKey

	clientAuth clientAuth
	answersIss bool
	set        keySet
}

// SlotKey is a pasted key as a console may show it.
type SlotKey struct {
	Slot      int
	KID       string
	Algorithm Algorithm
}

// HandOff is a setting in which the host signs.
type HandOff struct {
	// Issuer is the iss of the host's tokens: 1 to 512 bytes, any text.
	Issuer string
	// Audience is their aud; empty means the tenant's identifier, "tnt_…".
	Audience string
	// LoginURL is the host's page that signs in; it gets the query parameter
	// nonce. https, up to 1024 bytes.
	LoginURL string
	// JWKSURL publishes the host's keys. With it, Keys is empty.
	JWKSURL string
	// Keys are one or two keys where there is no JWKSURL.
	Keys []Key
}

// ConfigureHandOff writes a setting as the tenant's draft, in the place of an
// older draft. A JWKSURL is read at once.
func (s *Service) ConfigureHandOff(ctx context.Context, id tenant.ID, h HandOff) (Setting, error) {
	set := Setting{ID: newSettingID(), Way: ByHandOff, Issuer: h.Issuer, Audience: h.Audience, LoginURL: h.LoginURL, JWKSURL: h.JWKSURL, clientAuth: authNone}
	if set.Audience == "" {
		set.Audience = id.String()
	}
	if err := s.checkSetting(set); err != nil {
		return Setting{}, err
	}
	if (h.JWKSURL == "") == (len(h.Keys) == 0) || len(h.Keys) > maxSlots {
		return Setting{}, fmt.Errorf("%w: expected either a JWKS URL or one or two keys", ErrSetting)
	}
	if err := s.firstKeys(ctx, &set); err != nil {
		return Setting{}, err
	}
	err := s.writeDraft(ctx, id, &set, func(tx tenant.Tx) error {
		for _, key := range h.Keys {
			if err := s.putKey(ctx, tx, &set, key); err != nil {
				return err
			}
		}
		return nil
	})
	return set, err
}

func newSettingID() SettingID { return SettingID(id.Random()) }

// firstKeys reads the key set at set-up, so that a wrong URL is seen there.
func (s *Service) firstKeys(ctx context.Context, set *Setting) error {
	if set.JWKSURL == "" {
		return nil
	}
	keys, err := s.fetchKeys(ctx, set.JWKSURL)
	if err != nil {
		return fmt.Errorf("%w: read the key set: %w", ErrSetting, err)
	}
	now := s.now()
	set.set = keySet{keys, now, now}
	return nil
}

func (s *Service) checkSetting(set Setting) error {
	if err := errors.Join(checkText("issuer", set.Issuer, maxIssuer), checkText("audience", set.Audience, maxAudience), s.checkURL("login URL", set.LoginURL)); err != nil {
		return err
	}
	for name, address := range map[string]string{"JWKS URL": set.JWKSURL, "token URL": set.TokenURL} {
		if address == "" {
			continue
		}
		if err := s.checkURL(name, address); err != nil {
			return err
		}
	}
	return nil
}

func checkText(name, text string, most int) error {
	if len(text) == 0 || len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: %s: expected 1 to %d bytes of visible text, received %d", ErrSetting, name, most, len(text))
	}
	return nil
}

func (s *Service) checkURL(name, address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("%w: %s: expected at most %d bytes, received %d", ErrSetting, name, maxURL, len(address))
	}
	if err := s.out.CheckURL(address); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSetting, name, err)
	}
	if u, err := url.Parse(address); err != nil || u.Fragment != "" {
		return fmt.Errorf("%w: %s: expected a URL without a fragment", ErrSetting, name)
	}
	return nil
}

// writeDraft puts a setting in the place of the draft, with what belongs to it.
func (s *Service) writeDraft(ctx context.Context, id tenant.ID, set *Setting, more func(tenant.Tx) error) error {
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		old, err := selectSetting(ctx, tx, draft)
		if err == nil {
			err = s.drop(ctx, tx, old)
		}
		if err != nil && !errors.Is(err, ErrNoSetting) {
			return err
		}
		if err := insertSetting(ctx, tx, *set, s.now()); err != nil {
			return err
		}
		return more(tx)
	})
	if err != nil {
		return fmt.Errorf("write setting: %w", err)
	}
	return nil
}

// drop deletes a setting, what hangs on it, and its secrets.
func (s *Service) drop(ctx context.Context, tx tenant.Tx, set Setting) error {
	if err := s.secrets.Delete(ctx, tx, clientSecretName(set.ID)); err != nil {
		return err
	}
	for slot := 1; slot <= maxSlots; slot++ {
		if err := s.secrets.Delete(ctx, tx, keySecretName(set.ID, slot)); err != nil {
			return err
		}
	}
	return deleteSetting(ctx, tx, set.ID)
}

// Activate puts the draft in the place of the live setting, once a login has
// gone through with it. Visits by the older setting are over.
func (s *Service) Activate(ctx context.Context, id tenant.ID) error {
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		next, err := selectSetting(ctx, tx, draft)
		if err != nil {
			return err
		}
		if next.TestedAt.IsZero() {
			return ErrUntested
		}
		if err := s.dropLive(ctx, tx); err != nil {
			return err
		}
		return makeLive(ctx, tx, next.ID, s.now())
	})
	if err != nil {
		return fmt.Errorf("activate setting: %w", err)
	}
	return nil
}

// Disable removes the live setting: nobody can sign in until another is
// activated. Sessions go on.
func (s *Service) Disable(ctx context.Context, id tenant.ID) error {
	return s.db.In(ctx, id, func(tx tenant.Tx) error { return s.dropLive(ctx, tx) })
}

func (s *Service) dropLive(ctx context.Context, tx tenant.Tx) error {
	old, err := selectSetting(ctx, tx, live)
	if errors.Is(err, ErrNoSetting) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.drop(ctx, tx, old)
}

// Settings returns the live setting and the draft, nil where there is none.
func (s *Service) Settings(ctx context.Context, id tenant.ID) (current, next *Setting, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		for _, want := range []struct {
			at  stage
			dst **Setting
		}{{live, &current}, {draft, &next}} {
			set, err := selectSetting(ctx, tx, want.at)
			if errors.Is(err, ErrNoSetting) {
				continue
			}
			if err == nil {
				set.Keys, err = selectKeys(ctx, tx, set.ID)
			}
			if err != nil {
				return err
			}
			*want.dst = &set
		}
		return nil
	})
	return current, next, err
}

// AddKey gives a hand-off its second key. Both verify until one is removed: that
// is a rotation.
func (s *Service) AddKey(ctx context.Context, id tenant.ID, setting SettingID, key Key) error {
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		set, err := s.pasted(ctx, tx, setting)
		if err != nil {
			return err
		}
		return s.putKey(ctx, tx, &set, key)
	})
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	return nil
}

// RemoveKey ends a key's life; the last one stays.
func (s *Service) RemoveKey(ctx context.Context, id tenant.ID, setting SettingID, slot int) error {
	err := s.db.In(ctx, id, func(tx tenant.Tx) error {
		set, err := s.pasted(ctx, tx, setting)
		if err != nil {
			return err
		}
		if len(set.Keys) < 2 || set.Keys[0].Slot != slot && set.Keys[1].Slot != slot {
			return fmt.Errorf("%w: expected the slot of one of two keys", ErrKey)
		}
		if err := s.secrets.Delete(ctx, tx, keySecretName(setting, slot)); err != nil {
			return err
		}
		return deleteKey(ctx, tx, setting, slot)
	})
	if err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	return nil
}

// pasted locks a setting that has keys of its own.
func (s *Service) pasted(ctx context.Context, tx tenant.Tx, setting SettingID) (Setting, error) {
	set, err := lockSetting(ctx, tx, setting)
	if err != nil {
		return set, err
	}
	if set.Way != ByHandOff || set.JWKSURL != "" {
		return set, fmt.Errorf("%w: expected a hand-off with pasted keys", ErrSetting)
	}
	set.Keys, err = selectKeys(ctx, tx, setting)
	return set, err
}

// putKey takes the first free slot.
func (s *Service) putKey(ctx context.Context, tx tenant.Tx, set *Setting, key Key) error {
	slot := 1
	for _, k := range set.Keys {
		if k.KID == key.kid {
			return fmt.Errorf("%w: expected another kid than that of the setting's other key", ErrKey)
		}
		if k.Slot == slot {
			slot++
		}
	}
	if slot > maxSlots {
		return ErrKeysFull
	}
	der, err := key.der()
	if err != nil {
		return ErrKey
	}
	if err := insertKey(ctx, tx, set.ID, slot, key, der, s.now()); err != nil {
		return err
	}
	set.Keys = append(set.Keys, SlotKey{slot, key.kid, key.algorithm})
	if key.algorithm != HS256 {
		return nil
	}
	return s.secrets.Put(ctx, tx, keySecretName(set.ID, slot), key.material.([]byte))
}

// The names of a setting's secrets, within the 64 bytes of tenant_secret.
func clientSecretName(id SettingID) string { return "sso/" + id.String() + "/client" }

func keySecretName(id SettingID, slot int) string { return fmt.Sprintf("sso/%s/key%d", id, slot) }
