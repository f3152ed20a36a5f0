package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/sso"
)

// tenantUsage is what the command takes. Every one prints one JSON object.
const tenantUsage = `expected one of:
  tenant create --name NAME --host HOST [--mode free|paid] [--color #rrggbb] [--language xx]
  tenant host --tenant ID --host HOST
  tenant key --tenant ID --name NAME [--scopes a,b]
  tenant revoke-key --tenant ID --key KEY
  tenant handoff --tenant ID --issuer TEXT --login-url URL (--jwks-url URL | --key-file FILE) [--audience TEXT]
  tenant oidc --tenant ID --issuer URL --client ID [--secret-file FILE]
  tenant try --tenant ID --origin https://HOST     begins a test login with what handoff or oidc wrote
  tenant activate --tenant ID                      puts it in force, after one test login went through
  tenant attempts --tenant ID                      shows the last 20 logins and which claim failed
  tenant suspend|resume|delete --tenant ID`

// tenantArgs are the flags of all of them; each takes those that it needs.
type tenantArgs struct {
	id                                                tenant.ID
	tenant, name, host, mode, color, language, scopes string
	key                                               string
	signInArgs
}

func (p program) tenant(ctx context.Context) error {
	if len(p.args) == 0 {
		return fmt.Errorf("%w: %s", errSetting, tenantUsage)
	}
	args, err := parseTenant(p.args[1:])
	if err != nil {
		return err
	}
	rest := p
	rest.args = nil
	c, err := rest.load("DATABASE_URL", "MASTER_KEYS")
	if err != nil {
		return err
	}
	dbs, err := openDatabases(ctx, c)
	if err != nil {
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
	defer dbs.close()
	out, err := args.run(ctx, p.args[0], dbs, c)
	if err != nil {
		return err
	}
	return json.NewEncoder(p.stdout).Encode(out)
}

func parseTenant(words []string) (a tenantArgs, err error) {
	flags := flag.NewFlagSet("tenant", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for name, to := range map[string]*string{"tenant": &a.tenant, "name": &a.name, "host": &a.host, "mode": &a.mode,
		"color": &a.color, "language": &a.language, "scopes": &a.scopes, "key": &a.key} {
		flags.StringVar(to, name, *to, "")
	}
	a.signInArgs.flags(flags)
	if err := flags.Parse(words); err != nil || flags.NArg() > 0 {
		return a, fmt.Errorf("%w: %s", errSetting, tenantUsage)
	}
	if a.tenant != "" {
		if a.id, err = tenant.ParseID(a.tenant); err != nil {
			return a, fmt.Errorf("%w --tenant: %w", errSetting, err)
		}
	}
	return a, nil
}

func (a tenantArgs) run(ctx context.Context, verb string, dbs databases, c config) (any, error) {
	operator := registry.NewOperator(dbs.operator, c.now())
	if verb != "create" && a.id.IsZero() {
		return nil, fmt.Errorf("%w --tenant: expected a tenant's id", errSetting)
	}
	done := map[string]any{"tenant": a.id}
	switch verb {
	case "create":
		return a.create(ctx, operator)
	case "host":
		h, err := operator.AddHost(ctx, a.id, a.host, registry.Chat, true)
		return map[string]any{"tenant": a.id, "host": h.Name}, named(err)
	case "key":
		return a.createKey(ctx, dbs.web, c.now())
	case "revoke-key":
		return a.revokeKey(ctx, dbs.web, c.now())
	case "handoff", "oidc", "try", "activate", "attempts":
		return a.signIn(ctx, verb, dbs, c)
	case "suspend":
		return done, named(operator.Suspend(ctx, a.id))
	case "resume":
		return done, named(operator.Resume(ctx, a.id))
	case "delete":
		return done, named(operator.Delete(ctx, a.id))
	}
	return nil, fmt.Errorf("%w: %s", errSetting, tenantUsage)
}

func (a tenantArgs) create(ctx context.Context, operator *registry.Operator) (any, error) {
	if a.mode == "" {
		a.mode = string(registry.Free)
	}
	if _, err := registry.Normalize(a.host, registry.Chat); err != nil {
		return nil, named(err)
	}
	t, err := operator.Create(ctx, registry.Brand{Name: a.name, Color: a.color, Language: a.language}, registry.Mode(a.mode))
	if err != nil {
		return nil, named(err)
	}
	h, err := operator.AddHost(ctx, t.ID, a.host, registry.Chat, true)
	if err != nil {
		// A tenant that nobody can reach is of no use; the next try makes another.
		return nil, named(errors.Join(err, operator.Delete(ctx, t.ID)))
	}
	return map[string]any{"tenant": t.ID, "host": h.Name}, nil
}

// named makes a refused value the fault of whoever typed it.
func named(err error) error {
	for _, wrong := range []error{registry.ErrBrand, registry.ErrHost, registry.ErrHostTaken, registry.ErrHosts,
		apikey.ErrName, apikey.ErrScopes, apikey.ErrFull, apikey.ErrUnknown,
		sso.ErrNoSetting, sso.ErrSetting, sso.ErrKey, sso.ErrKeysFull, sso.ErrUntested, egress.ErrAddress, registry.ErrActive, registry.ErrUnknown} {
		if errors.Is(err, wrong) {
			return fmt.Errorf("%w: %w", errSetting, err)
		}
	}
	return err
}

func (a tenantArgs) createKey(ctx context.Context, db *tenant.DB, now func() time.Time) (any, error) {
	scopes := apikey.Scopes()
	if a.scopes != "" {
		scopes = nil
		for s := range strings.SplitSeq(a.scopes, ",") {
			scopes = append(scopes, apikey.Scope(strings.TrimSpace(s)))
		}
	}
	var key apikey.Key
	var token apikey.Token
	err := db.In(ctx, a.id, func(tx tenant.Tx) (err error) {
		key, token, err = apikey.New(now).Create(ctx, tx, a.name, scopes, time.Time{})
		return err
	})
	return map[string]any{"tenant": a.id, "key": key.ID.String(), "secret": token.Reveal(), "scopes": key.Scopes}, named(err)
}

func (a tenantArgs) revokeKey(ctx context.Context, db *tenant.DB, now func() time.Time) (any, error) {
	id, err := apikey.ParseID(a.key)
	if err != nil {
		return nil, fmt.Errorf("%w --key: %w", errSetting, err)
	}
	err = db.In(ctx, a.id, func(tx tenant.Tx) error { return apikey.New(now).Revoke(ctx, tx, id) })
	return map[string]any{"tenant": a.id, "key": id.String()}, named(err)
}
