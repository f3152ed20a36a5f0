//go:build !js

package native

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/sottochat/sotto/messaging/devicelog"
	"github.com/sottochat/sotto/messaging/wire"
)

// ErrAddress reports text that is neither the address of a chat nor an invite.
var ErrAddress = errors.New("native: expected an address such as https://chat.example, or an invite link")

// Invite is what an invite link says: the token, which is a bearer secret, and
// which account must be behind it.
type Invite struct {
	Token    []byte
	Fragment devicelog.Fragment
}

// String leaves the token out.
func (Invite) String() string { return "native.Invite" }

const (
	// maxAddress bounds an address in bytes; an invite link has at most 106.
	maxAddress = 512
	invitePath = "/i/"
)

// ParseAddress reads the address of a chat, with or without https://, or an
// invite link, whose origin is the chat's address. Anything else (another path, a
// query, a user name, HTTP without TLS but to this machine) is ErrAddress.
func ParseAddress(text string) (origin string, invite *Invite, err error) {
	text = strings.TrimSpace(text)
	if len(text) > maxAddress || text == "" {
		return "", nil, ErrAddress
	}
	if !strings.Contains(text, "://") {
		text = schemeFor(text) + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Opaque != "" {
		return "", nil, ErrAddress
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !Local(u.Hostname())) {
		return "", nil, ErrAddress
	}
	origin = u.Scheme + "://" + strings.ToLower(u.Host)
	if u.Path == "" || u.Path == "/" {
		if u.Fragment != "" {
			return "", nil, ErrAddress
		}
		return origin, nil, nil
	}
	invite, err = parseInvite(u)
	return origin, invite, err
}

func parseInvite(u *url.URL) (*Invite, error) {
	text, ok := strings.CutPrefix(u.Path, invitePath)
	if !ok {
		return nil, ErrAddress
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(token) < wire.MinToken || len(token) > wire.MaxToken {
		return nil, ErrAddress
	}
	fragment, err := devicelog.ParseFragment(u.Fragment)
	if err != nil {
		return nil, ErrAddress
	}
	return &Invite{token, fragment}, nil
}

// InviteLink returns the link of a token at a chat's origin.
func InviteLink(origin string, token []byte, fragment devicelog.Fragment) string {
	return origin + invitePath + base64.RawURLEncoding.EncodeToString(token) + "#" + fragment.String()
}

// schemeFor is what an address without a scheme means.
func schemeFor(host string) string {
	host, _, _ = strings.Cut(host, "/")
	name, _, _ := strings.Cut(host, ":")
	if Local(name) {
		return "http://"
	}
	return "https://"
}

// Local reports whether a host name means this machine (RFC 6761 section 6.3):
// only such hosts are spoken to without TLS.
func Local(name string) bool {
	name = strings.ToLower(name)
	return name == "localhost" || name == "127.0.0.1" || strings.HasSuffix(name, ".localhost")
}
