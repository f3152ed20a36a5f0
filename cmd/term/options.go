package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// options are the flags and the command.
type options struct {
	dir        string
	passphrase string // path of the file
	key        string // path of the file
	files      string // where received files go
	script     bool
	strict     bool
	address    string // of login; empty: asked for
	login      bool
	onTerminal bool
	now        func() time.Time
}

var errHelp = errors.New("help was asked for")

// usageError is what can be put right on the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

const usage = `term: private conversations in a terminal

usage: term [flags]                  go on where you were
       term [flags] login [ADDRESS]  sign in; ADDRESS is https://chat.example or an invite link,
                                     and is asked for when it is left out
       term --script [flags]         JSON lines in, JSON lines out (docs/terminal.md)

`

func parse(args []string, out io.Writer) (options, error) {
	var o options
	clock := newTestClock()
	f := flag.NewFlagSet("term", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.dir, "dir", "", "`folder` with keys and messages, one for each member (default: term in the user's configuration folder)")
	f.StringVar(&o.passphrase, "passphrase-file", "", "`file` whose first line is the passphrase; without it and --key-file the passphrase is asked for")
	f.StringVar(&o.key, "key-file", "", "`file` with a random key instead of a passphrase, made when it is missing; for scripts")
	f.StringVar(&o.files, "files", "", "`folder` for received files (default: Downloads in the home folder)")
	f.BoolVar(&o.script, "script", false, "read commands from standard input even when that is a terminal")
	f.BoolVar(&o.strict, "strict", false, "end a script at the first command that fails, with exit code 4")
	clock.register(f)
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
		return o, errHelp
	}
	if err != nil {
		return o, err
	}
	o.now = clock.now
	if o.passphrase != "" && o.key != "" {
		return o, errors.New("expected --passphrase-file or --key-file, received both")
	}
	if err := o.command(f.Args()); err != nil {
		return o, err
	}
	return o, o.defaults()
}

func (o *options) command(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if args[0] != "login" || len(args) > 2 {
		return fmt.Errorf("expected login and an address, received %q; see term --help", args)
	}
	o.login = true
	if len(args) == 2 {
		o.address = args[1]
	}
	return nil
}

func (o *options) defaults() (err error) {
	if o.dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("--dir: there is no home folder to put it in by itself: %w", err)
		}
		o.dir = filepath.Join(base, "term")
	}
	if o.files == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			o.files = filepath.Join(o.dir, "files")
			return nil
		}
		o.files = filepath.Join(home, "Downloads")
	}
	return nil
}
