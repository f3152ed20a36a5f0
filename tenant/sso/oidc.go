package sso

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/secret"
)

// AnswerPath is where an identity provider sends the browser back to.
const AnswerPath = "/login/answer"

const maxParameter = 4096 // bytes, of a parameter of an answer

// Answer is the query of the request to AnswerPath.
type Answer struct {
	State, Code string
	Issuer      string // iss, RFC 9207
	Error       string // error, RFC 6749 section 4.1.2.1
}

// authURL asks for a code with PKCE. Nonce and verifier are derived from the
// visit under a key of the tenant; nothing of them is stored.
func (s *Service) authURL(ctx context.Context, tx tenant.Tx, set Setting, visit [16]byte, state, origin string) (string, error) {
	nonce, verifier, err := s.oidcSecrets(ctx, tx, visit)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{ClientID: set.Audience, Endpoint: endpoint(set), RedirectURL: origin + AnswerPath, Scopes: []string{oidc.ScopeOpenID}}
	return config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

func (s *Service) oidcSecrets(ctx context.Context, tx tenant.Tx, visit [16]byte) (nonce, verifier string, err error) {
	n, err := s.derive(ctx, tx, "oidc-nonce", visit[:])
	if err != nil {
		return "", "", err
	}
	v, err := s.derive(ctx, tx, "pkce", visit[:])
	return base64.RawURLEncoding.EncodeToString(n), base64.RawURLEncoding.EncodeToString(v), err
}

func endpoint(set Setting) oauth2.Endpoint {
	style := oauth2.AuthStyleInParams
	if set.clientAuth == authBasic {
		style = oauth2.AuthStyleInHeader
	}
	return oauth2.Endpoint{AuthURL: set.LoginURL, TokenURL: set.TokenURL, AuthStyle: style}
}

// Answer judges what an identity provider sent the browser back with; origin is
// that of Begin. It ends as HandOff does.
func (s *Service) Answer(ctx context.Context, tid tenant.ID, origin string, a Answer) (Arrival, error) {
	visit, set, err := s.find(ctx, tid, a.State)
	if err != nil {
		return Arrival{}, fmt.Errorf("answer: %w", err)
	}
	arrival, err := s.answer(ctx, tid, visit, set, origin, a)
	if err != nil {
		return Arrival{}, fmt.Errorf("answer: %w", s.record(ctx, tid, set, err))
	}
	return arrival, nil
}

func (s *Service) answer(ctx context.Context, tid tenant.ID, visit *visitRow, set Setting, origin string, a Answer) (Arrival, error) {
	if err := a.check(visit, set); err != nil {
		return Arrival{}, err
	}
	nonce, verifier, client, err := s.beginExchange(ctx, tid, visit, set)
	if err != nil {
		return Arrival{}, err
	}
	token, err := s.exchange(ctx, set, client, origin, a.Code, verifier)
	if err != nil {
		return Arrival{}, err
	}
	c, err := s.verifyIDToken(ctx, tid, set, token)
	if err != nil {
		return Arrival{}, err
	}
	if c.Nonce != nonce {
		return Arrival{}, refuse("nonce", "expected that of this login")
	}
	once := used{"id-token", []byte(token), c.Expires.Time().Add(2 * skew)}
	return s.prove(ctx, tid, visit, set, c.Subject, once)
}

func (a Answer) check(visit *visitRow, set Setting) error {
	switch {
	case set.Way != ByOIDC:
		return refuse("state", "the setting is not OpenID Connect")
	case visit == nil || !visit.open:
		return refuse("state", "it belongs to no login that is open here")
	case len(a.Code) > maxParameter || len(a.Issuer) > maxParameter:
		return refuse("code", "expected at most %d bytes", maxParameter)
	case set.answersIss && a.Issuer == "":
		return refuse("iss", "the provider announces iss in its answers (RFC 9207), and this has none")
	case a.Issuer != "" && a.Issuer != set.Issuer:
		return refuse("iss", "the answer is that of another provider")
	case a.Error != "":
		return refuse("error", "the provider answers %s", knownError(a.Error))
	case a.Code == "":
		return refuse("code", "missing")
	}
	return nil
}

// knownError names the errors of RFC 6749 section 4.1.2.1 and OpenID Connect
// Core 1.0 section 3.1.2.6; another text comes from whoever made the request.
func knownError(code string) string {
	known := []string{"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "server_error",
		"temporarily_unavailable", "interaction_required", "login_required", "account_selection_required", "consent_required"}
	if slices.Contains(known, code) {
		return code
	}
	return "an error that is not listed"
}

// beginExchange takes the state, once: of two answers with one state the second
// never reaches the provider.
func (s *Service) beginExchange(ctx context.Context, tid tenant.ID, visit *visitRow, set Setting) (nonce, verifier, client string, err error) {
	err = s.db.In(ctx, tid, func(tx tenant.Tx) error {
		if err := s.useOnce(ctx, tx, used{"state", visit.id[:], s.now().Add(visitLife)}); err != nil {
			return err
		}
		value, err := s.secrets.Get(ctx, tx, clientSecretName(set.ID))
		if err != nil && !errors.Is(err, secret.ErrUnknown) {
			return err
		}
		client = string(value)
		nonce, verifier, err = s.oidcSecrets(ctx, tx, visit.id)
		return err
	})
	return nonce, verifier, client, err
}

// exchange gives the code for an ID token. The access token is dropped.
func (s *Service) exchange(ctx context.Context, set Setting, client, origin, code, verifier string) (string, error) {
	config := oauth2.Config{ClientID: set.Audience, ClientSecret: client, Endpoint: endpoint(set), RedirectURL: origin + AnswerPath}
	token, err := config.Exchange(oidc.ClientContext(ctx, s.out.HTTP()), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return "", exchangeFault(ctx, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return "", refuse("id_token", "the provider's answer has none")
	}
	return raw, nil
}

// exchangeFault keeps the status and the class, never the answer's text.
func exchangeFault(ctx context.Context, err error) error {
	var status *oauth2.RetrieveError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &status) && status.Response != nil:
		return refuse("code", "the provider refuses it with status %d", status.Response.StatusCode)
	}
	return refuse("code", "%s", strings.TrimPrefix(egress.Reason(err).Error(), "egress: "))
}

// verifyIDToken lets go-oidc judge the token with our keys, and then judges all
// that it leaves out or does in another way: azp, times, one exact issuer.
func (s *Service) verifyIDToken(ctx context.Context, tid tenant.ID, set Setting, token string) (claims, error) {
	keys := &tokenKeys{service: s, tenant: tid, setting: set}
	verifier := oidc.NewVerifier(set.Issuer, keys, &oidc.Config{ClientID: set.Audience, SupportedSigningAlgs: publicAlgorithms, SkipExpiryCheck: true})
	_, libErr := verifier.Verify(ctx, token)
	if keys.err != nil {
		return claims{}, keys.err
	}
	payload := keys.payload
	if payload == nil {
		// The library stopped before the signature; ask for the reason in our words.
		var err error
		if payload, err = keys.VerifySignature(ctx, token); err != nil {
			return claims{}, err
		}
	}
	c, err := parseClaims(payload)
	if err != nil {
		return claims{}, err
	}
	if err := c.checkIDToken(set, s.now()); err != nil {
		return claims{}, err
	}
	if libErr != nil {
		return claims{}, refuse("id_token", "not an ID token of this provider for this client")
	}
	return c, nil
}

// publicAlgorithms are those of an ID token. HS256 is not one: the client
// secret would sign.
var publicAlgorithms = []string{string(EdDSA), string(ES256), string(RS256)}

// tokenKeys is the oidc.KeySet of one verification.
type tokenKeys struct {
	service *Service
	tenant  tenant.ID
	setting Setting
	payload []byte
	err     error
}

// VerifySignature implements oidc.KeySet.
func (k *tokenKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	k.payload, k.err = k.verify(ctx, token)
	return k.payload, k.err
}

func (k *tokenKeys) verify(ctx context.Context, token string) ([]byte, error) {
	h, err := parseHeader(token)
	if err != nil {
		return nil, err
	}
	keys, err := k.service.keysOf(ctx, k.tenant, k.setting, h)
	if err != nil {
		return nil, err
	}
	return verify(token, h, keys)
}
