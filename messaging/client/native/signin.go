//go:build !js

package native

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// SignIn is a sign-in that was begun here and is completed in a browser: the
// member opens Page there, signs in with the host, and types Code (RFC 8628 calls
// them verification URI and user code). Only the holder of the secret gets the
// session.
type SignIn struct {
	Page    string
	Code    string
	Expires time.Time

	secret string
	every  time.Duration
}

// pollEvery is the pace of asking where the server names none, and pollMost the
// slowest that is taken from it.
const (
	pollEvery = 2 * time.Second
	pollMost  = time.Minute
)

// BeginSignIn asks the server for a sign-in.
func (s *Site) BeginSignIn(ctx context.Context) (*SignIn, error) {
	var a struct {
		Secret    string `json:"secret"`
		Page      string `json:"login_url"`
		Code      string `json:"code"`
		ExpiresIn int    `json:"expires_in"`
		Interval  int    `json:"interval"`
	}
	if _, err := s.call(ctx, http.MethodPost, "/client/v1/visits", nil, &a); err != nil {
		return nil, err
	}
	if a.Page == "" || a.Code == "" || a.Secret == "" {
		return nil, fmt.Errorf("%w: an incomplete sign-in", ErrServer)
	}
	every := time.Duration(a.Interval) * time.Second
	if every <= 0 {
		every = pollEvery
	}
	expires := time.Now().Add(time.Duration(a.ExpiresIn) * time.Second)
	return &SignIn{Page: a.Page, Code: a.Code, Expires: expires, secret: a.Secret, every: min(every, pollMost)}, nil
}

// AwaitSignIn asks until the member has completed the sign-in, and returns the
// session. It ends with ctx, or with the server's refusal when it is over.
func (s *Site) AwaitSignIn(ctx context.Context, in *SignIn) (Token, error) {
	for {
		var a struct {
			Token string `json:"token"`
		}
		status, err := s.call(ctx, http.MethodPost, "/client/v1/visits/poll", map[string]string{"secret": in.secret}, &a)
		if err != nil {
			return Token{}, err
		}
		if status == http.StatusOK && a.Token != "" {
			return Token{a.Token}, nil
		}
		timer := time.NewTimer(in.every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Token{}, ctx.Err()
		}
	}
}

// SignOut ends the session.
func (s *Site) SignOut(ctx context.Context) error {
	_, err := s.call(ctx, http.MethodPost, "/client/v1/sign-out", nil, nil)
	return err
}
