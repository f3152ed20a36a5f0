// Command term is the terminal client: full-screen for people, JSON lines for
// programs. Keys, messages and the session lie sealed in one folder; the protocol
// is messaging/client. docs/terminal.md describes both ways and the exit codes.
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

	"golang.org/x/term"

	"github.com/sottochat/sotto/cmd/term/member"
	"github.com/sottochat/sotto/cmd/term/script"
	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/client"
	"github.com/sottochat/sotto/messaging/client/content/display"
	"github.com/sottochat/sotto/messaging/client/vault"
)

// Exit codes.
const (
	exitFine      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitVault     = 3 // wrong passphrase or key, damaged, or in use
	exitCommand   = 4 // with --strict: a command of the script failed
	exitInterrupt = 130
)

// build names the client to the server; it carries no product name.
const build = "term/1"

func main() {
	// A trace may print what a register still held of a key (docs/protocol.md section 15).
	debug.SetTraceback("none")
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in, out *os.File, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, errHelp) {
		return exitFine
	}
	if err != nil {
		fmt.Fprintln(errs, "term:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o.onTerminal = !o.script && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
	err = start(ctx, o, in, out)
	if ctx.Err() != nil {
		return exitInterrupt
	}
	return report(err, errs)
}

// start opens the folder and runs the mode that fits.
func start(ctx context.Context, o options, in, out *os.File) error {
	keys := &unlocker{options: o, in: in, out: out}
	m, err := member.Open(ctx, member.Config{Dir: o.dir, Unlock: keys.unlock, Build: build, Now: o.now})
	if err != nil {
		return err
	}
	if !o.onTerminal {
		s := &script.Script{Member: m, Strict: o.strict}
		return errors.Join(s.Run(ctx, in, out), m.Close())
	}
	w := &wizard{options: o, member: m, in: in, out: out}
	err = w.run(ctx)
	if err == nil {
		err = fullScreen(ctx, o, m)
	}
	return errors.Join(err, m.Close())
}

// report says what went wrong, and gives it its exit code. Text of a server is
// made harmless.
func report(err error, errs io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, script.ErrCommand):
		return exitCommand
	case errors.Is(err, vault.ErrLocked):
		fmt.Fprintln(errs, "term: the folder is in use by another term")
		return exitVault
	case errors.Is(err, vault.ErrKey):
		fmt.Fprintln(errs, "term: wrong passphrase or key")
		return exitVault
	case errors.Is(err, messaging.ErrInvalid):
		fmt.Fprintln(errs, "term: the vault in this folder is damaged, or no vault:", errors.Unwrap(err))
		return exitVault
	case errors.As(err, &usage):
		fmt.Fprintln(errs, "term:", err)
		return exitUsage
	case errors.Is(err, client.ErrOtherAccount):
		fmt.Fprintln(errs, "term: this folder belongs to another member; take another folder with --dir")
		return exitFailed
	}
	fmt.Fprintln(errs, "term:", display.SafeText(err.Error()))
	return exitFailed
}
