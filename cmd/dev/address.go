package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// addresses is where everything is reached. Invite links hold the chat's, so a
// later run takes the same ports again when they are free.
type addresses struct {
	Demo uint16 `json:"demo_port"`
	Chat uint16 `json:"chat_port"`
}

const addressFile = "addresses.json"

// The chat has a name of its own under localhost, which every browser takes to
// be this machine: its cookies and the demo host's are strangers to each other.
const chatName = "demo.localhost"

func (a addresses) demoHost() string      { return net.JoinHostPort("localhost", port(a.Demo)) }
func (a addresses) demoOrigin() string    { return origin("localhost", a.Demo) }
func (a addresses) chatHost() string      { return net.JoinHostPort(chatName, port(a.Chat)) }
func (a addresses) plainHost() string     { return net.JoinHostPort("localhost", port(a.Chat)) }
func (a addresses) chatOrigin() string    { return origin(chatName, a.Chat) }
func (a addresses) demoListen() string    { return netip.AddrPortFrom(loopback, a.Demo).String() }
func (a addresses) chatListen() string    { return netip.AddrPortFrom(loopback, a.Chat).String() }
func origin(name string, p uint16) string { return "http://" + net.JoinHostPort(name, port(p)) }
func port(p uint16) string                { return strconv.Itoa(int(p)) }

// chooseAddresses finds ports: those of the flag, else of the last run, else the
// next that are free.
func (h *home) chooseAddresses(o options, say func(string)) (a addresses, err error) {
	last := h.lastAddresses()
	first := o.listen.Port()
	if first != 0 && !o.fixed && last.Demo != 0 {
		first = last.Demo
	}
	if a.Demo, err = choosePort(first, o.fixed); err != nil {
		return a, err
	}
	if first != 0 && a.Demo != first {
		say(fmt.Sprintf("port %d is busy, the demo host takes %d", first, a.Demo))
	}
	next := last.Chat
	if next == 0 || next == a.Demo {
		next = a.Demo + 1
	}
	if first == 0 {
		next = 0
	}
	if a.Chat, err = choosePort(next, false); err != nil {
		return a, err
	}
	if last.Chat != 0 && a.Chat != last.Chat {
		say(fmt.Sprintf("the chat moves from port %d to %d: invite links of earlier runs end", last.Chat, a.Chat))
	}
	b, err := json.Marshal(a)
	return a, errors.Join(err, h.put(addressFile, b))
}

// lastAddresses are those of the last run; zero where there was none, or where
// the file is damaged: any port does.
func (h *home) lastAddresses() (a addresses) {
	b, err := os.ReadFile(h.path(addressFile))
	if errors.Is(err, fs.ErrNotExist) || json.Unmarshal(b, &a) != nil {
		return addresses{}
	}
	return a
}

// tries bounds the search for a free port.
const tries = 50

// choosePort returns first if it is free, else the next that is; 0 takes any.
func choosePort(first uint16, fixed bool) (uint16, error) {
	for p := int(first); p <= 65535 && p < int(first)+tries; p++ {
		chosen, err := free(uint16(p))
		if err == nil {
			return chosen, nil
		}
		if fixed {
			return 0, fmt.Errorf("--listen: port %d cannot be had: %w; stop what uses it, or name another", first, err)
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return 0, err
		}
	}
	return 0, fmt.Errorf("found no free port from %d to %d; name another with --listen", first, int(first)+tries-1)
}

// free reports whether a port is free on this machine, on IPv6 as well: browsers
// try ::1 first, and would meet whatever else listens there.
func free(p uint16) (uint16, error) {
	four, err := net.Listen("tcp4", netip.AddrPortFrom(loopback, p).String())
	if err != nil {
		return 0, err
	}
	defer four.Close()
	chosen := four.Addr().(*net.TCPAddr).AddrPort().Port()
	six, err := net.Listen("tcp6", netip.AddrPortFrom(netip.IPv6Loopback(), chosen).String())
	if err == nil {
		six.Close()
	} else if errors.Is(err, syscall.EADDRINUSE) {
		return 0, err
	} // a machine without IPv6 is fine
	return chosen, nil
}
