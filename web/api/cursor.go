package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/sottochat/sotto/web/problem"
)

const (
	cursorSecret = "cursor"
	cursorMAC    = 16
)

// cursor says where the next page of a list begins. It carries a MAC under a
// secret of the tenant and over the list's name, so that it is of use nowhere
// else and cannot be made up.
func (a API) cursor(r *call, list string, after [16]byte) (*string, error) {
	if after == ([16]byte{}) {
		return nil, nil
	}
	mac, err := a.cursorMAC(r, list, after)
	if err != nil {
		return nil, err
	}
	text := base64.RawURLEncoding.EncodeToString(append(after[:], mac...))
	return &text, nil
}

func (a API) openCursor(r *call, list, text string) (after [16]byte, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(after)+cursorMAC {
		return after, badCursor(text)
	}
	mac, err := a.cursorMAC(r, list, [16]byte(raw[:16]))
	if err != nil {
		return after, err
	}
	if !hmac.Equal(mac, raw[16:]) {
		return after, badCursor(text)
	}
	return [16]byte(raw[:16]), nil
}

func badCursor(text string) error {
	return problem.Secret("cursor", "the next_cursor of an earlier page of this list", len(text))
}

func (a API) cursorMAC(r *call, list string, after [16]byte) ([]byte, error) {
	key, err := a.Secrets.Ensure(r.ctx, r.tx, cursorSecret, sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("sotto/cursor/v1\x00" + list + "\x00"))
	mac.Write(after[:])
	return mac.Sum(nil)[:cursorMAC], nil
}
