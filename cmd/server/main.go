// Command server is the whole server side in one binary:
//
//	server serve      answer requests and hold sockets
//	server migrate    bring the database to the newest schema
//	server tenant     create and change tenants, their hosts, keys and sign-in
//	server settings   print every setting with unit, default and example
//	server version    print what this binary is
//
// Settings are environment variables; most are flags as well. Exit codes: 0 done,
// 1 failed while running, 2 a setting or argument is wrong (the message names it),
// 3 the database refuses or cannot be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/sottochat/sotto/tenant"
)

// The exit codes, documented above and in docs/operations.md.
const (
	exitDone = iota
	exitFailed
	exitSetting
	exitDatabase
)

// program is what a command gets of the outside, so that tests can give it theirs.
type program struct {
	args   []string
	env    func(string) string
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := program{os.Args[1:], os.Getenv, os.Stdout, os.Stderr}.run(ctx)
	stop()
	os.Exit(code)
}

var errUsage = errors.New("expected one of: serve, migrate, tenant, settings, version")

func (p program) run(ctx context.Context) int {
	err := p.command(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSetting), errors.Is(err, errUsage):
		fmt.Fprintln(p.stderr, "server:", err)
		return exitSetting
	case errors.Is(err, errDatabase), errors.Is(err, tenant.ErrUnavailable):
		fmt.Fprintln(p.stderr, "server:", err)
		return exitDatabase
	}
	fmt.Fprintln(p.stderr, "server:", err)
	return exitFailed
}

func (p program) command(ctx context.Context) error {
	if len(p.args) == 0 {
		return errUsage
	}
	rest := p
	rest.args = p.args[1:]
	switch p.args[0] {
	case "serve":
		return rest.serve(ctx)
	case "migrate":
		return rest.migrate(ctx)
	case "tenant":
		return rest.tenant(ctx)
	case "settings":
		return rest.settings()
	case "version":
		return rest.version()
	}
	return errUsage
}

// version prints the build's own record: nothing that could be forgotten to be
// raised.
func (p program) version() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this binary was built without its build information")
	}
	revision := "unknown"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	_, err := fmt.Fprintf(p.stdout, "{\"version\":%q,\"revision\":%q,\"go\":%q}\n", info.Main.Version, revision, info.GoVersion)
	return err
}
