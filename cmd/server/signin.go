package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
)

// signInArgs are the flags that say how a tenant's members get in.
type signInArgs struct{ issuer, audience, loginURL, jwksURL, keyFile, client, secretFile, origin string }

func (a *signInArgs) flags(flags *flag.FlagSet) {
	for name, to := range map[string]*string{"issuer": &a.issuer, "audience": &a.audience, "login-url": &a.loginURL, "jwks-url": &a.jwksURL,
		"key-file": &a.keyFile, "client": &a.client, "secret-file": &a.secretFile, "origin": &a.origin} {
		flags.StringVar(to, name, "", "")
	}
}

func (a tenantArgs) signIn(ctx context.Context, verb string, dbs databases, c config) (any, error) {
	out, err := egress.New(egress.Config{Allow: c.egressAllow})
	if err != nil {
		return nil, fmt.Errorf("%w TEST_EGRESS_ALLOW: %w", errSetting, err)
	}
	service := sso.New(sso.Config{DB: dbs.web, Secrets: secret.New(c.masters), Egress: out, Now: c.now()})
	switch verb {
	case "handoff":
		return a.handOff(ctx, service)
	case "oidc":
		return a.oidc(ctx, service)
	case "try":
		visit, err := service.Begin(ctx, a.id, sso.BeginRequest{Origin: a.origin, Test: true})
		return map[string]any{"tenant": a.id, "login_url": visit.LoginURL}, named(err)
	case "activate":
		return map[string]any{"tenant": a.id}, named(service.Activate(ctx, a.id))
	}
	return a.attempts(ctx, service)
}

func (a tenantArgs) handOff(ctx context.Context, service *sso.Service) (any, error) {
	h := sso.HandOff{Issuer: a.issuer, Audience: a.audience, LoginURL: a.loginURL, JWKSURL: a.jwksURL}
	if a.keyFile != "" {
		text, err := readFile("--key-file", a.keyFile)
		if err != nil {
			return nil, err
		}
		key, err := sso.ParseKey(text, "")
		if err != nil {
			return nil, named(err)
		}
		h.Keys = []sso.Key{key}
	}
	set, err := service.ConfigureHandOff(ctx, a.id, h)
	return map[string]any{"tenant": a.id, "setting": set.ID, "audience": set.Audience}, named(err)
}

func (a tenantArgs) oidc(ctx context.Context, service *sso.Service) (any, error) {
	o := sso.OIDC{Issuer: a.issuer, ClientID: a.client}
	if a.secretFile != "" {
		text, err := readFile("--secret-file", a.secretFile)
		if err != nil {
			return nil, err
		}
		o.ClientSecret = strings.TrimSpace(text)
	}
	set, err := service.ConfigureOIDC(ctx, a.id, o)
	return map[string]any{"tenant": a.id, "setting": set.ID, "redirect_path": sso.AnswerPath}, named(err)
}

func (a tenantArgs) attempts(ctx context.Context, service *sso.Service) (any, error) {
	current, next, err := service.Settings(ctx, a.id)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"tenant": a.id}
	for name, set := range map[string]*sso.Setting{"live": current, "draft": next} {
		if set == nil {
			continue
		}
		if out[name], err = service.Attempts(ctx, a.id, set.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxFile bounds a key or a secret in a file: a pasted RSA key of 8192 bits has
// a fifth of it.
const maxFile = 8 << 10

// readFile keeps secrets out of arguments, which every user of a machine can see.
func readFile(flag, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w %s: expected a file that can be read", errSetting, flag)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(text) > maxFile {
		return "", fmt.Errorf("%w %s: expected a file of at most %d bytes", errSetting, flag, maxFile)
	}
	return string(text), nil
}
