package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// options are the flags.
type options struct {
	project string // the folder of go.mod
	dir     string // where everything of a run is kept, absolute
	listen  netip.AddrPort
	fixed   bool // the newcomer named the port: no other will do
	reset   bool
	json    bool
}

// defaultPort is the demo host's; the server gets the next one that is free.
const defaultPort = 8700

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var listen string
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&listen, "listen", "", "`address` of the demo host site, on this machine only; port 0 takes any that are free (default 127.0.0.1:8700, or another if that is busy)")
	flags.StringVar(&o.dir, "dir", "", "`folder` for database, keys and logs (default .sotto in the project)")
	flags.BoolVar(&o.reset, "reset", false, "delete database, keys and logs of earlier runs first")
	flags.BoolVar(&o.json, "json", false, "print the addresses as one line of JSON, for scripts")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("expected flags only, received %q", flags.Arg(0))
	}
	var err error
	if o.listen, o.fixed, err = parseListen(listen); err != nil {
		return o, err
	}
	if o.project, err = findProject(); err != nil {
		return o, err
	}
	if o.dir == "" {
		o.dir = filepath.Join(o.project, ".sotto")
	}
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

// parseListen wants an address of this machine: the demo signs anybody in as
// anybody, and speaks HTTP without TLS.
func parseListen(text string) (addr netip.AddrPort, fixed bool, err error) {
	if text == "" {
		return netip.AddrPortFrom(loopback, defaultPort), false, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		if host == "localhost" || host == "" {
			host = loopback.String()
		}
		addr, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil || addr.Addr() != loopback {
		return addr, false, fmt.Errorf("--listen: expected 127.0.0.1 or localhost with a port, such as 127.0.0.1:8700, received %q (the demo has no passwords and no TLS)", text)
	}
	return addr, addr.Port() != 0, nil
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// findProject asks Go where the module is that we stand in.
func findProject() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for the module: %w", err)
	}
	project := filepath.Dir(strings.TrimSpace(string(out)))
	if _, err := os.Stat(filepath.Join(project, "cmd", "server")); err != nil {
		return "", errors.New("expected to be started in the folder of the project, where go.mod and cmd/server are")
	}
	return project, nil
}
