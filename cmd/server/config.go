package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sottochat/sotto/migrations"
	"github.com/sottochat/sotto/tenant/secret"
)

// errSetting is in every error about a setting; the text names the setting, what
// was expected and, unless it is a secret, what was received.
var (
	errSetting  = errors.New("setting")
	errDatabase = errors.New("database")
)

// config is every setting, checked.
type config struct {
	web, relay, worker, operator, owner string // connection strings
	conns                               int
	redis                               string
	media                               mediaConfig
	masters                             secret.Keyring
	listen, metrics                     string
	proxies                             []netip.Prefix
	drain                               time.Duration
	egressAllow                         []string
	unsafeDurability                    bool
	testConfig                          // what only test builds have, and the clock
}

// setting is one of them. unit is "" where the type says it all.
type setting struct {
	name, unit, standard, example, words string
	secret                               bool // environment only: arguments are seen by all
	set                                  func(*config, string) error
}

// known is every setting, in the order of the documentation. build adds those
// that only test builds have.
func known() []setting {
	return append([]setting{
		{name: "DATABASE_URL", example: "postgres://app_web:…@db.internal/chat", secret: true,
			words: "PostgreSQL as the role app_web. Required.",
			set:   func(c *config, v string) error { return connection(&c.web, v) }},
		{name: "RELAY_DATABASE_URL", standard: "DATABASE_URL as app_relay", example: "postgres://app_relay:…@db.internal/chat", secret: true,
			words: "PostgreSQL as the role app_relay.",
			set:   func(c *config, v string) error { return connection(&c.relay, v) }},
		{name: "WORKER_DATABASE_URL", standard: "DATABASE_URL as app_worker", example: "postgres://app_worker:…@db.internal/chat", secret: true,
			words: "PostgreSQL as the role app_worker.",
			set:   func(c *config, v string) error { return connection(&c.worker, v) }},
		{name: "OPERATOR_DATABASE_URL", standard: "DATABASE_URL as app_operator", example: "postgres://app_operator:…@db.internal/chat", secret: true,
			words: "PostgreSQL as the role app_operator, which keeps the registry of tenants.",
			set:   func(c *config, v string) error { return connection(&c.operator, v) }},
		{name: "OWNER_DATABASE_URL", standard: "DATABASE_URL as app_owner", example: "postgres://app_owner:…@db.internal/chat", secret: true,
			words: "PostgreSQL as the owner of the tables; migrate needs it, serve never uses it.",
			set:   func(c *config, v string) error { return connection(&c.owner, v) }},
		{name: "DATABASE_CONNECTIONS", unit: "connections per role", standard: "8", example: "16",
			words: "Most connections of each role's pool, 2 to 500.",
			set:   func(c *config, v string) (err error) { c.conns, err = whole(v, 2, 500); return err }},
		{name: "REDIS_URL", standard: "none: one node, hints in memory", example: "redis://:…@cache.internal:6379/0", secret: true,
			words: "Redis, through which nodes wake each other. It holds hints only.",
			set:   func(c *config, v string) error { return redisURL(&c.redis, v) }},
		{name: "MASTER_KEYS", example: "2026-11:<32 bytes in base64>,2025-02:<…>", secret: true,
			words: "Keys that wrap the tenants' data keys, newest first. Required.",
			set:   func(c *config, v string) (err error) { c.masters, err = secret.ParseKeyring(v); return err }},
		{name: "LISTEN", unit: "host:port", standard: "127.0.0.1:8080", example: "0.0.0.0:8080",
			words: "The public listener. Port 0 takes a free one; the address is printed as JSON.",
			set:   func(c *config, v string) error { return address(&c.listen, v) }},
		{name: "METRICS_LISTEN", unit: "host:port or off", standard: "off", example: "127.0.0.1:9090",
			words: "The private listener of /metrics and /debug/pprof: an address that strangers cannot reach.",
			set: func(c *config, v string) error {
				if v == "off" {
					c.metrics = ""
					return nil
				}
				return address(&c.metrics, v)
			}},
		{name: "TRUSTED_PROXIES", unit: "networks", standard: "none", example: "10.0.0.0/8,2001:db8::/32",
			words: "Whose X-Forwarded-For is believed.",
			set:   func(c *config, v string) error { return networks(&c.proxies, v) }},
		{name: "DRAIN_TIME", unit: "seconds", standard: "8", example: "5",
			words: "How long a stop waits for requests and sockets, 1 to 60.",
			set: func(c *config, v string) error {
				n, err := whole(v, 1, 60)
				c.drain = time.Duration(n) * time.Second
				return err
			}},
		{name: "TEST_EGRESS_ALLOW", unit: "host:port pairs", standard: "none", example: "127.0.0.1:5556",
			words: "Tests only: addresses that tenants' settings may reach although they are private. Printed as a warning.",
			set:   func(c *config, v string) error { c.egressAllow = strings.Split(v, ","); return nil }},
		{name: "ALLOW_UNSAFE_DURABILITY", unit: "true or false", standard: "false", example: "true",
			words: "Tests only: start although the database may lose what it acknowledged.",
			set: func(c *config, v string) (err error) {
				if c.unsafeDurability, err = strconv.ParseBool(v); err != nil {
					err = fmt.Errorf("expected true or false, received %q", v)
				}
				return err
			}},
	}, append(mediaSettings(), build()...)...)
}

// load reads flags and environment; a flag wins.
func (p program) load(needs ...string) (c config, err error) {
	c = config{conns: 8, listen: "127.0.0.1:8080", media: mediaConfig{dir: "media"}, drain: 8 * time.Second}
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	given := map[string]*string{}
	for _, s := range known() {
		if !s.secret {
			given[s.name] = flags.String(flagName(s.name), "", s.words)
		}
	}
	if err := flags.Parse(p.args); err != nil || flags.NArg() > 0 {
		return c, fmt.Errorf("%w: expected only flags of settings, see: server settings", errSetting)
	}
	for _, s := range known() {
		value := p.env(s.name)
		if text := given[s.name]; text != nil && *text != "" {
			value = *text
		}
		if value == "" {
			continue
		}
		if err := s.set(&c, value); err != nil {
			return c, fmt.Errorf("%w %s: %w", errSetting, s.name, err)
		}
	}
	return c, c.complete(p, needs)
}

// complete derives the other roles' connections and asks for what is missing.
func (c *config) complete(p program, needs []string) error {
	for _, name := range needs {
		if p.env(name) == "" {
			return fmt.Errorf("%w %s: expected a value, received none", errSetting, name)
		}
	}
	for _, d := range []struct {
		name string
		to   *string
		role string
	}{{"RELAY_DATABASE_URL", &c.relay, "app_relay"}, {"WORKER_DATABASE_URL", &c.worker, "app_worker"},
		{"OPERATOR_DATABASE_URL", &c.operator, "app_operator"}, {"OWNER_DATABASE_URL", &c.owner, migrations.Owner}} {
		if *d.to != "" || c.web == "" {
			continue
		}
		u, err := url.Parse(c.web)
		if err != nil || u.Scheme == "" {
			return fmt.Errorf("%w %s: expected a value, because DATABASE_URL is no URI in which the user could be replaced", errSetting, d.name)
		}
		password, has := u.User.Password()
		if u.User = url.User(d.role); has {
			u.User = url.UserPassword(d.role, password)
		}
		*d.to = u.String()
	}
	return nil
}

func flagName(setting string) string { return strings.ReplaceAll(strings.ToLower(setting), "_", "-") }

func connection(to *string, v string) error {
	u, err := url.Parse(v)
	if err == nil && u.Scheme != "" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("expected a URI that begins with postgres://, received another scheme of %d characters", len(u.Scheme))
	}
	if err != nil || u.Scheme == "" && !strings.Contains(v, "=") {
		return errors.New("expected a PostgreSQL connection URI, received text that is none")
	}
	*to = v
	return nil
}

func redisURL(to *string, v string) error {
	u, err := url.Parse(v)
	network := err == nil && (u.Scheme == "redis" || u.Scheme == "rediss") && u.Host != ""
	if !network && (err != nil || u.Scheme != "unix" || u.Path == "") {
		return errors.New("expected a URI that begins with redis://, rediss:// or unix:///, received text that is none")
	}
	*to = v
	return nil
}

func address(to *string, v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected host:port, received %q", v)
	}
	*to = v
	return nil
}

func networks(to *[]netip.Prefix, v string) error {
	for text := range strings.SplitSeq(v, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("expected networks such as 10.0.0.0/8 separated by commas, received %q", text)
		}
		*to = append(*to, p)
	}
	return nil
}

func whole(v string, low, high int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("expected a whole number from %d to %d, received %q", low, high, v)
	}
	return n, nil
}

// settings prints the table that docs/operations.md holds.
func (p program) settings() error {
	out := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "SETTING\tFLAG\tUNIT\tDEFAULT\tEXAMPLE\tWHAT IT IS")
	for _, s := range known() {
		name := "--" + flagName(s.name)
		if s.secret {
			name = "-"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", s.name, name, s.unit, s.standard, s.example, s.words)
	}
	return out.Flush()
}
