package sso

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// skew is how far the host's clock may be from ours.
	skew = 60 * time.Second
	// maxLife is how long a hand-off's token may live, exp minus iat.
	maxLife = 60 * time.Second
	// minJTI leaves 96 bits in base64; maxJTI is what no library exceeds.
	minJTI = 16
	maxJTI = 255
	// maxSubject is that of OpenID Connect Core 1.0 section 2.
	maxSubject = 255
)

// claims are those of a hand-off (docs/operations.md, "Hand-off") and of an ID
// token (OpenID Connect Core 1.0 section 2) that count here.
type claims struct {
	Issuer     string           `json:"iss"`
	Subject    string           `json:"sub"`
	Audience   jwt.Audience     `json:"aud"`
	Authorized *string          `json:"azp"`
	Expires    *jwt.NumericDate `json:"exp"`
	IssuedAt   *jwt.NumericDate `json:"iat"`
	NotBefore  *jwt.NumericDate `json:"nbf"`
	ID         string           `json:"jti"`
	Nonce      string           `json:"nonce"`
}

func parseClaims(payload []byte) (c claims, err error) {
	// The JSON reader would put one replacement character for any bad byte, and
	// make one member of two.
	if !utf8.Valid(payload) || json.Unmarshal(payload, &c) != nil {
		return c, refuse("token", "the claims are not a JSON object in UTF-8 with the types of RFC 7519, each name once")
	}
	return c, nil
}

// checkHandOff judges the claims of a hand-off; the nonce is the caller's.
func (c claims) checkHandOff(set Setting, now time.Time) error {
	if err := c.checkIssuer(set.Issuer); err != nil {
		return err
	}
	if len(c.Audience) != 1 || c.Audience[0] != set.Audience {
		return refuse("aud", "expected exactly %q, received %s", set.Audience, shorten(strings.Join(c.Audience, ", ")))
	}
	if err := c.checkTimes(now); err != nil {
		return err
	}
	if life := c.Expires.Time().Sub(c.IssuedAt.Time()); life > maxLife || life <= 0 {
		return refuse("exp", "expected 1 to %d seconds after iat, received %d", int(maxLife.Seconds()), int(life.Seconds()))
	}
	if len(c.ID) < minJTI || len(c.ID) > maxJTI {
		return refuse("jti", "expected %d to %d bytes, received %d", minJTI, maxJTI, len(c.ID))
	}
	return c.checkSubject()
}

// checkIDToken judges an ID token as OpenID Connect Core 1.0 section 3.1.3.7 has
// it; signature and nonce are the caller's.
func (c claims) checkIDToken(set Setting, now time.Time) error {
	if err := c.checkIssuer(set.Issuer); err != nil {
		return err
	}
	ours := false
	for _, audience := range c.Audience {
		ours = ours || audience == set.Audience
	}
	if !ours {
		return refuse("aud", "expected the client id %q, received %s", set.Audience, shorten(strings.Join(c.Audience, ", ")))
	}
	if len(c.Audience) > 1 && c.Authorized == nil || c.Authorized != nil && *c.Authorized != set.Audience {
		return refuse("azp", "expected the client id %q", set.Audience)
	}
	if err := c.checkTimes(now); err != nil {
		return err
	}
	return c.checkSubject()
}

// checkIssuer compares byte by byte: another slash, case or scheme is another
// issuer.
func (c claims) checkIssuer(want string) error {
	if c.Issuer != want {
		return refuse("iss", "expected exactly %q, received %s", want, shorten(c.Issuer))
	}
	return nil
}

func (c claims) checkTimes(now time.Time) error {
	switch {
	case c.Expires == nil:
		return refuse("exp", "missing")
	case c.IssuedAt == nil:
		return refuse("iat", "missing")
	case now.Sub(c.Expires.Time()) > skew:
		return refuse("exp", "expired %d seconds ago", int(now.Sub(c.Expires.Time()).Seconds()))
	case c.IssuedAt.Time().Sub(now) > skew:
		return refuse("iat", "%d seconds in the future", int(c.IssuedAt.Time().Sub(now).Seconds()))
	case c.NotBefore != nil && c.NotBefore.Time().Sub(now) > skew:
		return refuse("nbf", "%d seconds in the future", int(c.NotBefore.Time().Sub(now).Seconds()))
	}
	return nil
}

func (c claims) checkSubject() error {
	if len(c.Subject) == 0 || len(c.Subject) > maxSubject {
		return refuse("sub", "expected 1 to %d bytes, received %d", maxSubject, len(c.Subject))
	}
	if strings.ContainsFunc(c.Subject, unicode.IsControl) {
		return refuse("sub", "expected no control characters")
	}
	return nil
}

// shorten makes a verified text fit to be kept for the console.
func shorten(text string) string {
	const most = 100
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return `"` + text + `"`
}
