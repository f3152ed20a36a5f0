package demohost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// apiPath is where the chat's API for hosts begins.
	apiPath = "/api/v1"
	// apiTime bounds a call: a visitor waits for it.
	apiTime = 5 * time.Second
	// maxAnswer bounds an answer in bytes; a profile has a few hundred.
	maxAnswer = 64 << 10
)

// errNoDevice says that the member has made no keys yet, so there is no link.
var errNoDevice = errors.New("the member has not opened the messages on any device")

// client calls the chat's API for hosts. It is all that a host needs of it.
type client struct {
	chat string
	key  string
	http *http.Client
}

func newClient(chat, key string) *client {
	transport := &http.Transport{DialContext: dialLocal, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	return &client{chat, key, &http.Client{Transport: transport, Timeout: apiTime}}
}

// dialLocal reaches names under localhost on this machine, as browsers do (RFC
// 6761 section 6.3); not every system's resolver knows them.
func dialLocal(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// invite is a member's public address and the picture of it.
type invite struct{ Link, QR string }

// invite asks for the member's permanent invite: first for the chat's name for
// the member, then for the profile under that name.
func (c *client) invite(ctx context.Context, subject string) (invite, error) {
	var member struct {
		ID string `json:"id"`
	}
	if err := c.call(ctx, http.MethodPost, "/members", map[string]string{"subject": subject}, &member); err != nil {
		return invite{}, fmt.Errorf("resolve the member: %w", err)
	}
	var profile struct {
		Invite struct {
			Link *string `json:"link"`
		} `json:"invite"`
	}
	if err := c.call(ctx, http.MethodGet, "/members/"+url.PathEscape(member.ID)+"/profile", nil, &profile); err != nil {
		return invite{}, fmt.Errorf("read the profile: %w", err)
	}
	if profile.Invite.Link == nil {
		return invite{}, errNoDevice
	}
	return c.shown(*profile.Invite.Link)
}

// shown accepts a link to the chat only: it goes into our pages.
func (c *client) shown(link string) (invite, error) {
	if !strings.HasPrefix(link, c.chat+"/") {
		return invite{}, errors.New("the API gave a link that is not the chat's")
	}
	page, _, _ := strings.Cut(link, "#")
	return invite{link, page + "/qr.svg"}, nil
}

func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.chat+apiPath+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response.StatusCode, b)
	}
	return json.Unmarshal(b, out)
}

// refusal is the problem document of an answer (RFC 9457) as an error.
func refusal(status int, body []byte) error {
	var problem struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(body, &problem)
	return fmt.Errorf("the API answers %d %s: %s", status, problem.Code, problem.Detail)
}
