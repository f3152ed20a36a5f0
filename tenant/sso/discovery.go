package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/sottochat/sotto/tenant"
)

// clientAuth is how the client proves itself at the token endpoint (OpenID
// Connect Core 1.0 section 9).
type clientAuth string

const (
	authNone  clientAuth = "none" // PKCE alone
	authBasic clientAuth = "basic"
	authPost  clientAuth = "post"
)

const maxClientSecret = 1024 // bytes

// OIDC is a setting in which an OpenID Connect provider signs in.
type OIDC struct {
	// Issuer is the provider's, exactly as its discovery document has it.
	Issuer string
	// ClientID and ClientSecret are what the provider gave for the redirect URI
	// "https://<chat host>" + AnswerPath. The secret is empty for a public client.
	ClientID, ClientSecret string
}

// metadata is what counts of OpenID Connect Discovery 1.0 section 3.
type metadata struct {
	Issuer        string   `json:"issuer"`
	AuthURL       string   `json:"authorization_endpoint"`
	TokenURL      string   `json:"token_endpoint"`
	JWKSURL       string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	ClientAuths   []string `json:"token_endpoint_auth_methods_supported"`
	AnswersIss    bool     `json:"authorization_response_iss_parameter_supported"`
}

// ConfigureOIDC reads and checks the provider's discovery document and key set,
// and writes the setting as the tenant's draft. What the document said is kept;
// it is not read again.
func (s *Service) ConfigureOIDC(ctx context.Context, id tenant.ID, o OIDC) (Setting, error) {
	if err := errors.Join(checkText("client id", o.ClientID, maxAudience), s.checkURL("issuer", o.Issuer)); err != nil {
		return Setting{}, err
	}
	if len(o.ClientSecret) > maxClientSecret {
		return Setting{}, fmt.Errorf("%w: client secret: expected at most %d bytes", ErrSetting, maxClientSecret)
	}
	meta, err := s.discover(ctx, o.Issuer)
	if err != nil {
		return Setting{}, err
	}
	set := Setting{ID: newSettingID(), Way: ByOIDC, Issuer: o.Issuer, Audience: o.ClientID, LoginURL: meta.AuthURL, TokenURL: meta.TokenURL,
		JWKSURL: meta.JWKSURL, clientAuth: meta.clientAuth(o.ClientSecret), answersIss: meta.AnswersIss}
	if err := s.checkSetting(set); err != nil {
		return Setting{}, err
	}
	if err := s.firstKeys(ctx, &set); err != nil {
		return Setting{}, err
	}
	err = s.writeDraft(ctx, id, &set, func(tx tenant.Tx) error {
		if o.ClientSecret == "" {
			return nil
		}
		return s.secrets.Put(ctx, tx, clientSecretName(set.ID), []byte(o.ClientSecret))
	})
	return set, err
}

func (s *Service) discover(ctx context.Context, issuer string) (meta metadata, err error) {
	body, err := s.out.Get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return meta, fmt.Errorf("%w: read the discovery document: %w", ErrSetting, err)
	}
	if json.Unmarshal(body, &meta) != nil {
		return meta, fmt.Errorf("%w: the discovery document is not a JSON object with the types of OpenID Connect Discovery", ErrSetting)
	}
	return meta, meta.check(issuer)
}

func (m metadata) check(issuer string) error {
	switch {
	case m.Issuer != issuer:
		return fmt.Errorf("%w: issuer: expected exactly %q, the discovery document has %s", ErrSetting, issuer, shorten(m.Issuer))
	case m.AuthURL == "" || m.TokenURL == "" || m.JWKSURL == "":
		return fmt.Errorf("%w: the discovery document lacks authorization_endpoint, token_endpoint or jwks_uri", ErrSetting)
	case !slices.Contains(m.ResponseTypes, "code"):
		return fmt.Errorf("%w: the provider does not offer the response type code", ErrSetting)
	case m.Challenges != nil && !slices.Contains(m.Challenges, "S256"):
		return fmt.Errorf("%w: the provider does not offer PKCE with S256", ErrSetting)
	case !slices.ContainsFunc(m.Algorithms, func(a string) bool { return slices.Contains(publicAlgorithms, a) }):
		return fmt.Errorf("%w: the provider signs ID tokens with none of EdDSA, ES256, RS256", ErrSetting)
	}
	return nil
}

// clientAuth prefers basic, which is the default where nothing is announced.
func (m metadata) clientAuth(secret string) clientAuth {
	switch {
	case secret == "":
		return authNone
	case m.ClientAuths != nil && !slices.Contains(m.ClientAuths, "client_secret_basic") && slices.Contains(m.ClientAuths, "client_secret_post"):
		return authPost
	}
	return authBasic
}
