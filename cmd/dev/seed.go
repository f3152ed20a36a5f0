package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sottochat/sotto/cmd/dev/demohost"
	"github.com/sottochat/sotto/tenant"
	"github.com/sottochat/sotto/tenant/apikey"
	"github.com/sottochat/sotto/tenant/egress"
	"github.com/sottochat/sotto/tenant/registry"
	"github.com/sottochat/sotto/tenant/secret"
	"github.com/sottochat/sotto/tenant/sso"
)

// demoBrand is how the demo host has its chat look: its own red, another name.
var demoBrand = registry.Brand{Name: "Kettle Post", Color: "#9a3b1b", Language: "en"}

// seeded is what the demo host knows of its chat.
type seeded struct {
	tenant tenant.ID
	apiKey string
	key    ed25519.PrivateKey
}

// seeder brings the database to where the demo can run. What is there stays, so
// it may run any number of times, on whatever a broken-off run left.
type seeder struct {
	home     *home
	at       addresses
	operator *registry.Operator
	db       *tenant.DB
	secrets  *secret.Store
}

func seed(ctx context.Context, h *home, d database, at addresses) (out seeded, err error) {
	registryDB, err := tenant.OpenOperator(ctx, tenant.Config{URL: d.url("app_operator"), MaxConns: 1})
	if err != nil {
		return out, err
	}
	defer registryDB.Close()
	db, err := tenant.Open(ctx, tenant.Config{URL: d.url("app_web"), MaxConns: 2})
	if err != nil {
		return out, err
	}
	defer db.Close()
	masters, err := h.masterKeys()
	if err != nil {
		return out, err
	}
	ring, err := secret.ParseKeyring(masters)
	if err != nil {
		return out, fmt.Errorf("%w; --reset makes a new one, and a new database with it", err)
	}
	s := seeder{h, at, registry.NewOperator(registryDB, time.Now), db, secret.New(ring)}
	return s.run(ctx)
}

func (s seeder) run(ctx context.Context) (out seeded, err error) {
	if out.key, err = s.home.handOffKey(); err != nil {
		return out, err
	}
	if out.tenant, err = s.tenant(ctx); err != nil {
		return out, err
	}
	if err = s.hosts(ctx, out.tenant); err != nil {
		return out, err
	}
	if out.apiKey, err = s.apiKey(ctx, out.tenant); err != nil {
		return out, err
	}
	return out, s.handOff(ctx, out)
}

// tenant finds the demo's tenant by its name, or enters it.
func (s seeder) tenant(ctx context.Context) (id tenant.ID, err error) {
	const enough = 1000 // a newcomer may have entered others
	list, err := s.operator.List(ctx, tenant.ID{}, enough)
	if err != nil {
		return id, err
	}
	for _, t := range list {
		if t.Brand.Name == demoBrand.Name {
			return t.ID, nil
		}
	}
	t, err := s.operator.Create(ctx, demoBrand, registry.Free)
	return t.ID, err
}

// hosts gives the tenant the names of this run, and takes those of an earlier
// run's port away: links are made with the first of them.
func (s seeder) hosts(ctx context.Context, id tenant.ID) error {
	wanted := []string{s.at.chatHost(), s.at.plainHost()}
	_, hosts, err := s.operator.Get(ctx, id)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, h := range hosts {
		there[h.Name] = true
		name, _, _ := strings.Cut(h.Name, ":")
		if (name == chatName || name == "localhost") && !slices.Contains(wanted, h.Name) {
			err = errors.Join(err, s.operator.RemoveHost(ctx, id, h.Name))
		}
	}
	for _, name := range wanted {
		if !there[name] {
			_, added := s.operator.AddHost(ctx, id, name, registry.Chat, true)
			err = errors.Join(err, added)
		}
	}
	return err
}

// apiKey returns the demo host's key: that of the last run while it works.
func (s seeder) apiKey(ctx context.Context, id tenant.ID) (text string, err error) {
	const file = "api.key"
	kept, err := s.home.keep(file, func() ([]byte, error) { return nil, nil })
	if err != nil {
		return "", err
	}
	keys := apikey.New(time.Now)
	err = s.db.In(ctx, id, func(tx tenant.Tx) error {
		if token, err := apikey.Parse(string(kept)); err == nil {
			if _, err = keys.Authenticate(ctx, tx, token); !errors.Is(err, apikey.ErrUnknown) {
				text = string(kept)
				return err
			}
		}
		// A host gets what it needs: it reads invites, and names its members.
		_, token, err := keys.Create(ctx, tx, "Demo host", []apikey.Scope{apikey.MembersWrite, apikey.MembersRead, apikey.InvitesRead}, time.Time{})
		text = token.Reveal()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("the demo host's API key: %w", err)
	}
	return text, s.home.put(file, []byte(text))
}

// issuer is the demo host's iss. It names the community and no address: members
// stay who they are when a port changes.
const issuer = "kettle-row"

// handOff agrees with the chat on how the demo host signs its members over, as an
// admin would in the console: write the setting, try it with one login, activate.
func (s seeder) handOff(ctx context.Context, out seeded) error {
	loginURL := s.at.demoOrigin() + demohost.HandOffPath
	way, err := s.signIns()
	if err != nil {
		return err
	}
	live, _, err := way.Settings(ctx, out.tenant)
	if err != nil {
		return err
	}
	if live != nil && live.Issuer == issuer && live.LoginURL == loginURL && len(live.Keys) == 1 && live.Keys[0].KID == out.keyID() {
		return nil
	}
	key, err := out.publicKey()
	if err != nil {
		return err
	}
	_, err = way.ConfigureHandOff(ctx, out.tenant, sso.HandOff{Issuer: issuer, Audience: out.tenant.String(), LoginURL: loginURL, Keys: []sso.Key{key}})
	if err != nil {
		return err
	}
	if err := s.tryHandOff(ctx, way, out); err != nil {
		return fmt.Errorf("try the hand-off: %w", err)
	}
	return way.Activate(ctx, out.tenant)
}

// tryHandOff is the one green login that a setting needs before it counts.
func (s seeder) tryHandOff(ctx context.Context, way *sso.Service, out seeded) error {
	visit, err := way.Begin(ctx, out.tenant, sso.BeginRequest{Return: "/", Origin: s.at.chatOrigin(), Test: true})
	if err != nil {
		return err
	}
	site, err := demohost.New(out.config(s.at, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	token, err := site.Token(demohost.Members()[0], visit.Nonce)
	if err != nil {
		return err
	}
	_, err = way.HandOff(ctx, out.tenant, token)
	return err
}

// signIns is the service with one address of this machine allowed: the demo
// host's, which has no TLS. The server gets the same by its setting.
func (s seeder) signIns() (*sso.Service, error) {
	out, err := egress.New(egress.Config{Allow: []string{s.at.demoHost()}})
	if err != nil {
		return nil, err
	}
	return sso.New(sso.Config{DB: s.db, Secrets: s.secrets, Egress: out, Now: time.Now}), nil
}

// keyID names the signing key, so that a new one is noticed.
func (s seeded) keyID() string {
	sum := sha256.Sum256(s.key.Public().(ed25519.PublicKey))
	return hex.EncodeToString(sum[:8])
}

// publicKey is what the host gives to the chat.
func (s seeded) publicKey() (sso.Key, error) {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		return sso.Key{}, err
	}
	return sso.ParseKey(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), s.keyID())
}

// config is what the demo host is told.
func (s seeded) config(at addresses, log *slog.Logger) demohost.Config {
	return demohost.Config{Chat: at.chatOrigin(), APIKey: s.apiKey, Issuer: issuer, Audience: s.tenant.String(),
		Key: s.key, KeyID: s.keyID(), Log: log}
}
