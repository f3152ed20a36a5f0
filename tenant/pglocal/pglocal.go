// Package pglocal runs a private PostgreSQL cluster on this machine, for tests
// and for `make run`: its own data directory, a private Unix socket and no TCP,
// logins by the operating system's word (peer) instead of passwords. It is not
// for production; there DATABASE_URL names a server that somebody looks after.
package pglocal

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the role that owns the cluster.
const Superuser = "postgres"

// Config says where a cluster lives.
type Config struct {
	// Dir holds data, socket and log; it is made when missing. Its path must be
	// readable by the user that the server runs as.
	Dir string
	// Roles may log in by peer authentication, besides Superuser.
	Roles []string
	// Settings go to postgresql.conf as name = value.
	Settings map[string]string
}

// Cluster is a running server.
type Cluster struct {
	socket string
	cmd    *exec.Cmd
	done   chan struct{}
	err    error // why the server ended; read after done is closed
}

// readyTimeout bounds the wait for a server that replays its log after a crash.
const readyTimeout = 60 * time.Second

// Start initialises the cluster when Dir is empty, starts the server and waits
// until it answers.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	layout, err := prepare(cfg.Dir, who)
	if err != nil {
		return nil, fmt.Errorf("prepare a PostgreSQL cluster: %w", err)
	}
	if err := initialise(ctx, bin, layout, who); err != nil {
		return nil, err
	}
	if err := configure(layout, cfg, who); err != nil {
		return nil, fmt.Errorf("configure a PostgreSQL cluster: %w", err)
	}
	return launch(ctx, bin, layout, who)
}

type layout struct{ data, socket, log string }

func prepare(dir string, who *user) (layout, error) {
	l := layout{filepath.Join(dir, "data"), filepath.Join(dir, "socket"), filepath.Join(dir, "postgres.log")}
	if len(l.socket)+len("/.s.PGSQL.5432") > maxSocketPath {
		return l, fmt.Errorf("expected a directory of at most %d characters (a Unix socket's limit), received %q",
			maxSocketPath-len("/socket/.s.PGSQL.5432"), dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return l, err
	}
	for _, d := range []string{l.data, l.socket} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return l, err
		}
		if err := who.own(d); err != nil {
			return l, err
		}
	}
	return l, nil
}

// maxSocketPath is the smallest sun_path of the systems we run on (macOS: 104
// bytes with the terminating zero).
const maxSocketPath = 103

// initialise makes the cluster under another name first: what a broken-off initdb
// leaves looks like a cluster and is none.
func initialise(ctx context.Context, bin string, l layout, who *user) error {
	if _, err := os.Stat(filepath.Join(l.data, "PG_VERSION")); err == nil {
		return nil
	}
	unfinished := l.data + ".new"
	if err := errors.Join(os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o700), who.own(unfinished)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+unfinished, "--username="+Superuser,
		"--encoding=UTF8", "--locale=C", "--auth=reject", "--no-instructions")
	who.run(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLine(out))
	}
	return errors.Join(os.Remove(l.data), os.Rename(unfinished, l.data))
}

// configure writes the three files anew at each start, so that a changed
// setting reaches an old cluster.
func configure(l layout, cfg Config, who *user) error {
	var conf, ident strings.Builder
	fmt.Fprintf(&conf, "listen_addresses = ''\nunix_socket_directories = '%s'\nunix_socket_permissions = 0777\n", l.socket)
	for name, value := range cfg.Settings {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	for _, system := range who.systemNames() {
		for _, role := range append([]string{Superuser}, cfg.Roles...) {
			fmt.Fprintf(&ident, "sotto %s %s\n", system, role)
		}
	}
	for name, text := range map[string]string{
		"postgresql.auto.conf": conf.String(),
		"pg_hba.conf":          "local all all peer map=sotto\n",
		"pg_ident.conf":        ident.String(),
	} {
		path := filepath.Join(l.data, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		if err := who.own(path); err != nil {
			return err
		}
	}
	// The socket's directory is what keeps strangers out: only we and the server's user may enter.
	return who.share(l.socket)
}

func launch(ctx context.Context, bin string, l layout, who *user) (*Cluster, error) {
	log, err := os.OpenFile(l.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", l.data)
	cmd.Stdout, cmd.Stderr = log, log
	who.run(cmd)
	// Its own process group: Ctrl-C in a terminal reaches us first, and we stop the server last.
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	c := &Cluster{socket: l.socket, cmd: cmd, done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := c.awaitReady(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("%w; its log is %s", err, l.log)
	}
	return c, nil
}

// awaitReady asks until the server answers, has ended, or the time is up.
func (c *Cluster) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.URL(Superuser, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.done:
			return fmt.Errorf("postgres ended at its start: %w", errors.Join(c.err, err))
		case <-ctx.Done():
			return fmt.Errorf("postgres did not answer within %s: %w", readyTimeout, err)
		case <-retry.C:
		}
	}
}

// URL names a database of the cluster as a role.
func (c *Cluster) URL(role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database,
		RawQuery: url.Values{"host": {c.socket}}.Encode()}
	return u.String()
}

// Done is closed when the server has ended, asked or not.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Kill ends the server as a crash would. It is for tests of what survives.
func (c *Cluster) Kill() {
	_ = c.cmd.Process.Signal(syscall.SIGQUIT)
	<-c.done
}

// Stop ends the server, breaking off what still runs, and returns when it has
// ended. It may be called twice.
func (c *Cluster) Stop() {
	_ = c.cmd.Process.Signal(os.Interrupt) // "fast shutdown" of the PostgreSQL manual, section 19.5
	<-c.done
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}
