package sso

import (
	"context"
	"fmt"
	"time"

	"github.com/sottochat/sotto/tenant"
)

const (
	// maxSetKeys bounds a key set: no issuer needs more than a handful.
	maxSetKeys = 100
	// freshFor is how long a key set is used before it is read again: an issuer
	// that publishes a key before it signs with it is never kept waiting.
	freshFor = 10 * time.Minute
	// staleFor is how long it is used while it cannot be read again. A key that
	// the issuer removed verifies no longer than this.
	staleFor = time.Hour
	// fetchEvery is the least time between two reads, by whichever node and for
	// whatever reason: made-up kids do not reach the issuer more often.
	fetchEvery = time.Minute
)

// keySet is what is known of a JWKS URL.
type keySet struct {
	keys    []Key
	readAt  time.Time
	triedAt time.Time
}

// keysOf returns the keys that may verify a token, reading the key set again
// where it is old or does not have the token's kid.
func (s *Service) keysOf(ctx context.Context, id tenant.ID, set Setting, h header) ([]Key, error) {
	if set.JWKSURL == "" {
		return s.pastedKeys(ctx, id, set)
	}
	_, named := h.match(set.set.keys)
	now := s.now()
	if named && now.Sub(set.set.readAt) < freshFor {
		return set.set.keys, nil
	}
	if fresh, err := s.refresh(ctx, id, set); err != nil || fresh != nil {
		return fresh, err
	}
	if now.Sub(set.set.readAt) >= staleFor {
		return nil, refuse("keys", "the key set could not be read for an hour")
	}
	return set.set.keys, nil
}

// refresh reads the key set, unless somebody has within the last minute. It
// gives nil when there is nothing newer; a failure to read is that too.
func (s *Service) refresh(ctx context.Context, id tenant.ID, set Setting) ([]Key, error) {
	now, mine := s.now(), false
	err := s.db.In(ctx, id, func(tx tenant.Tx) (err error) {
		mine, err = claimFetch(ctx, tx, set.ID, now, now.Add(-fetchEvery))
		return err
	})
	if err != nil || !mine {
		return nil, err
	}
	keys, err := s.fetchKeys(ctx, set.JWKSURL)
	if err != nil {
		return nil, ctx.Err()
	}
	raw, err := formatKeySet(keys)
	if err != nil {
		return nil, err
	}
	err = s.db.In(ctx, id, func(tx tenant.Tx) error { return updateKeySet(ctx, tx, set.ID, raw, now) })
	return keys, err
}

func (s *Service) fetchKeys(ctx context.Context, address string) ([]Key, error) {
	body, err := s.out.Get(ctx, address)
	if err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// pastedKeys opens the keys that the tenant entered itself.
func (s *Service) pastedKeys(ctx context.Context, id tenant.ID, set Setting) (keys []Key, err error) {
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		rows, err := selectKeyRows(ctx, tx, set.ID)
		if err != nil {
			return err
		}
		for _, row := range rows {
			key, err := s.openKey(ctx, tx, set.ID, row)
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	return keys, nil
}

func (s *Service) openKey(ctx context.Context, tx tenant.Tx, id SettingID, row keyRow) (Key, error) {
	if row.Algorithm != HS256 {
		key, err := parseDER(row.der, row.KID)
		if err == nil && key.algorithm != row.Algorithm {
			err = ErrKey
		}
		return key, err
	}
	value, err := s.secrets.Get(ctx, tx, keySecretName(id, row.Slot))
	return Key{row.KID, HS256, value}, err
}
