package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Purpose is what a host serves.
type Purpose string

// A tenant's members chat on one kind of host; its staff administer on another.
const (
	Chat    Purpose = "chat"
	Console Purpose = "console"
)

const (
	// maxChatHost, in bytes, leaves an invite's link within the 106 bytes of a
	// version 6 QR code at level M: "https://" and "/i/" are 11, a token of 22,
	// "#" and a commitment of 22 (docs/protocol.md section 6).
	maxChatHost = 50
	// maxHost is the longest name of the DNS (RFC 1035 section 2.3.4).
	maxHost = 253
)

// ErrHost reports a host name that cannot be registered.
var ErrHost = errors.New("registry: not a usable host name")

// Normalize returns the form in which a host is stored and looked up: ASCII
// (IDNA 2008, as UTS 46 has browsers look names up), lower case. It takes a port
// only for names of this machine, which development uses.
func Normalize(host string, purpose Purpose) (string, error) {
	if purpose != Chat && purpose != Console {
		return "", fmt.Errorf("%w: expected the purpose chat or console", ErrHost)
	}
	if len(host) == 0 || len(host) > maxHost {
		return "", fmt.Errorf("%w: expected 1 to %d bytes, received %d", ErrHost, maxHost, len(host))
	}
	name, err := normalize(host)
	if err != nil {
		return "", err
	}
	if purpose == Chat && len(name) > maxChatHost {
		return "", fmt.Errorf("%w: expected at most %d bytes, so that invite links fit their QR code, received %d",
			ErrHost, maxChatHost, len(name))
	}
	return name, nil
}

// normalizeHeader returns the stored form of a Host header, in which a browser
// has applied IDNA already and names no port but an unusual one.
func normalizeHeader(header string) (string, error) {
	if len(header) > maxHost {
		return "", ErrHost
	}
	name := strings.ToLower(header)
	if local(name) {
		return name, nil
	}
	name = strings.TrimSuffix(name, ":443")
	return name, checkLabels(name)
}

func normalize(host string) (string, error) {
	if name := strings.ToLower(host); local(name) {
		return name, nil
	}
	name, err := idna.Lookup.ToASCII(host)
	if err != nil || !utf8.ValidString(host) {
		return "", fmt.Errorf("%w: expected letters, digits, hyphens and dots as in the DNS", ErrHost)
	}
	name = strings.ToLower(name)
	if err := checkLabels(name); err != nil {
		return "", err
	}
	return name, nil
}

// local reports whether name is this machine's, with or without a port.
func local(name string) bool {
	name, port, ported := strings.Cut(name, ":")
	if n, err := strconv.ParseUint(port, 10, 16); ported && (err != nil || n == 0 || strconv.FormatUint(n, 10) != port) {
		return false
	}
	if sub, ok := strings.CutSuffix(name, ".localhost"); ok {
		return ldh(sub)
	}
	return name == "localhost" || name == "127.0.0.1"
}

// checkLabels wants a name of at least two labels. A top label with a digit in
// front would be read as an IPv4 address (WHATWG URL section 3.5).
func checkLabels(name string) error {
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > maxHost {
		return fmt.Errorf("%w: expected a full name such as chat.example.com", ErrHost)
	}
	for _, label := range labels {
		if !ldh(label) {
			return fmt.Errorf("%w: expected labels of 1 to 63 letters, digits and inner hyphens", ErrHost)
		}
	}
	if top := labels[len(labels)-1]; top[0] >= '0' && top[0] <= '9' {
		return fmt.Errorf("%w: expected a name, not an address", ErrHost)
	}
	return nil
}

// ldh reports whether a label is letters, digits and inner hyphens (RFC 5890
// section 2.3.1).
func ldh(label string) bool {
	if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
