// Command dev is `make run`: it starts everything that a newcomer needs on one
// machine, shows where to look, and stops everything again. PostgreSQL and Redis
// are private ones, the server is the real binary with its real settings, and the
// demo host site (package demohost) is a host like any other. It is not for
// production: README.md says how the server is run there.
//
// Exit codes: 0 after a stop that was asked for, 1 after a failure, 2 for flags
// that cannot be used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code. stdout gets the addresses and nothing else, stderr
// what happens on the way.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "dev:", err)
		return exitUsage
	}
	// A closed terminal (SIGHUP) must not leave a database behind either.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	progress := func(text string) { fmt.Fprintln(stderr, "·", text) }
	if err := serve(ctx, o, stdout, progress); err != nil {
		fmt.Fprintf(stderr, "\ndev: %v\n", err)
		return exitFailure
	}
	return 0
}

// serve starts the parts in the order of their needs, waits, and stops them in
// the opposite order: the demo host, the server (which drains), Redis, PostgreSQL.
func serve(ctx context.Context, o options, stdout io.Writer, say func(string)) (err error) {
	home, err := openHome(o.dir)
	if err != nil {
		return err
	}
	defer home.close()
	var parts parts
	defer func() {
		// A stop that was asked for while something started is no failure.
		if ctx.Err() != nil {
			say("stopping")
			err = nil
		}
		err = errors.Join(err, parts.stop())
	}()
	w, err := start(ctx, o, home, &parts, say)
	if err != nil {
		return err
	}
	if err := w.announce(stdout, o.json); err != nil {
		return err
	}
	if err := parts.wait(ctx); err != nil {
		return fmt.Errorf("%w: *.log in %s and %s", err, home.dir, w.place)
	}
	return nil
}
