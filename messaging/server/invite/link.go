package invite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sottochat/sotto/messaging/devicelog"
)

// MaxLink is the longest link in bytes: what a version 6 QR code at level M
// holds (ISO/IEC 18004, byte mode).
const MaxLink = 106

// ErrHost reports a host name with which links get too long for their QR code.
var ErrHost = errors.New("invite: host name too long for an invite link")

// Path is what an invite's path begins with. A device-link code never does.
const Path = "/i/"

// Link returns the link of a token at a tenant's chat host ("chat.example" or,
// on a developer's machine, "localhost:8080"). The fragment behind # names the
// device log that the account must have; browsers never send it to a server.
func Link(host string, token Token, fragment devicelog.Fragment) (string, error) {
	scheme := "https://"
	if local(host) {
		scheme = "http://"
	}
	link := scheme + host + Path + token.Text() + "#" + fragment.String()
	if len(link) > MaxLink {
		return "", fmt.Errorf("%w: expected at most %d bytes, received %d", ErrHost, len(host)-(len(link)-MaxLink), len(host))
	}
	return link, nil
}

// local hosts are served without TLS.
func local(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
